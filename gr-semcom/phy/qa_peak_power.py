# SPDX-License-Identifier: GPL-3.0-or-later
"""Peaks as the exponential law has them, and what lowers them."""

from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.peak_power import (
    OVERSAMPLING,
    ccdf,
    draw_symbols,
    exceeded_db,
    main,
    relative_power,
    send,
)
from semcom_phy.preamble import scrambling_signs

LEVELS_DB = np.array([0.0, 3.0, 6.0, 8.0])


def _symbols(kind: str, numerology: Numerology, frames: int) -> np.ndarray:
    shape = (frames, numerology.fragment_capacity)
    return draw_symbols(kind, shape, np.random.default_rng(2))


def _peak_db(kind: str, numerology: Numerology, clipping_db: float | None = None) -> float:
    payload, _ = send(_symbols(kind, numerology, 8), numerology, clipping_db)
    return float(exceeded_db(relative_power(payload), [1e-3])[0])


@pytest.mark.parametrize("spreading", ["none", "dft"])
@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_power_of_gaussian_cells_is_exponential(numerology: Numerology, spreading: str) -> None:
    numerology = replace(numerology, spreading=spreading)
    for samples in send(_symbols("gaussian", numerology, 10), numerology):
        measured = ccdf(relative_power(samples), LEVELS_DB)
        expected = np.exp(-(10 ** (LEVELS_DB / 10)))
        independent = samples.size * len(numerology.active_carriers) / numerology.fft_size
        deviation = np.sqrt(expected / independent)
        # Training and header have slightly lower peaks than the law.
        assert (np.abs(measured - expected) < 6 * deviation + 0.03 * expected).all()


def test_peaks_between_samples_count() -> None:
    # Two carriers beat: no sample need lie on the peak, 3 dB above the mean.
    time = np.arange(64) + 0.5
    samples = np.exp(2j * np.pi * 15 * time / 64) + np.exp(-2j * np.pi * 17 * time / 64)
    power = relative_power(samples.astype(np.complex64))
    assert power.size == 64 * OVERSAMPLING
    assert power.mean() == pytest.approx(1)
    assert power.max() == pytest.approx(2, rel=1e-3)
    assert (np.abs(samples) ** 2).max() / (np.abs(samples) ** 2).mean() < 1.1


def test_shares_and_levels_are_each_others_inverse() -> None:
    power = np.random.default_rng(1).exponential(1, 200_000)
    levels = exceeded_db(power, [0.1, 0.01, 0.001])
    np.testing.assert_allclose(ccdf(power, levels), [0.1, 0.01, 0.001], rtol=0.02)


def test_scrambling_keeps_like_symbols_from_adding_up() -> None:
    symbols = _symbols("constant", NARROW, 4)
    unscrambled = symbols * scrambling_signs(NARROW)[0]
    peaks = [
        exceeded_db(relative_power(send(payload, NARROW)[0]), [1e-3])[0]
        for payload in (symbols, unscrambled)
    ]
    assert peaks[0] == pytest.approx(8.4, abs=0.5)
    assert peaks[1] > 18


def test_spreading_lowers_the_peaks_of_qpsk_not_of_gaussian_symbols() -> None:
    spread = replace(NARROW, spreading="dft")
    assert _peak_db("qpsk", spread) < _peak_db("qpsk", NARROW) - 0.8
    assert _peak_db("gaussian", spread) == pytest.approx(_peak_db("gaussian", NARROW), abs=0.2)


def test_clipping_lowers_peaks() -> None:
    assert _peak_db("gaussian", NARROW, 4.0) < _peak_db("gaussian", NARROW) - 2.5


def test_the_command_prints_what_a_share_of_the_samples_exceeds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["narrow", "--frames", "3", "--clipping", "5", "--spreading", "dft"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["share", "1e-01", "1e-02", "1e-03", "1e-04"]
    levels = [float(line.split()[1]) for line in lines[1:5]]
    assert levels == sorted(levels)
    assert levels[2] < 7.5
    assert lines[5].startswith("error vector of clipping")
    assert float(lines[5].split()[-2]) == pytest.approx(-23.2, abs=1)
