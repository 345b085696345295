# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.tracking import KnownCells, Rotation, fit_rotation, match_cells, smooth_phase

SYMBOLS = 150
CARRIERS = np.array([-44.0, -32, -19, -7, 7, 19, 32, 44])


def _cells(
    rotation: Rotation,
    snr_db: float,
    seed: int = 0,
    wander: NDArray[np.float64] | float = 0.0,
) -> KnownCells:
    """Pilots of a flat channel, turned and noisy."""
    rng = np.random.default_rng(seed)
    symbol = np.arange(SYMBOLS)[:, None]
    angle = rotation.at(symbol, CARRIERS) + np.reshape(wander, (-1, 1))
    noise_var = 10 ** (-snr_db / 10)
    noise = rng.standard_normal((*angle.shape, 2)) @ np.array([1, 1j]) * np.sqrt(noise_var / 2)
    received = (np.exp(1j * angle) + noise).astype(np.complex64)[:, :, None]
    ones = np.ones(angle.shape, np.complex64)
    composite = np.ones((CARRIERS.size, 1), np.complex64)
    return match_cells(received, ones, composite, np.array([noise_var]), 0, CARRIERS)


@pytest.mark.parametrize("snr_db", [-5.0, 5.0, 30.0])
@pytest.mark.parametrize("drift", [0.0, 0.05, -1.7])
def test_the_fit_reaches_the_cramer_rao_bound(snr_db: float, drift: float) -> None:
    truth = Rotation(0.4, drift, 2e-3, 4e-5)
    fits = [fit_rotation([_cells(truth, snr_db, seed)], clock=True) for seed in range(120)]
    snr, n = 10 ** (snr_db / 10), SYMBOLS * CARRIERS.size
    spread = SYMBOLS**2 / 12
    power = np.mean(CARRIERS**2)
    drift_bound = np.sqrt(1 / (2 * snr * n * spread))
    skew_bound = drift_bound / np.sqrt(power)
    for name, bound in (("drift", drift_bound), ("skew", skew_bound)):
        error = np.array([getattr(fit, name) for fit in fits]) - getattr(truth, name)
        assert abs(error.mean()) < 4 * bound / np.sqrt(len(fits))
        assert error.std() < 1.2 * bound


def test_without_clock_the_slopes_stay_zero() -> None:
    fit = fit_rotation([_cells(Rotation(0.1, 0.02, 0.0, 0.0), 20.0)], clock=False)
    assert (fit.slope, fit.skew) == (0.0, 0.0)
    assert fit.drift == pytest.approx(0.02, abs=1e-4)


def test_the_spline_follows_a_wandering_oscillator() -> None:
    wander = 0.15 * np.sin(2 * np.pi * np.arange(SYMBOLS) / SYMBOLS * 1.5)
    cells = _cells(Rotation(0.0, 0.01), 20.0, wander=wander)
    rotation = fit_rotation([cells], clock=True)
    line = rotation.phase + rotation.drift * np.arange(SYMBOLS)
    before = line - 0.01 * np.arange(SYMBOLS) - wander
    after = before + smooth_phase([cells], rotation, SYMBOLS)
    assert np.mean(after**2) < 0.05 * np.mean(before**2)
    assert np.mean(after**2) < 3e-4


def test_the_spline_costs_nothing_where_there_is_no_wander() -> None:
    snr = 1.0
    errors = []
    for seed in range(100):
        cells = _cells(Rotation(), 0.0, seed)
        rotation = fit_rotation([cells], clock=True)
        line = rotation.phase + rotation.drift * np.arange(SYMBOLS)
        errors.append(line + smooth_phase([cells], rotation, SYMBOLS))
    # The line alone has an error of 2 parameters / (2 SNR cells).
    line_bound = 1 / (snr * SYMBOLS * CARRIERS.size)
    assert np.mean(np.square(errors)) < 3 * line_bound


@pytest.mark.parametrize("symbols", [3, 4, 9])
def test_the_spline_solves_its_penalised_least_squares(symbols: int) -> None:
    rng = np.random.default_rng(symbols)
    weight = rng.uniform(1, 5, symbols)
    match = (weight * np.exp(1j * rng.normal(0, 0.01, symbols))).astype(np.complex64)
    cells = [
        KnownCells(n, np.zeros(1), match[n : n + 1, None], weight[n : n + 1], np.ones(1))
        for n in range(symbols)
    ]
    second = np.diff(np.eye(symbols), 2, axis=0)
    system = np.diag(2 * weight) + 1e7 * second.T @ second
    expected = np.linalg.solve(system, 2 * match.imag)
    got = smooth_phase(cells, Rotation(), symbols)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-6)
