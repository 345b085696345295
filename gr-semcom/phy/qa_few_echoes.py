# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.echo_grid import Echoes, echo_grid
from semcom_phy.few_echoes import few_echoes
from semcom_phy.numerology import NARROW, WIDE, Numerology

LOOKS = 25.0


def echo_waves(numerology: Numerology) -> NDArray[np.complex128]:
    """``[active carriers, n]`` of all echoes of the grid."""
    carriers = np.asarray(numerology.active_carriers)
    places = echo_grid(numerology).places
    return np.asarray(np.exp(-2j * np.pi * np.outer(carriers, places) / (2 * numerology.fft_size)))


def gram(numerology: Numerology) -> NDArray[np.float64]:
    """Products of echoes, by the difference of their delays."""
    carriers, period = np.asarray(numerology.active_carriers), 2 * numerology.fft_size
    turns = np.outer(np.arange(-period, period), carriers) / period
    return np.asarray(LOOKS * np.cos(2 * np.pi * turns).sum(axis=1))


def noise(rng: np.random.Generator, count: int) -> NDArray[np.complex128]:
    """Of unit power."""
    return np.asarray(rng.standard_normal((count, 2)) @ np.array([1, 1j]) * np.sqrt(0.5))


def _found(
    numerology: Numerology, channel: NDArray[np.complex128], noise_var: float, seed: int
) -> Echoes:
    rng = np.random.default_rng(seed)
    average = channel + np.sqrt(noise_var / LOOKS) * noise(rng, channel.size)
    match = LOOKS * echo_waves(numerology).conj().T @ average
    echoes: Echoes = few_echoes(match, gram(numerology), echo_grid(numerology), noise_var)
    return echoes


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_echoes_on_the_grid_are_found_and_hardly_any_others(numerology: Numerology) -> None:
    index, gains = np.array([9, 15, 30]), np.array([1, 0.3j, -0.1])
    waves, others = echo_waves(numerology), 0
    for seed in range(50):
        echoes = _found(numerology, waves[:, index] @ gains, 0.01, seed)
        assert set(index) <= set(echoes.rows)
        place = [list(echoes.rows).index(i) for i in index]
        np.testing.assert_allclose(echoes.gains[place], gains, atol=0.02)
        others += echoes.rows.size - index.size
    independent = echo_grid(numerology).delays.size * waves.shape[0] / (2 * numerology.fft_size)
    # Four times the noise's mean power, which exp(-4) of all delays show.
    assert others / 50 < 2 * np.exp(-4) * independent


def test_noise_alone_makes_hardly_an_echo() -> None:
    nothing = np.zeros(100, np.complex128)
    counts = [_found(NARROW, nothing, 1.0, seed).rows.size for seed in range(100)]
    assert 0 < np.mean(counts) < 1


def test_gains_and_their_covariance_are_those_of_least_squares_on_the_delays_found() -> None:
    """However often echoes were taken in, changed and dropped on the way there."""
    waves, noise_var = echo_waves(WIDE), 1e-3
    carriers, delays = np.asarray(WIDE.active_carriers), np.array([4.3, 11.1, 29.77])
    between = np.exp(-2j * np.pi * np.outer(carriers, delays) / WIDE.fft_size)
    errors = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        channel = between @ noise(rng, 3)
        average = channel + np.sqrt(noise_var / LOOKS) * noise(rng, channel.size)
        match = LOOKS * waves.conj().T @ average
        echoes = few_echoes(match, gram(WIDE), echo_grid(WIDE), noise_var)
        own = waves[:, echoes.rows]
        fitted = np.linalg.lstsq(own, average, rcond=None)[0]
        np.testing.assert_allclose(own @ echoes.gains, own @ fitted, atol=3e-3)
        errors.append(np.mean(np.abs(own @ echoes.gains - channel) ** 2))
        exact = np.linalg.inv(LOOKS * (own.conj().T @ own).real)
        assert (np.diag(echoes.covariance) < 1.001 * np.diag(exact)).all()
        assert np.linalg.eigvalsh(echoes.covariance).min() > 0
    # Half of what echoes all over the prefix would cost.
    assert np.mean(errors) < 0.5 * noise_var / LOOKS * (WIDE.cyclic_prefix + 1) / carriers.size


def test_nothing_at_all_is_no_echo() -> None:
    size = echo_grid(NARROW).delays.size
    echoes = few_echoes(np.zeros(size, np.complex128), gram(NARROW), echo_grid(NARROW), 1e-20)
    assert echoes.rows.size == 0
