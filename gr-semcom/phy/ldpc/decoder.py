# SPDX-License-Identifier: GPL-3.0-or-later
"""Layered decoding in 8-bit integers, with approximate min* check nodes.

The rows of the base matrix are processed one after the other (D. Hocevar, "A reduced complexity
decoder architecture via layered decoding of LDPC codes", SiPS 2004). A check node is A-Min* of
C. Jones, E. Vallés, M. Smith and J. Villasenor, "Approximate-MIN* constraint node updating for
LDPC code decoding" (MILCOM 2003): its least reliable bit is told the box-plus of all others,
every other bit the box-plus of all. The corrections ``log(1 + e^-x)`` of the box-plus are
straight lines, ``max(0, 5/8 - x/4)``, as in X.-Y. Hu, E. Eleftheriou, D. Arnold and A. Dholakia,
"Efficient implementations of the sum-product algorithm for decoding LDPC codes" (GLOBECOM 2001).

Words are decoded side by side: element ``z lanes + word`` of a block belongs to place ``z`` of a
word. A rotation is then two long runs. The compiler turns loops over them into vector
instructions as long as few arrays take part; the explicit types keep these in bytes.

All compiled functions are in this file: Numba's cache of one notices no change in another file.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.ldpc.quasi_cyclic import Graph, QuasiCyclicCode

Int8Array: TypeAlias = NDArray[np.int8]
Int16Array: TypeAlias = NDArray[np.int16]
UInt8Array: TypeAlias = NDArray[np.uint8]

_UNITS = 4
"""Steps of the quantiser in a log-likelihood ratio of 1."""

_LARGEST = 127
"""Largest magnitude of a message."""

_OFFSET = np.uint8(5 * _UNITS // 8)

_LARGEST_RATIO = 64
"""Largest ratio of a bit, in steps: a single check can still overrule it."""

_KNOWN = 1 << 13
"""Total of a bit that is known: no sum of messages comes near."""

_GROUP = 32
"""Words side by side: bytes of a vector register, and messages that fit the cache."""


class Messages(NamedTuple):
    """The state of the decoder.

    Attributes:
        total: ``[columns, Z lanes]``, of each bit its own ratio and all messages to it.
        to_bits: ``[entries, Z lanes]``, the last message of each check to each of its bits.
    """

    total: Int16Array
    to_bits: Int8Array


class Layer(NamedTuple):
    """Room for the checks of a row.

    Attributes:
        messages: ``[degree, Z lanes]``, from the bits to the checks, then the other way.
        least: ``[Z lanes]``, smallest magnitude of these.
        others: ``[Z lanes]``, magnitude of the box-plus of all but the least.
        every: ``[Z lanes]``, magnitude of the box-plus of all.
        sign: ``[Z lanes]``, sign of the box-plus of all, in the highest bit.
    """

    messages: Int8Array
    least: UInt8Array
    others: UInt8Array
    every: UInt8Array
    sign: Int8Array


@njit(cache=True, nogil=True)
def _box_plus(a: np.uint8, b: np.uint8) -> np.uint8:
    """Magnitude of the box-plus of two magnitudes."""
    small = min(a, b)
    large = max(a, b)
    near = min(np.uint8(np.uint8(large - small) >> np.uint8(2)), _OFFSET)
    far = min(np.uint8(np.uint8(large + small) >> np.uint8(2)), _OFFSET)
    return np.uint8(np.uint8(small + near) - far)


@njit(cache=True, nogil=True)
def _take_off(total: Int16Array, old: Int8Array, message: Int8Array, sign: Int8Array) -> None:
    """Bits tell their checks all but what these told them."""
    for i in range(total.size):
        rest = np.int16(total[i] - old[i])
        value = np.int8(min(max(rest, np.int16(-_LARGEST)), np.int16(_LARGEST)))
        message[i] = value
        sign[i] ^= value


@njit(cache=True, nogil=True)
def _collect(message: Int8Array, least: UInt8Array, others: UInt8Array) -> None:
    """Checks hear of one more bit."""
    for i in range(message.size):
        magnitude = np.uint8(abs(message[i]))
        smallest = least[i]
        others[i] = _box_plus(others[i], max(smallest, magnitude))
        least[i] = min(smallest, magnitude)


@njit(cache=True, nogil=True)
def _answer(
    message: Int8Array, least: UInt8Array, others: UInt8Array, every: UInt8Array, sign: Int8Array
) -> None:
    """In place of a bit's message comes the one to it."""
    for i in range(message.size):
        value = message[i]
        is_least = np.uint8(-np.int8(np.uint8(abs(value)) == least[i]))
        magnitude = np.uint8(every[i] ^ np.uint8(np.uint8(every[i] ^ others[i]) & is_least))
        flip = np.int8(np.int8(value ^ sign[i]) >> np.int8(7))
        message[i] = np.int8(np.int8(np.int8(magnitude) ^ flip) - flip)


@njit(cache=True, nogil=True)
def _put_on(total: Int16Array, old: Int8Array, message: Int8Array) -> None:
    """Checks tell their bits the new message in place of the old one."""
    for i in range(total.size):
        new = message[i]
        total[i] = np.int16(total[i] + np.int16(new - old[i]))
        old[i] = new


