# SPDX-License-Identifier: GPL-3.0-or-later
"""Which OFDM symbols of a frame were hit: by an interferer's burst, or by a gap in the stream.

The noise of a symbol is what its known cells deviate from the channel estimate. Of a symbol that
deviates far more than the others do, the payload is not to be believed more than that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammainccinv, gammaincinv

from semcom_phy.estimation import squared_deviations
from semcom_phy.exchange import ComplexArray

_FALSE_ALARM = 1e-6
"""Share of symbols of nothing but Gaussian noise that pass for hit."""

_QUANTILE = 0.25
"""Of the deviations, by which the noise is known while most symbols are hit."""

_NOISE_SURPLUS = 1.3
"""The noise may be this much above what the training symbols showed; only where even that many
symbols are hit does it matter."""

_LEAST_NOISE = 1e-9
"""Likewise below it: where samples are missing there is none at all."""

_OVERPOWERED = 3.0
"""Symbols of so many times the usual power were hit; noise and fading alone hardly do that."""

_ALIKE = 0.85
"""Correlation of pilots of neighbouring symbols from which on they see the same channel."""


def deviation(
    received: ComplexArray, expected: ComplexArray, noise_var: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Mean squared deviation of known cells ``[symbols]``, in units of the noise.

    Args:
        received: ``[symbols, carriers, rx]``.
        expected: likewise, or ``[carriers, rx]`` where all symbols are alike.
        noise_var: ``[rx]``.
    """
    alike = np.ascontiguousarray(expected[None] if expected.ndim == 2 else expected)
    return np.asarray(_relative_deviations(received, alike, noise_var))


@njit(cache=True, nogil=True)
def _relative_deviations(
    received: NDArray[np.complex64],
    expected: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
) -> NDArray[np.float64]:
    squares = squared_deviations(received, expected)
    deviations = np.zeros(squares.shape[0])
    for row in range(deviations.size):
        for antenna in range(noise_var.size):
            deviations[row] += squares[row, antenna] / noise_var[antenna]
        deviations[row] /= received.shape[1] * received.shape[2]
    return deviations


@njit(cache=True, nogil=True)
def interference(
    received: NDArray[np.complex64],
    piloted: NDArray[np.complex64],
    pilots: NDArray[np.complex64],
) -> NDArray[np.float64]:
    """Power that symbols have beyond the others, where it is far beyond and not the channel's.

    It needs no channel, so that the first estimate of that can do without such symbols. A channel
    may fade in by as much as a burst, but so that from one symbol to the next its pilots see
    nearly the same; an interferer knows nothing of pilots.

    Args:
        received: ``[symbols, carriers, rx]``, sent with the same power; most were not hit.
        piloted: ``[symbols, pilots, rx]``, the pilots of these symbols.
        pilots: ``[symbols, pilots]`` as sent.

    Returns:
        ``[symbols, rx]``, mean power of a cell beyond the median; 0 for symbols that are like
        most.
    """
    nothing = np.zeros((1, received.shape[1], received.shape[2]), np.complex64)
    power = squared_deviations(received, nothing) / received.shape[1]
    for antenna in range(power.shape[1]):
        usual = np.median(power[:, antenna])
        for row in range(power.shape[0]):
            beyond = power[row, antenna] > _OVERPOWERED * usual
            if beyond and not _like_neighbours(piloted[:, :, antenna], pilots, row):
                power[row, antenna] -= usual
            else:
                power[row, antenna] = 0.0
    return power


@njit(cache=True, nogil=True)
def _like_neighbours(
    piloted: NDArray[np.complex64], pilots: NDArray[np.complex64], row: int
) -> bool:
    """Whether the pilots of a symbol see what those of the symbol before or behind it do."""
    for other in (row - 1, row + 1):
        if 0 <= other < piloted.shape[0]:
            common, energy = 0j, 1e-300
            for k in range(piloted.shape[1]):
                here = piloted[row, k] * pilots[row, k].conjugate()
                there = piloted[other, k] * pilots[other, k].conjugate()
                common += here * there.conjugate()
                energy += abs(here) ** 2 + abs(there) ** 2
            # 1 for equal ones; for noise little, and less than this all but once in thousands.
            if 2 * abs(common) > _ALIKE * energy:
                return True
    return False


