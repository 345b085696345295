# SPDX-License-Identifier: GPL-3.0-or-later
"""The many echoes of a channel, by leaving out the delays at which there are none.

Where echoes are many, those found first would take the power of others beside them. So all whole
samples begin with an echo, each with a Gaussian prior of its own power; the powers become those
under which what was seen is more likely, and echoes without power are left out (Tipping, "Sparse
Bayesian learning and the relevance vector machine", J. Machine Learning Research 1, 2001,
equations 16 and 17).
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.echo_grid import Echoes, EchoGrid, squared

_ROUNDS = 8

_WEAKEST = 3.0
"""Power of an echo that is kept, in units of the noise at its delay."""


@njit(cache=True, nogil=True)
def many_echoes(
    match: NDArray[np.complex128],
    gram: NDArray[np.float64],
    grid: EchoGrid,
    noise_var: float,
    power: float,
) -> Echoes:
    """Leave out the echoes without power.

    Args:
        match: ``[n]`` of the grid: how the known cells match an echo there.
        gram: ``[2 period]``, how one matches another that is ``i - period`` half samples later.
        grid: delays to look at.
        noise_var: of a known cell.
        power: that echoes may have, to begin with.
    """
    size = 0
    index = np.empty(grid.delays.size, np.intp)
    for j in range(index.size):
        if grid.delays[j] % 2 == 0:
            index[size] = j
            size += 1
    prior = np.full(size, power / noise_var)
    for _ in range(_ROUNDS):
        gains, root = _posterior(match, gram, grid.places, index[:size], prior[:size])
        kept = 0
        for a in range(size):
            unknown = 0.0
            for b in range(a, size):
                unknown += root[b, a] * root[b, a]
            known = max(1 - unknown / prior[a], 1e-3)
            relative = squared(gains[a]) / (known * noise_var)
            if relative * gram[grid.period] > _WEAKEST:
                index[kept], prior[kept] = index[a], relative
                kept += 1
        if kept == 0:
            break
        size = kept
    gains, root = _posterior(match, gram, grid.places, index[:size], prior[:size])
    covariance = np.zeros((size, size))
    for c in range(size):
        for a in range(c + 1):
            for b in range(c + 1):
                covariance[a, b] += root[c, a] * root[c, b]
    return Echoes(index[:size].copy(), gains, covariance)


@njit(cache=True, nogil=True)
def _posterior(
    match: NDArray[np.complex128],
    gram: NDArray[np.float64],
    places: NDArray[np.intp],
    index: NDArray[np.intp],
    prior: NDArray[np.float64],
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Gains of echoes whose powers are known, and ``M`` of their covariance ``M' M``."""
    size, middle = index.size, gram.size // 2
    scale = np.sqrt(prior)
    # Cholesky's factor of the covariance's inverse, in units in which all eigenvalues are at
    # least one; by rows, each taken from all below it.
    upper = np.empty((size, size))
    for a in range(size):
        for b in range(size):
            upper[a, b] = scale[a] * gram[places[index[a]] - places[index[b]] + middle] * scale[b]
        upper[a, a] += 1
    for a in range(size):
        pivot = 1 / sqrt(upper[a, a])
        for b in range(a, size):
            upper[a, b] *= pivot
        for c in range(a + 1, size):
            factor = upper[a, c]
            for b in range(c, size):
                upper[c, b] -= factor * upper[a, b]
    root = np.zeros((size, size))
    gains = np.zeros(size, np.complex128)
    for a in range(size):
        root[a, a] = 1.0
        for c in range(a):
            factor = upper[c, a]
            for b in range(c + 1):
                root[a, b] -= factor * root[c, b]
        seen = 0j
        for b in range(a + 1):
            root[a, b] /= upper[a, a]
            seen += root[a, b] * scale[b] * match[index[b]]
        for b in range(a + 1):
            gains[b] += root[a, b] * scale[b] * seen
    for a in range(size):
        for b in range(a + 1):
            root[a, b] *= scale[b]
    return gains, root
