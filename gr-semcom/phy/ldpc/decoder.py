# SPDX-License-Identifier: GPL-3.0-or-later
"""Layered decoding of quasi-cyclic LDPC codes in 8-bit integers.

The rows of the base matrix are processed one after the other (layered decoding: Hocevar, "A
reduced complexity decoder architecture via layered decoding of LDPC codes", SiPS 2004). The check
node is the approximate min* of Jones, Vallés, Smith and Villasenor ("Approximate-MIN* constraint
node updating for LDPC code decoding", MILCOM 2003): its least reliable input gets the box-plus of
all others, every other input the box-plus of all. The correction terms ``log(1 + e^-x)`` of the
box-plus are straight lines, ``max(0, 5/8 - x/4)``, as in Hu, Eleftheriou, Arnold and Dholakia,
"Efficient implementations of the sum-product algorithm for decoding LDPC codes" (GLOBECOM 2001).

Several words are decoded side by side, the words of a group being neighbours in memory: a shift
of the base matrix then moves long runs of bytes, which the compiler processes as vectors.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.ldpc.quasi_cyclic import QuasiCyclicCode

_UNITS = 4
"""Steps of the quantiser in a log-likelihood ratio of 1."""

_LARGEST = 127
_KNOWN = 1 << 13
"""Total of a bit that is known: no sum of messages comes near."""

_OFFSET = np.uint8(5 * _UNITS // 8)
_GROUP = 32
"""Words side by side."""


@njit(cache=True, nogil=True)
def _box_plus(a: np.uint8, b: np.uint8) -> np.uint8:
    """Magnitude of the box-plus of two magnitudes."""
    small = min(a, b)
    large = max(a, b)
    near = min(np.uint8(np.uint8(large - small) >> np.uint8(2)), _OFFSET)
    far = min(np.uint8(np.uint8(large + small) >> np.uint8(2)), _OFFSET)
    return np.uint8(np.uint8(small + near) - far)


@njit(cache=True, nogil=True)
def _collect(total, message, extrinsic, least, others, sign):
    """Take a check's old message off the totals, and what is left into the check's state."""
    for i in range(total.size):
        value = np.int16(total[i] - message[i])
        value = np.int8(min(max(value, np.int16(-_LARGEST)), np.int16(_LARGEST)))
        extrinsic[i] = value
        sign[i] ^= value
        magnitude = np.uint8(abs(value))
        smallest = least[i]
        others[i] = _box_plus(others[i], max(smallest, magnitude))
        least[i] = min(smallest, magnitude)


@njit(cache=True, nogil=True)
def _distribute(total, message, extrinsic, least, others, every, sign):
    """Replace a check's old message by its new one."""
    for i in range(total.size):
        value = extrinsic[i]
        to_least = others[i]
        to_others = every[i]
        magnitude = to_least if np.uint8(abs(value)) == least[i] else to_others
        flip = np.int8(np.int8(value ^ sign[i]) >> np.int8(7))
        new = np.int8(np.int8(np.int8(magnitude) ^ flip) - flip)
        total[i] = np.int16(total[i] + np.int16(new - message[i]))
        message[i] = new


@njit(cache=True, nogil=True)
def _iterate(total, message, row_starts, columns, shifts, extrinsic, magnitudes, sign, lanes):
    """One iteration over all rows of the base matrix."""
    least, others, every = magnitudes
    size = least.size
    for row in range(row_starts.size - 1):
        begin, end = row_starts[row], row_starts[row + 1]
        least[:] = _LARGEST
        others[:] = _LARGEST
        sign[:] = 0
        for edge in range(begin, end):
            # The rotated block in two runs: up to its end, and on from its beginning.
            shift = shifts[edge] * lanes
            cut = size - shift
            block, old, kept = total[columns[edge]], message[edge], extrinsic[edge - begin]
            _collect(block[shift:], old[:cut], kept[:cut], least[:cut], others[:cut], sign[:cut])
            _collect(block[:shift], old[cut:], kept[cut:], least[cut:], others[cut:], sign[cut:])
        for i in range(size):
            every[i] = _box_plus(others[i], least[i])
        for edge in range(begin, end):
            shift = shifts[edge] * lanes
            cut = size - shift
            block, old, kept = total[columns[edge]], message[edge], extrinsic[edge - begin]
            _distribute(
                block[shift:],
                old[:cut],
                kept[:cut],
                least[:cut],
                others[:cut],
                every[:cut],
                sign[:cut],
            )
            _distribute(
                block[:shift],
                old[cut:],
                kept[cut:],
                least[cut:],
                others[cut:],
                every[cut:],
                sign[cut:],
            )


