# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.reliability import deviation, even_excess, excess_noise, hit_at_end

OPENING, PAYLOAD, CARRIERS, PILOTS = 10, 128, 100, 8


def _deviations(symbols: int, cells: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return rng.gamma(cells, 1 / cells, symbols)


def _excess(hit: slice, factor: float, noise: float = 1.0, seed: int = 0) -> NDArray[np.float64]:
    payload = noise * _deviations(PAYLOAD, PILOTS, seed)
    payload[hit] *= factor
    opening = _deviations(OPENING, CARRIERS, seed + 1000)
    return excess_noise(opening, payload, CARRIERS, PILOTS)


def test_noise_alone_hits_nothing() -> None:
    assert all((_excess(slice(0), 1.0, seed=seed) == 1).all() for seed in range(200))


@pytest.mark.parametrize("hit", [slice(5, 6), slice(60, 90), slice(20, 128)])
def test_hit_symbols_are_found_and_how_loud_it_was(hit: slice) -> None:
    excess = _excess(hit, 100.0)[OPENING:]
    inside = np.zeros(PAYLOAD, bool)
    inside[hit] = True
    np.testing.assert_array_equal(excess > 1, inside)
    assert np.mean(excess[hit]) == pytest.approx(100, rel=5 / np.sqrt(8 * inside.sum()) + 0.3)


def test_a_burst_over_the_training_does_not_hide_another() -> None:
    """Then the training symbols show much noise, and the payload little of it."""
    opening = _deviations(OPENING, CARRIERS, 1)
    payload = 0.05 * _deviations(PAYLOAD, PILOTS, 2)
    payload[40:50] *= 30
    excess = excess_noise(opening, payload, CARRIERS, PILOTS)
    assert (excess[OPENING + 40 : OPENING + 50] > 1).all()
    assert (excess[:OPENING] > 1).all()


def test_symbols_hit_up_to_the_end_are_counted() -> None:
    assert hit_at_end(np.array([1.0, 5.0, 1.0, 7.0, 9.0])) == 2
    assert hit_at_end(np.array([5.0, 1.0])) == 0
    assert hit_at_end(np.array([5.0, 2.0])) == 2


def test_deviations_are_in_units_of_each_antennas_noise() -> None:
    received = np.full((3, 4, 2), 2.0 + 0j, np.complex64)
    expected = np.full((3, 4, 2), 1.0 + 0j, np.complex64)
    np.testing.assert_allclose(deviation(received, expected, np.array([1.0, 0.5])), 1.5)


def test_noise_that_all_payload_symbols_have_is_told_from_hits() -> None:
    """A clipping transmitter's; of bursts some symbols are spared."""
    even = [12 * _deviations(PAYLOAD, PILOTS, seed) for seed in range(100)]
    levels = np.array([even_excess(payload, PILOTS) for payload in even])
    np.testing.assert_allclose(levels, 12, rtol=0.25)
    assert all(even_excess(payload / 12, PILOTS) == 1 for payload in even)
    burst = even[0].copy()
    burst[:20] /= 100
    assert even_excess(burst, PILOTS) == 1


@pytest.mark.parametrize("symbols", [1, 3, 6, 20])
def test_few_symbols_are_not_noisier_by_chance(symbols: int) -> None:
    drawn = np.random.default_rng(symbols).gamma(PILOTS, 1 / PILOTS, (2000, symbols))
    assert all(even_excess(payload, PILOTS) == 1 for payload in drawn)
