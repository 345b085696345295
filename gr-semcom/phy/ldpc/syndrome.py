# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the words that are decoded side by side are not yet code words."""

from __future__ import annotations

import numpy as np
from numba import njit

from semcom_phy.ldpc.min_star import Int8Array, Int16Array
from semcom_phy.ldpc.quasi_cyclic import Graph


@njit(cache=True, nogil=True)
def _add_signs(parity: Int8Array, total: Int16Array) -> None:
    for i in range(parity.size):
        parity[i] ^= np.int8(total[i] >> 8)


@njit(cache=True, nogil=True)
def _fold(flags: Int8Array, of_word: Int8Array) -> None:
    """Gather flags ``[Z lanes]``, the highest bits, by word; they are overwritten."""
    size, lanes = flags.size, of_word.size
    # Halves upon each other while there are whole ones: long runs again.
    while size % (2 * lanes) == 0:
        size //= 2
        for i in range(size):
            flags[i] |= flags[size + i]
    for begin in range(0, size, lanes):
        for lane in range(lanes):
            of_word[lane] |= flags[begin + lane]


@njit(cache=True, nogil=True)
def mark_open(graph: Graph, total: Int16Array, flags: Int8Array, open_words: Int8Array) -> None:
    """Make negative the marks of words of which a check fails or a bit is undecided.

    It ends as soon as all are.

    Args:
        graph: the base matrix.
        total: ``[columns, Z lanes]``, negative where a bit is 1, and 0 where it is undecided.
        flags: ``[Z lanes]``, room.
        open_words: ``[lanes]``, the marks; words that are negative already are not looked at.
    """
    for row in range(graph.row_starts.size - 1):
        flags[:] = 0
        for entry in range(graph.row_starts[row], graph.row_starts[row + 1]):
            shift = graph.shifts[entry] * open_words.size
            block = total[graph.columns[entry]]
            _add_signs(flags[: flags.size - shift], block[shift:])
            _add_signs(flags[flags.size - shift :], block[:shift])
        _fold(flags, open_words)
        if (open_words < 0).all():
            return
    flags[:] = 0
    for column in range(total.shape[0]):
        block = total[column]
        for i in range(flags.size):
            flags[i] |= np.int8(-np.int8(block[i] == 0))
    _fold(flags, open_words)