@njit(cache=True, nogil=True)
def _add_signs(total, parity):
    """Sign bits onto parities, both in the highest bit."""
    for i in range(total.size):
        parity[i] ^= np.int8(total[i] >> 8)


@njit(cache=True, nogil=True)
def _any_negative(flags, of_lane):
    """Fold flags ``[Z lanes]``, in the highest bit, into ``of_lane``."""
    lanes = of_lane.size
    folded = flags.size
    # In halves while there are whole ones: long runs again.
    while folded % (2 * lanes) == 0:
        folded //= 2
        for i in range(folded):
            flags[i] |= flags[folded + i]
    for begin in range(0, folded, lanes):
        for lane in range(lanes):
            of_lane[lane] |= flags[begin + lane]


@njit(cache=True, nogil=True)
def _mark_open(total, row_starts, columns, shifts, parity, open_words):
    """Make negative the entries of words of which a check fails or a bit is undecided.

    Ends early when all are.
    """
    lanes = open_words.size
    for row in range(row_starts.size - 1):
        parity[:] = 0
        for edge in range(row_starts[row], row_starts[row + 1]):
            shift = shifts[edge] * lanes
            cut = parity.size - shift
            block = total[columns[edge]]
            _add_signs(block[shift:], parity[:cut])
            _add_signs(block[:shift], parity[cut:])
        _any_negative(parity, open_words)
        if (open_words < 0).all():
            return
    parity[:] = 0
    for column in range(total.shape[0]):
        for i in range(parity.size):
            parity[i] |= np.int8(-np.int8(total[column, i] == 0))
    _any_negative(parity, open_words)


@njit(cache=True, nogil=True)
def _quantise(llr, sent, row):
    """Add up the ratios of each bit, in steps of the quantiser."""
    limit = np.float32(_LARGEST)
    row[:] = 0
    for i in range(sent.size):
        value = llr[i] * np.float32(_UNITS)
        # What is no number says nothing.
        if value == value:
            row[sent[i]] += min(max(value, -limit), limit)
    for i in range(row.size):
        row[i] = np.rint(min(max(row[i], -limit), limit))


@njit(cache=True, nogil=True)
def _decode(
    llr, sent, k, row_starts, columns, shifts, lifting_size, n_columns, iterations, early_stop
):
    words = llr.shape[0]
    groups = max(1, -(-words // _GROUP))
    lanes = -(-words // groups)
    size = lifting_size * lanes
    degree = np.max(row_starts[1:] - row_starts[:-1])
    n_information = (n_columns - row_starts.size + 1) * lifting_size

    total = np.empty((n_columns, size), np.int16)
    by_bit = total.reshape(n_columns * lifting_size, lanes)
    message = np.empty((columns.size, size), np.int8)
    extrinsic = np.empty((degree, size), np.int8)
    magnitudes = np.empty((3, size), np.uint8)
    sign = np.empty(size, np.int8)
    open_words = np.empty(lanes, np.int8)
    row = np.empty(n_columns * lifting_size, np.float32)

    bits = np.empty((words, k), np.uint8)
    converged = np.zeros(words, np.bool_)
    used = np.zeros(words, np.int64)
    for begin in range(0, words, lanes):
        count = min(lanes, words - begin)
        by_bit[:, count:] = 0
        for lane in range(count):
            _quantise(llr[begin + lane], sent, row)
            for i in range(row.size):
                by_bit[i, lane] = np.int16(row[i])
        by_bit[k:n_information] = _KNOWN
        message[:] = 0
        for iteration in range(1, iterations + 1):
            _iterate(
                total, message, row_starts, columns, shifts, extrinsic, magnitudes, sign, lanes
            )
            if iteration < iterations and not early_stop:
                continue
            # Who is finished already need not be looked at.
            for lane in range(lanes):
                open_words[lane] = -1 if lane >= count or converged[begin + lane] else 0
            _mark_open(total, row_starts, columns, shifts, sign, open_words)
            for lane in range(count):
                word = begin + lane
                if converged[word] or (open_words[lane] < 0 and iteration < iterations):
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
    return _decode(
        np.ascontiguousarray(llr),
        sent,
        k,
        code.row_starts,
        code.columns,
        code.shifts,
        code.lifting_size,
        code.n_columns,
        iterations,
        early_stop,
    )
