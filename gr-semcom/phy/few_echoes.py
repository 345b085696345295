# SPDX-License-Identifier: GPL-3.0-or-later
"""The few echoes of a channel, found one by one in the known cells of a frame.

Known cells show a channel of echoes on a grid of delays, in noise of known power. Each echo has a
Gaussian prior of its own power; the powers are those under which what was seen is most likely, and
nearly all of them are zero: noise at delays without echoes does not get into the estimate (Tipping
and Faul, "Fast marginal likelihood maximisation for sparse Bayesian models", AISTATS 2003).

The weights of the carriers are symmetric about the middle, so that all covariances are real. They
are in units of the noise.
"""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.echo_grid import Echoes, EchoGrid, squared

_SEEN = 4.0
"""Power of what passes for an echo, in units of the noise at its delay."""

_CONVERGED = 0.1
"""Gain in log likelihood that is worth no further step."""

_MOST_STEPS = 4
"""For each echo that there may be."""


class _Found(NamedTuple):
    """Echoes found so far, the first ``size[0]`` of each; and what is left at all delays.

    Attributes:
        size: ``[1]``, how many they are.
        rows: ``[few]`` in the grid.
        precision: ``[few]`` one over the prior's power.
        gains: ``[few]``.
        covariance: ``[few, few]``.
        members: ``[n]`` of the grid: number among those found, or -1.
        sparsity, quality: ``[n]`` of the grid: what an echo there would match of itself and of
            what was received, those found being known (S and Q of Tipping and Faul).
        seen: ``[few, n]`` products of those found with all of the grid.
    """

    size: NDArray[np.intp]
    rows: NDArray[np.intp]
    precision: NDArray[np.float64]
    gains: NDArray[np.complex128]
    covariance: NDArray[np.float64]
    members: NDArray[np.intp]
    sparsity: NDArray[np.float64]
    quality: NDArray[np.complex128]
    seen: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _nothing_found(match: NDArray[np.complex128], gram: NDArray[np.float64], few: int) -> _Found:
    size = match.size
    return _Found(
        np.zeros(1, np.intp),
        np.empty(few, np.intp),
        np.empty(few),
        np.zeros(few, np.complex128),
        np.zeros((few, few)),
        np.full(size, -1),
        np.full(size, gram[gram.size // 2]),
        match.copy(),
        np.empty((few, size)),
    )


@njit(cache=True, nogil=True)
def _add(
    found: _Found,
    new: int,
    precision: float,
    places: NDArray[np.intp],
    gram: NDArray[np.float64],
) -> None:
    """Take in an echo of the grid."""
    count = found.size[0]
    covariance, gains, left = found.covariance, found.gains, found.seen[count]
    for j in range(left.size):
        left[j] = gram[places[j] - places[new] + gram.size // 2]
    lean = np.zeros(count)
    for a in range(count):
        for b in range(count):
            lean[a] += covariance[a, b] * left[found.rows[b]]
    own = left.copy()
    for a in range(count):
        for j in range(own.size):
            own[j] -= lean[a] * found.seen[a, j]
    spread = 1 / (precision + found.sparsity[new])
    gain = spread * found.quality[new]
    for j in range(own.size):
        found.sparsity[j] -= spread * own[j] * own[j]
        found.quality[j] -= gain * own[j]
    for a in range(count):
        gains[a] -= gain * lean[a]
        for b in range(count):
            covariance[a, b] += spread * lean[a] * lean[b]
        covariance[a, count] = covariance[count, a] = -spread * lean[a]
    covariance[count, count], gains[count] = spread, gain
    found.rows[count], found.precision[count] = new, precision
    found.members[new] = count
    found.size[0] = count + 1


@njit(cache=True, nogil=True)
def _change(found: _Found, which: int, precision: float) -> None:
    """Give an echo that was found another prior; an infinite precision drops it."""
    count = found.size[0]
    covariance, gains = found.covariance, found.gains
    column = covariance[:count, which].copy()
    step = 1 / (column[which] + 1 / (precision - found.precision[which]))
    moved = step * gains[which]
    own = np.zeros(found.sparsity.size)
    for a in range(count):
        for j in range(own.size):
            own[j] += column[a] * found.seen[a, j]
    for j in range(own.size):
        found.sparsity[j] += step * own[j] * own[j]
        found.quality[j] += moved * own[j]
    for a in range(count):
        gains[a] -= moved * column[a]
        for b in range(count):
            covariance[a, b] -= step * column[a] * column[b]
    found.precision[which] = precision
    if precision == np.inf:
        _forget(found, which)


@njit(cache=True, nogil=True)
def _forget(found: _Found, which: int) -> None:
    """The last of those found takes the place of one that was dropped."""
    last = found.size[0] - 1
    found.members[found.rows[which]] = -1
    found.size[0] = last
    if which == last:
        return
    covariance = found.covariance
    for a in range(last + 1):
        covariance[a, which] = covariance[a, last]
    for a in range(last + 1):
        covariance[which, a] = covariance[last, a]
    found.gains[which], found.rows[which] = found.gains[last], found.rows[last]
    found.precision[which] = found.precision[last]
    found.seen[which] = found.seen[last]
    found.members[found.rows[which]] = which


@njit(cache=True, nogil=True)
def _likelihood(precision: float, sparsity: float, power: float) -> float:
    """Logarithm of what an echo with such a prior multiplies the likelihood by."""
    return log(precision / (precision + sparsity)) + power / (precision + sparsity)


@njit(cache=True, nogil=True)
def _best_new(found: _Found, noise_var: float, weakest: float) -> tuple[int, float]:
    """The delay with the most power beside its noise, and how much that is."""
    best, most = -1, _SEEN
    for j in range(found.sparsity.size):
        # What those found explain already says nothing.
        if found.members[j] < 0 and found.sparsity[j] > weakest:
            ratio = squared(found.quality[j]) / (found.sparsity[j] * noise_var)
            if ratio > most:
                best, most = j, ratio
    return best, most


@njit(cache=True, nogil=True)
def _best_change(found: _Found, noise_var: float) -> tuple[int, float, float]:
    """The echo whose prior is worth most to change, to which precision, and what it gains."""
    best, target, most = -1, 0.0, _CONVERGED
    for a in range(found.size[0]):
        spread, precision = found.covariance[a, a], found.precision[a]
        # Rounding may leave less than nothing.
        sparsity = max(1 / spread - precision, 1e-12 / spread)
        power = squared(found.gains[a]) / (spread * spread * noise_var)
        now = _likelihood(precision, sparsity, power)
        if power > sparsity:
            wanted = sparsity * sparsity / (power - sparsity)
            gain = _likelihood(wanted, sparsity, power) - now
        else:
            wanted, gain = np.inf, -now
        if gain > most:
            best, target, most = a, wanted, gain
    return best, target, most


@njit(cache=True, nogil=True)
def few_echoes(
    match: NDArray[np.complex128],
    gram: NDArray[np.float64],
    grid: EchoGrid,
    noise_var: float,
) -> Echoes:
    """Find echoes one by one.

    Args:
        match: ``[n]`` of the grid: how the known cells match an echo there.
        gram: ``[2 period]``, how one matches another that is ``i - period`` half samples later.
        grid: delays to look at.
        noise_var: of a known cell.

    Returns:
        The echoes; more than ``grid.few`` are not looked for, so those may be too few.
    """
    found = _nothing_found(match, gram, grid.few)
    weakest = 1e-6 * gram[grid.period]
    for _ in range(_MOST_STEPS * grid.few):
        if found.size[0] == grid.few:
            break
        new, ratio = _best_new(found, noise_var, weakest)
        which, precision, gain = _best_change(found, noise_var)
        if new >= 0 and ratio - 1 - log(ratio) > gain:
            _add(found, new, found.sparsity[new] / (ratio - 1), grid.places, gram)
        elif which >= 0:
            _change(found, which, precision)
        else:
            break
    count = found.size[0]
    return Echoes(
        found.rows[:count].copy(),
        found.gains[:count].copy(),
        found.covariance[:count, :count].copy(),
    )


@njit(cache=True, nogil=True)
def unfound(variance: float, grid: EchoGrid, carriers: int, looks: float) -> tuple[float, float]:
    """What a channel is off by beyond the variance of the echoes found.

    Echoes, or parts of them, that are too weak to be found come to about as much again, over the
    channels of TR 38.901, unless all delays are taken; and some noise passes for an echo.

    Args:
        variance: of the echoes found, mean over the carriers, noise being one.
        grid: their delays.
        carriers: how many there are.
        looks: known cells in all.

    Returns:
        Times the variance of those found, and beside it.
    """
    independent = grid.delays.size * carriers / grid.period
    free = max(1 - variance * looks / independent, 0.0)
    # What exponentially distributed powers have beyond the limit.
    return free, _SEEN * exp(-_SEEN) * free * independent / looks