@njit(cache=True, nogil=True)
def unhit(interference: NDArray[np.float64], fewest: int) -> NDArray[np.float64]:
    """Weights ``[symbols]``: 1, and 0 for symbols with interference unless too few were left.

    Args:
        interference: ``[symbols, rx]``.
        fewest: symbols that are needed.
    """
    weight = np.ones(interference.shape[0])
    for row in range(weight.size):
        for antenna in range(interference.shape[1]):
            if interference[row, antenna] != 0.0:
                weight[row] = 0.0
    if weight.sum() < fewest:
        weight[:] = 1.0
    return weight


@lru_cache(maxsize=64)
def _limits(cells: int) -> tuple[float, float]:
    """Of the mean of ``cells`` unit noise powers: what hardly any exceeds, and the quantile."""
    return gammainccinv(cells, _FALSE_ALARM) / cells, gammaincinv(cells, _QUANTILE) / cells


@lru_cache(maxsize=64)
def _even_limits(cells: int) -> tuple[float, float]:
    """Of the mean of ``cells`` unit noise powers: the median, and half what hardly any is below."""
    return gammaincinv(cells, 0.5) / cells, 0.5 * gammaincinv(cells, _FALSE_ALARM) / cells


def even_excess(payload: NDArray[np.float64], payload_cells: int) -> float:
    """Noise of a payload's symbols relative to the opening's, where all of them have more of it.

    A transmitter that clips adds noise to the payload's symbols, whose peaks are high, and hardly
    any to the training's. Hit symbols are told from those that were not; here there are no others.

    Args:
        payload: ``[symbols]`` deviations, see :func:`deviation`.
        payload_cells: known cells of a symbol, all antennas together.

    Returns:
        1 where the payload's noise is the opening's, or differs from symbol to symbol.
    """
    middle, least = _even_limits(payload_cells)
    level = float(np.median(payload)) / middle
    # A few symbols are often this far off by nothing but chance.
    limit, _ = _limits(payload_cells * payload.size)
    surplus = level > _NOISE_SURPLUS and float(payload.mean()) > limit
    return level if surplus and payload.min() > least * level else 1.0


def excess_noise(
    opening: NDArray[np.float64],
    payload: NDArray[np.float64],
    opening_cells: int,
    payload_cells: int,
) -> NDArray[np.float64]:
    """Noise of each symbol relative to that of symbols that were not hit.

    Args:
        opening: ``[symbols]`` deviations of training and header, see :func:`deviation`.
        payload: likewise of the payload.
        opening_cells: known cells of one of the former symbols, all antennas together.
        payload_cells: of one of the latter.

    Returns:
        ``[opening + payload symbols]``, exactly 1 for symbols that were not hit.
    """
    place = int(_QUANTILE * (payload.size - 1))
    typical = float(np.partition(payload, place)[place])
    opening_limit, _ = _limits(opening_cells)
    payload_limit, quantile = _limits(payload_cells)
    noise = min(max(typical / quantile, _LEAST_NOISE), _NOISE_SURPLUS)
    return np.asarray(_excess(opening, payload, noise, opening_limit, payload_limit))


@njit(cache=True, nogil=True)
def _excess(
    opening: NDArray[np.float64],
    payload: NDArray[np.float64],
    noise: float,
    opening_limit: float,
    payload_limit: float,
) -> NDArray[np.float64]:
    """Deviations in units of ``noise`` where they are beyond the limits, else 1."""
    excess = np.ones(opening.size + payload.size)
    for row in range(opening.size):
        if opening[row] / noise > opening_limit:
            excess[row] = opening[row] / noise
    for row in range(payload.size):
        if payload[row] / noise > payload_limit:
            excess[opening.size + row] = payload[row] / noise
    return excess


@njit(cache=True, nogil=True)
def hit_at_end(excess: NDArray[np.float64]) -> int:
    """How many symbols at the end of a frame were hit in a row."""
    for hit in range(excess.size):
        if excess[-1 - hit] == 1.0:
            return hit
    return excess.size
