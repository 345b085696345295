# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.csi_quantiser import CsiQuantiser
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.tdl import tdl_channel

MIMO = replace(NARROW, tx_antennas=2, rx_antennas=2)


def channel(numerology: Numerology, seed: int) -> ComplexArray:
    """TDL-C with 300 ns, its first path a quarter of the prefix in."""
    rng = np.random.default_rng(seed)
    taps = tdl_channel("tdl-c", 300e-9).realise(numerology.rx_antennas, numerology.tx_antennas, rng)
    delays = taps.delays_s * numerology.sample_rate + numerology.cyclic_prefix / 4 + rng.random()
    turns = np.outer(numerology.active_carriers, delays) / numerology.fft_size
    gains = taps.gains(0, 1)[0]
    return np.einsum("kd,drt->krt", np.exp(-2j * np.pi * turns), gains).astype(np.complex64)


@pytest.mark.parametrize(("bits", "error_db"), [(3, -13), (6, -27), (10, -50)])
def test_error_falls_by_6_db_a_bit(bits: int, error_db: float) -> None:
    quantiser = CsiQuantiser(MIMO, bits)
    channels = [channel(MIMO, seed) for seed in range(20)]
    restored = [quantiser.restore(quantiser.quantise(csi)) for csi in channels]
    error = np.mean(np.abs(np.array(restored) - np.array(channels)) ** 2)
    assert 10 * np.log10(error) == pytest.approx(error_db, abs=2)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 12), st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2)]), st.integers(0, 99))
def test_what_is_restored_is_quantised_to_itself(
    bits: int, antennas: tuple[int, int], seed: int
) -> None:
    tx, rx = antennas
    numerology = replace(NARROW, tx_antennas=tx, rx_antennas=rx)
    quantiser = CsiQuantiser(numerology, bits)
    report = quantiser.quantise(channel(numerology, seed))
    assert quantiser.report_bits == rx * tx * (8 + 2 * bits * 21)
    assert len(report) == -(-quantiser.report_bits // 8)
    restored = quantiser.restore(report)
    assert restored.shape == (100, rx, tx)
    again = quantiser.restore(quantiser.quantise(restored))
    error, power = np.mean(np.abs(again - restored) ** 2), np.mean(np.abs(restored) ** 2)
    assert error < power * (20 / 4**bits + 1e-4)


def test_a_weak_pair_of_antennas_has_a_scale_of_its_own() -> None:
    csi = channel(MIMO, 1)
    csi[:, 1, 0] *= 1e-3
    quantiser = CsiQuantiser(MIMO, 8)
    error = np.mean(np.abs(quantiser.restore(quantiser.quantise(csi)) - csi) ** 2, axis=0)
    assert (error < 1e-3 * np.mean(np.abs(csi) ** 2, axis=0)).all()


def test_channels_of_any_strength_are_told() -> None:
    quantiser = CsiQuantiser(MIMO, 8)
    for scale in (0.0, 1e-4, 1e4):
        csi = channel(MIMO, 2) * np.float32(scale)
        restored = quantiser.restore(quantiser.quantise(csi))
        np.testing.assert_allclose(restored, csi, atol=0.1 * scale)


def test_what_does_not_fit_is_refused() -> None:
    quantiser = CsiQuantiser(MIMO, 4)
    with pytest.raises(ValueError, match="1 bits asked"):
        CsiQuantiser(MIMO, 1)
    with pytest.raises(ValueError, match="expected"):
        quantiser.quantise(np.zeros((100, 1, 2), np.complex64))
    with pytest.raises(ValueError, match="not finite"):
        quantiser.quantise(np.full((100, 2, 2), np.nan, np.complex64))
    with pytest.raises(ValueError, match="88 bytes, not 3"):
        quantiser.restore(b"abc")
