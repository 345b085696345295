# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np

from semcom_phy.echo_grid import Echoes, echo_grid, respond, spread
from semcom_phy.numerology import NARROW

PAIR = replace(NARROW, tx_antennas=2)
CARRIERS = np.array([-50, -49, -3, 1, 2, 40], np.intp)


def _echoes(rng: np.random.Generator) -> Echoes:
    """Some of both antennas, before and behind the window too."""
    index = np.array([0, 3, 11, 20, 50, 61, 97])
    root = rng.standard_normal((index.size, index.size))
    gains = rng.standard_normal((index.size, 2)) @ np.array([1, 1j])
    return Echoes(index, gains, root @ root.T)


def _waves(echoes: Echoes) -> np.ndarray:
    delays = echo_grid(PAIR).delays[echoes.rows] / 2
    return np.asarray(np.exp(-2j * np.pi * np.outer(CARRIERS, delays) / PAIR.fft_size))


def test_the_grid_reaches_a_quarter_prefix_beyond_the_prefix() -> None:
    grid = echo_grid(PAIR)
    assert grid.delays.min() == -8
    assert grid.delays.max() == 2 * 20
    np.testing.assert_array_equal(np.bincount(grid.antennas), [49, 49])
    np.testing.assert_array_equal(grid.places[49:] - grid.places[:49], PAIR.fft_size)


def test_echoes_turn_carriers_by_their_delays() -> None:
    echoes = _echoes(np.random.default_rng(1))
    channel = np.full((CARRIERS.size, 2), 7, np.complex64)
    respond(echoes, echo_grid(PAIR), CARRIERS, channel)
    waves, antennas = _waves(echoes), echo_grid(PAIR).antennas[echoes.rows]
    for antenna in range(2):
        own = antennas == antenna
        np.testing.assert_allclose(channel[:, antenna], waves[:, own] @ echoes.gains[own], 1e-5)


def test_errors_of_echoes_are_errors_of_carriers() -> None:
    echoes = _echoes(np.random.default_rng(2))
    waves, antennas = _waves(echoes), echo_grid(PAIR).antennas[echoes.rows]
    expected = np.zeros(CARRIERS.size)
    for antenna in range(2):
        own = antennas == antenna
        covariance = echoes.covariance[np.ix_(own, own)]
        expected += np.einsum("ka,ab,kb->k", waves[:, own], covariance, waves[:, own].conj()).real
    np.testing.assert_allclose(spread(echoes, echo_grid(PAIR), CARRIERS), expected, 1e-9)
