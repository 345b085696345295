# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo-random permutations that transmitter and receiver share.

A picture's symbols are spread over its frames in this order, so that a lost frame is a faint
erasure everywhere, neither a hole nor stripes. The order follows from its length alone and from
integer arithmetic, never from a library's random generator, so that it is the same in every
process and under every version of NumPy.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SCRAMBLING = np.uint64(1 << 63)  # keeps the scrambling apart from the orders

_CACHED_LENGTH = 1 << 20  # longer orders are made anew: a cache of them would fill the memory
_CACHED_BITS = 1 << 23
_PIECE = 1 << 16


def splitmix64(counter: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash 64-bit counters, one independent-looking 64-bit value each.

    The output function of Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
    (OOPSLA 2014), over a Weyl sequence.
    """
    with np.errstate(over="ignore"):
        z = (counter + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _order(n: int) -> NDArray[np.int64]:
    # The length seeds the hash: orders of different lengths have nothing in common. The low bits
    # of each key are the item itself, so that no two are equal and every sort agrees.
    seed = splitmix64(np.array([n], np.uint64))
    low = np.uint64((1 << max(n - 1, 0).bit_length()) - 1)
    keys = np.empty(n, np.uint64)
    # Piece by piece: a hash takes several times the memory of its result.
    for start in range(0, n, _PIECE):
        items = np.arange(start, min(start + _PIECE, n), dtype=np.uint64)
        keys[start : start + _PIECE] = (splitmix64(items ^ seed) & ~low) | items
    keys.sort()
    keys &= low
    order = keys.view(np.int64)
    order.flags.writeable = False
    return order


_cached_order = lru_cache(maxsize=16)(_order)


def permutation(n: int) -> NDArray[np.int64]:
    """The pseudo-random order of ``n`` items.

    Args:
        n: number of items, at least 0.

    Returns:
        ``p`` of ``[n]``, read-only: position ``i`` after interleaving holds item ``p[i]``, so
        that ``y = x[p]`` interleaves and ``x[p] = y`` undoes it.
    """
    return _cached_order(n) if n <= _CACHED_LENGTH else _order(n)


def _scrambling(n: int) -> NDArray[np.uint8]:
    bits = np.empty(n, np.uint8)
    for start in range(0, n, _PIECE):
        counter = np.arange(start, min(start + _PIECE, n), dtype=np.uint64) | _SCRAMBLING
        bits[start : start + _PIECE] = splitmix64(counter) >> np.uint64(63)
    bits.flags.writeable = False
    return bits


_cached_scrambling = lru_cache(maxsize=16)(_scrambling)


def scrambling_bits(n: int) -> NDArray[np.uint8]:
    """A pseudo-random sequence of ``n`` bits, read-only; every shorter one is its beginning."""
    if n > _CACHED_BITS:
        return _scrambling(n)
    return _cached_scrambling(1 << max(n - 1, 0).bit_length())[:n]
