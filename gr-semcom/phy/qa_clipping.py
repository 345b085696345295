# SPDX-License-Identifier: GPL-3.0-or-later
"""Clipping and filtering: lower peaks, nothing out of band, noise instead of bias."""

import numpy as np
import pytest

from semcom_phy.clipping import clip_and_filter
from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import clip, frame_power
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.ofdm import ofdm_demodulate, ofdm_modulate
from semcom_phy.peak_power import exceeded_db, relative_power


def _grid(numerology: Numerology, symbols: int, antennas: int = 1) -> ComplexArray:
    rng = np.random.default_rng(7)
    shape = (symbols, len(numerology.active_carriers), antennas, 2)
    parts = rng.standard_normal(shape) * np.sqrt(0.5)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def _noise_db(sent: ComplexArray, limited: ComplexArray) -> float:
    return float(10 * np.log10(np.mean(np.abs(limited - sent) ** 2)))


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_at_like_peaks_it_costs_less_than_a_limiter_of_the_samples(
    numerology: Numerology,
) -> None:
    grid = _grid(numerology, 300)
    limited = clip_and_filter(grid, 4.0, numerology)
    samples = clip(ofdm_modulate(grid, numerology), 2.0, numerology)
    peaks = [
        exceeded_db(relative_power(burst), [1e-3])[0]
        for burst in (ofdm_modulate(limited, numerology), samples)
    ]
    unlimited = exceeded_db(relative_power(ofdm_modulate(grid, numerology)), [1e-3])[0]
    assert peaks[0] < peaks[1] < unlimited - 2.0
    of_limiter = ofdm_demodulate(samples, numerology)
    of_limiter *= np.vdot(grid, grid) / np.vdot(grid, of_limiter)
    assert _noise_db(grid, limited) < _noise_db(grid, of_limiter) - 2.5


def test_cells_are_unbiased() -> None:
    grid = _grid(NARROW, 300)
    limited = clip_and_filter(grid, 3.0, NARROW)
    assert np.vdot(grid, limited) / np.vdot(grid, grid) == pytest.approx(1, abs=1e-4)
    assert -20 < _noise_db(grid, limited) < -15


def test_peaks_stay_near_the_limit() -> None:
    samples = ofdm_modulate(clip_and_filter(_grid(NARROW, 300), 3.0, NARROW), NARROW)
    over = np.abs(samples) ** 2 / frame_power(NARROW)
    assert 10 * np.log10(np.quantile(over, 0.999)) < 3.0 + 2.5


def test_what_stays_below_the_limit_is_left_alone() -> None:
    grid = _grid(NARROW, 20)
    np.testing.assert_allclose(clip_and_filter(grid, 20.0, NARROW), grid, atol=2e-6)


def test_antennas_are_limited_each_and_one_may_be_silent() -> None:
    grid = _grid(NARROW, 40, antennas=2)
    grid[:, :, 1] = 0
    limited = clip_and_filter(grid, 3.0, NARROW)
    np.testing.assert_array_equal(limited[:, :, 1], 0)
    np.testing.assert_allclose(
        limited[:, :, :1], clip_and_filter(grid[:, :, :1], 3.0, NARROW), atol=1e-6
    )
