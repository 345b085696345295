# SPDX-License-Identifier: GPL-3.0-or-later
"""Echoes at delays of a grid, and what they make of the carriers."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.numerology import Numerology


class EchoGrid(NamedTuple):
    """Delays at which echoes are looked for, in half samples.

    Attributes:
        delays: ``[n]``, ascending for each antenna.
        antennas: ``[n]``, the transmit antenna of each.
        places: ``[n]`` delays as known cells show them, each antenna's cyclic delay included.
        few: as many echoes at most pass for few.
        period: of the places, twice the size of the transform.
        waves: ``[period]``, ``exp(-2j pi i / period)``.
    """

    delays: NDArray[np.intp]
    antennas: NDArray[np.intp]
    places: NDArray[np.intp]
    few: int
    period: int
    waves: NDArray[np.complex128]


class Echoes(NamedTuple):
    """Echoes of the channel to one receive antenna.

    Attributes:
        rows: ``[n]`` in the grid.
        gains: ``[n]``.
        covariance: ``[n, n]`` of the gains, in units of the noise.
    """

    rows: NDArray[np.intp]
    gains: NDArray[np.complex128]
    covariance: NDArray[np.float64]


@lru_cache(maxsize=8)
def echo_grid(numerology: Numerology) -> EchoGrid:
    """Delays within the cyclic prefix and a quarter of it before and behind.

    The transform's window may begin late or early where the first echo is not the strongest.
    """
    margin = numerology.cyclic_prefix // 4
    delays = np.arange(-2 * margin, 2 * (numerology.cyclic_prefix + margin) + 1)
    antennas = np.repeat(np.arange(numerology.tx_antennas), delays.size)
    delays = np.tile(delays, numerology.tx_antennas)
    period = 2 * numerology.fft_size
    places = delays + antennas * (period // numerology.tx_antennas)
    few = 5 * numerology.tx_antennas * numerology.cyclic_prefix // 8
    waves = np.exp(-2j * np.pi * np.arange(period) / period)
    return EchoGrid(delays, antennas, places, few, period, waves)


@njit(cache=True, nogil=True)
def squared(value: complex) -> float:
    """Power of a complex number."""
    return value.real * value.real + value.imag * value.imag


@njit(cache=True, nogil=True)
def _turns(delay: int, carriers: NDArray[np.intp], period: int) -> NDArray[np.intp]:
    """``delay carriers``, modulo the period."""
    turns = np.empty(carriers.size, np.intp)
    step, number = delay % period, carriers[0]
    turn = (step * number) % period
    for k in range(carriers.size):
        # A division for each carrier would cost more than all else.
        while number < carriers[k]:
            turn += step
            number += 1
            if turn >= period:
                turn -= period
        turns[k] = turn
    return turns


@njit(cache=True, nogil=True)
def respond(
    echoes: Echoes, grid: EchoGrid, carriers: NDArray[np.intp], channel: NDArray[np.complex64]
) -> None:
    """Fill in what the echoes make of carriers.

    Args:
        echoes: of one receive antenna.
        grid: their delays.
        carriers: ``[carriers]``, their numbers, ascending.
        channel: ``[carriers, tx]`` to fill.
    """
    channel[:] = 0
    for a in range(echoes.rows.size):
        delay, antenna = grid.delays[echoes.rows[a]], grid.antennas[echoes.rows[a]]
        turns = _turns(delay, carriers, grid.period)
        for k in range(carriers.size):
            channel[k, antenna] += np.complex64(echoes.gains[a] * grid.waves[turns[k]])


@njit(cache=True, nogil=True)
def spread(echoes: Echoes, grid: EchoGrid, carriers: NDArray[np.intp]) -> NDArray[np.float64]:
    """Variance ``[carriers]`` of :func:`respond`'s channel, summed over the antennas, noise one."""
    # A covariance turns a carrier by the difference of the delays alone.
    lags = np.zeros(grid.period)
    for a in range(echoes.rows.size):
        i = echoes.rows[a]
        for b in range(echoes.rows.size):
            j = echoes.rows[b]
            if grid.antennas[i] == grid.antennas[j]:
                lags[abs(grid.delays[i] - grid.delays[j])] += echoes.covariance[a, b]
    variance = np.zeros(carriers.size)
    for lag in range(grid.period):
        if lags[lag] != 0.0:
            turns = _turns(lag, carriers, grid.period)
            for k in range(carriers.size):
                variance[k] += lags[lag] * grid.waves[turns[k]].real
    return variance