@njit(cache=True, nogil=True)
def _iterate(graph: Graph, lanes: int, messages: Messages, layer: Layer) -> None:
    """One iteration over all rows of the base matrix."""
    _, least, others, every, sign = layer
    for row in range(graph.row_starts.size - 1):
        begin, end = graph.row_starts[row], graph.row_starts[row + 1]
        least[:] = _LARGEST
        others[:] = _LARGEST
        sign[:] = 0
        for entry in range(begin, end):
            total, old = messages.total[graph.columns[entry]], messages.to_bits[entry]
            message = layer.messages[entry - begin]
            # A rotated block is two runs: up to its end, and on from its beginning.
            shift = graph.shifts[entry] * lanes
            cut = sign.size - shift
            _take_off(total[shift:], old[:cut], message[:cut], sign[:cut])
            _take_off(total[:shift], old[cut:], message[cut:], sign[cut:])
            _collect(message, least, others)
        for i in range(every.size):
            every[i] = _box_plus(others[i], least[i])
        for entry in range(begin, end):
            total, old = messages.total[graph.columns[entry]], messages.to_bits[entry]
            message = layer.messages[entry - begin]
            shift = graph.shifts[entry] * lanes
            cut = sign.size - shift
            _answer(message, least, others, every, sign)
            _put_on(total[shift:], old[:cut], message[:cut])
            _put_on(total[:shift], old[cut:], message[cut:])


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
def _mark_open(graph: Graph, total: Int16Array, flags: Int8Array, open_words: Int8Array) -> None:
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


@njit(cache=True, nogil=True)
def _quantise(llr: FloatArray, sent: NDArray[np.int64], of_bit: FloatArray) -> None:
    """Add up the ratios of each bit of a word, and round to steps of the quantiser."""
    limit = np.float32(_LARGEST_RATIO)
    of_bit[:] = 0
    for i in range(sent.size):
        value = llr[i] * np.float32(_UNITS)
        if not np.isnan(value):
            of_bit[sent[i]] += min(max(value, -limit), limit)
    for i in range(of_bit.size):
        of_bit[i] = np.rint(min(max(of_bit[i], -limit), limit))


@njit(cache=True, nogil=True)
def _load(
    llr: FloatArray, sent: NDArray[np.int64], known_from: int, known_to: int, by_bit: Int16Array
) -> None:
    """Ratios of a group, ``[words, n]``, to the totals of its bits, ``[bits, lanes]``."""
    of_bit = np.empty(by_bit.shape[0], np.float32)
    by_bit[:] = 0
    for lane in range(llr.shape[0]):
        _quantise(llr[lane], sent, of_bit)
        for i in range(of_bit.size):
            by_bit[i, lane] = np.int16(of_bit[i])
    by_bit[known_from:known_to] = _KNOWN


@njit(cache=True, nogil=True)
def _decode_group(
    llr: FloatArray,
    sent: NDArray[np.int64],
    n_information: int,
    graph: Graph,
    messages: Messages,
    layer: Layer,
    open_words: Int8Array,
    iterations: int,
    early_stop: bool,
    bits: BitArray,
    converged: BoolArray,
    used: NDArray[np.int64],
) -> None:
    """Decode up to ``lanes`` words into ``bits``, ``converged`` and ``used``."""
    (words, k), lanes = bits.shape, open_words.size
    by_bit = messages.total.reshape(-1, lanes)
    _load(llr, sent, k, n_information, by_bit)
    messages.to_bits[:] = 0
    for iteration in range(1, iterations + 1):
        _iterate(graph, lanes, messages, layer)
        last = iteration == iterations
        if not (early_stop or last):
            continue
        # Lanes without a word, and words that are finished, need not be looked at.
        for lane in range(lanes):
            open_words[lane] = -1 if lane >= words or converged[lane] else 0
        _mark_open(graph, messages.total, layer.sign, open_words)
        pending = False
        for lane in range(words):
            if converged[lane]:
                continue
            converged[lane] = open_words[lane] >= 0
            if converged[lane] or last:
                used[lane] = iteration
                for i in range(k):
                    bits[lane, i] = by_bit[i, lane] < 0
            else:
                pending = True
        if not pending:
            return


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
    blocks = ratios.shape[0]
    bits = np.empty((blocks, k), np.uint8)
    converged = np.zeros(blocks, np.bool_)
    used = np.zeros(blocks, np.int64)
    if blocks == 0:
        return bits, converged, used
    # Groups of nearly equal size.
    lanes = -(-blocks // -(-blocks // _GROUP))
    size = code.lifting_size * lanes
    messages = Messages(
        np.empty((code.n_columns, size), np.int16),
        np.empty((code.columns.size, size), np.int8),
    )
    degree = int(np.diff(code.graph.row_starts).max())
    least, others, every = np.empty((3, size), np.uint8)
    layer = Layer(np.empty((degree, size), np.int8), least, others, every, np.empty(size, np.int8))
    open_words = np.empty(lanes, np.int8)
    for begin in range(0, blocks, lanes):
        group = slice(begin, begin + lanes)
        _decode_group(
            ratios[group],
            sent,
            code.n_information,
            code.graph,
            messages,
            layer,
            open_words,
            iterations,
            early_stop,
            bits[group],
            converged[group],
            used[group],
        )
    return bits, converged, used
