# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding of blocks, a group of them side by side."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.ldpc.min_star import UNITS, Int16Array, Layer, Messages, iterate
from semcom_phy.ldpc.quasi_cyclic import Graph, QuasiCyclicCode
from semcom_phy.ldpc.syndrome import mark_open

_LARGEST_RATIO = 64
"""Largest ratio of a bit, in steps: a single check can still overrule it."""

_KNOWN = 1 << 13
"""Total of a bit that is known: no sum of messages comes near."""

_GROUP = 32
"""Words side by side: bytes of a vector register, and messages that fit the cache."""


@njit(cache=True, nogil=True)
def _quantise(llr: FloatArray, sent: NDArray[np.int64], of_bit: FloatArray) -> None:
    """Add up the ratios of each bit of a word, and round to steps of the quantiser."""
    limit = np.float32(_LARGEST_RATIO)
    of_bit[:] = 0
    for i in range(sent.size):
        value = llr[i] * np.float32(UNITS)
        if not np.isnan(value):
            of_bit[sent[i]] += min(max(value, -limit), limit)
    for i in range(of_bit.size):
        of_bit[i] = np.rint(min(max(of_bit[i], -limit), limit))


@njit(cache=True, nogil=True)
def _load(
    llr: FloatArray,
    sent: NDArray[np.int64],
    known: slice,
    by_bit: Int16Array,
) -> None:
    """Ratios of a group, ``[words, n]``, to the totals of its bits, ``[bits, lanes]``."""
    of_bit = np.empty(by_bit.shape[0], np.float32)
    by_bit[:] = 0
    for lane in range(llr.shape[0]):
        _quantise(llr[lane], sent, of_bit)
        for i in range(of_bit.size):
            by_bit[i, lane] = np.int16(of_bit[i])
    by_bit[known] = _KNOWN


@njit(cache=True, nogil=True)
def _decode(
    llr: FloatArray,
    sent: NDArray[np.int64],
    k: int,
    graph: Graph,
    lifting_size: int,
    iterations: int,
    early_stop: bool,
) -> tuple[BitArray, BoolArray, NDArray[np.int64]]:
    words = llr.shape[0]
    groups = max(1, -(-words // _GROUP))
    lanes = max(1, -(-words // groups))
    size = lifting_size * lanes
    columns = graph.columns.max() + 1
    n_information = (columns - graph.row_starts.size + 1) * lifting_size
    degree = np.max(graph.row_starts[1:] - graph.row_starts[:-1])
    messages = Messages(
        np.empty((columns, size), np.int16), np.empty((graph.columns.size, size), np.int8)
    )
    layer = Layer(
        np.empty((degree, size), np.int8),
        np.empty(size, np.uint8),
        np.empty(size, np.uint8),
        np.empty(size, np.uint8),
        np.empty(size, np.int8),
    )
    by_bit = messages.total.reshape(-1, lanes)
    open_words = np.empty(lanes, np.int8)
    bits = np.empty((words, k), np.uint8)
    converged = np.zeros(words, np.bool_)
    used = np.zeros(words, np.int64)
    for begin in range(0, words, lanes):
        count = min(lanes, words - begin)
        _load(llr[begin : begin + count], sent, slice(k, n_information), by_bit)
        messages.to_bits[:] = 0
        for iteration in range(1, iterations + 1):
            iterate(graph, lanes, messages, layer)
            last = iteration == iterations
            if not (early_stop or last):
                continue
            # Those that are finished need not be looked at.
            open_words[:] = -1
            for lane in range(count):
                open_words[lane] = -np.int8(converged[begin + lane])
            mark_open(graph, messages.total, layer.sign, open_words)
            for lane in range(count):
                word = begin + lane
                if converged[word] or (open_words[lane] < 0 and not last):
                    continue
                converged[word] = open_words[lane] >= 0
                used[word] = iteration
                for i in range(k):
                    bits[word, i] = by_bit[i, lane] < 0
            if converged[begin : begin + count].all():
                break
    return bits, converged, used


def decode(
    code: QuasiCyclicCode,
    llr: FloatArray,
    sent: NDArray[np.int64],
    k: int,
    iterations: int,
    early_stop: bool,
) -> tuple[BitArray, BoolArray, NDArray[np.int64]]:
    """Decode blocks of a shortened and punctured code.

    Args:
        code: the mother code.
        llr: ``[blocks, n]`` ratios ``log p(0)/p(1)``.
        sent: ``[n]``, which bit of a word each is about: the ratios of a bit add up, bits
            without one are erased.
        k: the first so many information bits carry information; the others are zero.
        iterations: the most to do.
        early_stop: a block whose checks hold is finished.

    Returns:
        Bits ``[blocks, k]``; whether all checks hold and no bit is undecided ``[blocks]``;
        iterations done ``[blocks]``.
    """
    ratios = np.ascontiguousarray(llr)
    return _decode(ratios, sent, k, code.graph, code.lifting_size, iterations, early_stop)
