# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps within a frame are found, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from semcom_phy.exchange import ComplexArray
from semcom_phy.missing_samples import missing_samples, put_back
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.ofdm import ofdm_modulate

SYMBOLS, FIRST = 60, 25
CFO = 0.003


def noise(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    return rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0] / np.sqrt(2)


def frame(
    rng: np.random.Generator, snr_db: float, antennas: int = 1, numerology: Numerology = NARROW
) -> ComplexArray:
    """OFDM symbols of Gaussian carriers, the same on all antennas, and noise."""
    grid = noise(rng, (SYMBOLS, len(numerology.active_carriers), 1))
    samples = np.repeat(ofdm_modulate(grid, numerology), antennas, axis=0)
    turned = samples * np.exp(2j * np.pi * CFO * np.arange(samples.shape[1]))
    heard = turned + 10 ** (-snr_db / 20) * noise(rng, samples.shape)
    return np.asarray(heard, np.complex64)


@pytest.mark.parametrize("antennas", [1, 2])
@pytest.mark.parametrize(
    ("numerology", "gap"),
    [*((NARROW, gap) for gap in (4, 10, 16, 71)), *((WIDE, gap) for gap in (20, 64, 100))],
)
def test_a_gap_is_found_where_it_is_and_put_back(
    numerology: Numerology, gap: int, antennas: int
) -> None:
    rng = np.random.default_rng(gap)
    whole = frame(rng, 15.0, antennas, numerology)
    period = numerology.samples_per_symbol
    at = 40 * period + 77
    cut = np.concatenate([whole[:, :at], whole[:, at + gap :]], axis=1)
    heard = np.pad(cut, ((0, 0), (0, gap)))
    where, missing = missing_samples(heard, numerology, FIRST, CFO)
    assert missing == gap
    assert abs(where - at) < 3 * period
    mended = put_back(heard, where, missing)
    assert mended.shape == whole.shape
    behind = max(where, at) + gap
    np.testing.assert_array_equal(mended[:, behind:], whole[:, behind:])


@pytest.mark.parametrize("snr_db", [-10.0, 0.0, 30.0])
def test_nothing_is_found_where_nothing_is_missing(snr_db: float) -> None:
    for seed in range(50):
        assert (
            missing_samples(frame(np.random.default_rng(seed), snr_db), NARROW, FIRST, CFO)[1] == 0
        )


def test_bursts_silence_and_offsets_are_no_gaps() -> None:
    rng = np.random.default_rng(0)
    for seed in range(20):
        samples = frame(np.random.default_rng(seed), 20.0)
        burst = samples.copy()
        burst[:, 5000:5300] += 100 * noise(rng, (1, 300))
        silent = samples.copy()
        silent[:, 6000:] = 0
        for heard in (burst, silent, samples + np.complex64(3), np.zeros_like(samples)):
            assert missing_samples(heard, NARROW, FIRST, CFO)[1] == 0
