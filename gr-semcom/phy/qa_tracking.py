# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.tracking import (
    KnownCells,
    match_both,
    match_cells,
    refine_rotation,
    search_drift,
    smooth_phase,
    straighten,
)

SYMBOLS = 150
CARRIERS = np.array([-44.0, -32, -19, -7, 7, 19, 32, 44])
DRIFT, SKEW = 1, 3


def _angles(line: NDArray[np.float64], symbols: int = SYMBOLS) -> NDArray[np.float64]:
    symbol = np.arange(symbols)[:, None]
    return line[0] + line[1] * symbol + CARRIERS * (line[2] + line[3] * symbol)


def _cells(
    line: NDArray[np.float64],
    snr_db: float,
    seed: int = 0,
    wander: NDArray[np.float64] | float = 0.0,
) -> tuple[KnownCells]:
    """Pilots of a flat channel, turned and noisy."""
    rng = np.random.default_rng(seed)
    angle = _angles(line) + np.reshape(wander, (-1, 1))
    noise_var = 10 ** (-snr_db / 10)
    noise = rng.standard_normal((*angle.shape, 2)) @ np.array([1, 1j]) * np.sqrt(noise_var / 2)
    received = (np.exp(1j * angle) + noise).astype(np.complex64)[:, :, None]
    known = np.ones(angle.shape, np.complex64)
    composite = np.ones((CARRIERS.size, 1), np.complex64)
    used = np.ones(SYMBOLS)
    return (match_cells(received, known, composite, np.array([noise_var]), 0, CARRIERS, used),)


def _fit(cells: tuple[KnownCells, ...], near: float) -> NDArray[np.float64]:
    line = np.array([0.0, near, 0.0, 0.0])
    search_drift(cells, line, 0.1)
    refine_rotation(cells, line, True)
    return line


@pytest.mark.parametrize("snr_db", [-5.0, 5.0, 30.0])
@pytest.mark.parametrize("drift", [0.0, 0.05, -1.7])
def test_the_fit_reaches_the_cramer_rao_bound(snr_db: float, drift: float) -> None:
    truth = np.array([0.4, drift, 2e-3, 4e-5])
    # What is known before is off by up to 0.09 rad a symbol: twice around over the frame.
    fits = [_fit(_cells(truth, snr_db, seed), drift + 0.09 * np.sin(seed)) for seed in range(120)]
    snr, n = 10 ** (snr_db / 10), SYMBOLS * CARRIERS.size
    spread = SYMBOLS**2 / 12
    power = np.mean(CARRIERS**2)
    drift_bound = np.sqrt(1 / (2 * snr * n * spread))
    skew_bound = drift_bound / np.sqrt(power)
    for number, bound in ((DRIFT, drift_bound), (SKEW, skew_bound)):
        error = np.array([fit[number] for fit in fits]) - truth[number]
        assert abs(error.mean()) < 4 * bound / np.sqrt(len(fits))
        assert error.std() < 1.2 * bound


def test_without_clock_the_slopes_stay_zero() -> None:
    line = np.zeros(4)
    cells = _cells(np.array([0.1, 0.002, 0.0, 0.0]), 20.0)
    refine_rotation(cells, line, False)
    assert (line[2:] == 0).all()
    assert line[DRIFT] == pytest.approx(0.002, abs=1e-4)


def test_symbols_that_are_not_used_do_not_count() -> None:
    truth = np.array([0.1, 0.002, 1e-3, 1e-5])
    received = np.exp(1j * _angles(truth)).astype(np.complex64)[:, :, None]
    received[40:60] = 100.0
    used = np.ones(SYMBOLS)
    used[40:60] = 0.0
    opened, piloted = received[:25], received[25:]
    known = np.ones(received.shape[:2], np.complex64)
    composite, rows = np.ones((CARRIERS.size, 1), np.complex64), np.arange(CARRIERS.size)
    noise_var = np.array([0.01])
    cells = match_both(
        opened, known[:25], piloted, known[25:], composite, noise_var, CARRIERS, rows, used
    )
    line = np.zeros(4)
    refine_rotation(cells, line, True)
    np.testing.assert_allclose(line, truth, atol=1e-5)


@pytest.mark.parametrize("antennas", [1, 2])
def test_straightening_takes_the_rotation_out(antennas: int) -> None:
    line = np.array([0.3, -0.4, 0.02, 1e-3])
    wander = np.linspace(-1, 1, SYMBOLS)
    angle = _angles(line, SYMBOLS + 7)[7:] + wander[:, None]
    turned = np.repeat(np.exp(1j * angle)[:, :, None], antennas, axis=2).astype(np.complex64)
    straight = straighten(turned, line, 7, CARRIERS, wander)
    np.testing.assert_allclose(straight, 1, atol=1e-3)


def test_the_spline_follows_a_wandering_oscillator() -> None:
    wander = 0.15 * np.sin(2 * np.pi * np.arange(SYMBOLS) / SYMBOLS * 1.5)
    cells = _cells(np.array([0.0, 0.01, 0.0, 0.0]), 20.0, wander=wander)
    line = _fit(cells, 0.0)
    before = line[0] + (line[DRIFT] - 0.01) * np.arange(SYMBOLS) - wander
    after = before + smooth_phase(cells, line, SYMBOLS)
    assert np.mean(after**2) < 0.05 * np.mean(before**2)
    assert np.mean(after**2) < 3e-4


def test_the_spline_costs_nothing_where_there_is_no_wander() -> None:
    snr = 1.0
    errors = []
    for seed in range(100):
        cells = _cells(np.zeros(4), 0.0, seed)
        line = _fit(cells, 0.0)
        straight = line[0] + line[DRIFT] * np.arange(SYMBOLS)
        errors.append(straight + smooth_phase(cells, line, SYMBOLS))
    # The line alone has an error of 2 parameters / (2 SNR cells).
    line_bound = 1 / (snr * SYMBOLS * CARRIERS.size)
    assert np.mean(np.square(errors)) < 3 * line_bound


@pytest.mark.parametrize("symbols", [3, 4, 9])
def test_the_spline_solves_its_penalised_least_squares(symbols: int) -> None:
    rng = np.random.default_rng(symbols)
    match = 5 * np.exp(1j * rng.normal(0, 0.01, symbols)).astype(np.complex64)
    used = np.ones(symbols)
    used[1] = match[1] = 0.0
    cells = (KnownCells(0, np.zeros(1), match[:, None], np.full(1, 5.0), used),)
    second = np.diff(np.eye(symbols), 2, axis=0)
    system = np.diag(2 * 5 * used) + 1e7 * second.T @ second
    expected = np.linalg.solve(system, 2 * match.imag)
    got = smooth_phase(cells, np.zeros(4), symbols)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-6)
