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
_OFFSET = np.uint8(5 * _UNITS // 8)
_GROUP = 16
"""Words side by side."""

_RUN = 512
"""Bytes of a layer that are worked on together: they and their messages stay in the L1 cache."""


@njit(cache=True, nogil=True)
def _box_plus(a, b):
    """Magnitude of the box-plus of two magnitudes."""
    small = min(a, b)
    large = max(a, b)
    near = min(np.uint8(np.uint8(large - small) >> np.uint8(2)), _OFFSET)
    far = min(np.uint8(np.uint8(large + small) >> np.uint8(2)), _OFFSET)
    return np.uint8(np.uint8(small + near) - far)


@njit(cache=True, nogil=True)
def _collect(total, message, extrinsic, least, others, sign):
    """Take the old message off, and add what is left to the check."""
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
    """The check's new message, and the new total."""
    for i in range(total.size):
        value = extrinsic[i]
        of_others = others[i]
        of_every = every[i]
        magnitude = of_others if np.uint8(abs(value)) == least[i] else of_every
        flip = np.int8(np.int8(value ^ sign[i]) >> np.int8(7))
        new = np.int8(np.int8(np.int8(magnitude) ^ flip) - flip)
        total[i] = np.int16(total[i] + np.int16(new - message[i]))
        message[i] = new


@njit(cache=True, nogil=True)
def _iterate(total, messages, row_starts, columns, shifts, Z, lanes, work, magnitudes, chunk):
    extrinsic = work[1:]
    for row in range(row_starts.size - 1):
        begin, end = row_starts[row], row_starts[row + 1]
        for z in range(0, Z, chunk):
            size = min(chunk, Z - z) * lanes
            least, others, every, sign = (
                magnitudes[0, :size],
                magnitudes[1, :size],
                magnitudes[2, :size],
                work[0, :size],
            )
            least[:] = _LARGEST
            others[:] = _LARGEST
            sign[:] = 0
            for edge in range(begin, end):
                start = (z + shifts[edge]) % Z
                first = min(size, (Z - start) * lanes)
                block = total[columns[edge]]
                message = messages[edge, z * lanes : z * lanes + size]
                kept = extrinsic[edge - begin, :size]
                a = start * lanes
                _collect(
                    block[a : a + first],
                    message[:first],
                    kept[:first],
                    least[:first],
                    others[:first],
                    sign[:first],
                )
                if first < size:
                    _collect(
                        block[: size - first],
                        message[first:],
                        kept[first:],
                        least[first:],
                        others[first:],
                        sign[first:],
                    )
            for i in range(size):
                every[i] = _box_plus(others[i], least[i])
            for edge in range(begin, end):
                start = (z + shifts[edge]) % Z
                first = min(size, (Z - start) * lanes)
                block = total[columns[edge]]
                message = messages[edge, z * lanes : z * lanes + size]
                kept = extrinsic[edge - begin, :size]
                a = start * lanes
                _distribute(
                    block[a : a + first],
                    message[:first],
                    kept[:first],
                    least[:first],
                    others[:first],
                    every[:first],
                    sign[:first],
                )
                if first < size:
                    _distribute(
                        block[: size - first],
                        message[first:],
                        kept[first:],
                        least[first:],
                        others[first:],
                        every[first:],
                        sign[first:],
                    )


@njit(cache=True, nogil=True)
def _unsatisfied(total, row_starts, columns, shifts, Z, lanes, work, chunk, open_words):
    """Mark the words of which a check fails or a bit is undecided."""
    open_words[:] = 0
    for column in range(total.shape[0]):
        for z in range(Z):
            for lane in range(lanes):
                open_words[lane] |= total[column, z * lanes + lane] == 0
    for row in range(row_starts.size - 1):
        for z in range(0, Z, chunk):
            size = min(chunk, Z - z) * lanes
            parity = work[0, :size]
            parity[:] = 0
            for edge in range(row_starts[row], row_starts[row + 1]):
                start = (z + shifts[edge]) % Z
                first = min(size, (Z - start) * lanes)
                block = total[columns[edge]]
                a = start * lanes
                for i in range(first):
                    parity[i] ^= np.int8(block[a + i] >> 8)
                for i in range(size - first):
                    parity[first + i] ^= np.int8(block[i] >> 8)
            for i in range(0, size, lanes):
                for lane in range(lanes):
                    open_words[lane] |= parity[i + lane] < 0
        if open_words.all():
            return


@njit(cache=True, nogil=True)
def _load(total, llr, places, known_zero, lanes):
    """Quantise the ratios of a group: ``[words, n]`` to ``[columns, Z lanes]``."""
    flat = total.reshape(-1)
    flat[:] = 0
    flat.reshape(-1, lanes)[known_zero] = _LARGEST
    row = np.empty(flat.size // lanes, np.float32)
    limit = np.float32(_LARGEST)
    for lane in range(llr.shape[0]):
        row[:] = 0
        for i in range(places.size):
            value = llr[lane, i] * np.float32(_UNITS)
            # What is no number says nothing.
            if value == value:
                row[places[i]] += min(max(value, -limit), limit)
        for i in range(places.size):
            value = min(max(row[places[i]], -limit), limit)
            flat[places[i] * lanes + lane] = np.int16(np.rint(value))


@njit(cache=True, nogil=True)
def _decode(
    llr,
    places,
    known_zero,
    row_starts,
    columns,
    shifts,
    Z,
    n_columns,
    n_bits,
    iterations,
    early_stop,
):
    words = llr.shape[0]
    lanes = min(_GROUP, words)
    chunk = max(1, _RUN // lanes)
    degree = 0
    for row in range(row_starts.size - 1):
        degree = max(degree, row_starts[row + 1] - row_starts[row])
    total = np.empty((n_columns, Z * lanes), np.int16)
    messages = np.empty((columns.size, Z * lanes), np.int8)
    work = np.empty((1 + degree, min(chunk, Z) * lanes), np.int8)
    magnitudes = np.empty((3, work.shape[1]), np.uint8)
    open_words = np.empty(lanes, np.uint8)
    bits = np.empty((words, n_bits), np.uint8)
    converged = np.zeros(words, np.bool_)
    used = np.full(words, iterations, np.int64)
    for begin in range(0, words, lanes):
        count = min(lanes, words - begin)
        _load(total, llr[begin : begin + count], places, known_zero, lanes)
        messages[:] = 0
        flat = total.reshape(-1)
        for iteration in range(1, iterations + 1):
            _iterate(
                total, messages, row_starts, columns, shifts, Z, lanes, work, magnitudes, chunk
            )
            if iteration < iterations and not early_stop:
                continue
            _unsatisfied(total, row_starts, columns, shifts, Z, lanes, work, chunk, open_words)
            pending = False
            for lane in range(count):
                word = begin + lane
                if converged[word]:
                    continue
                if open_words[lane] and iteration < iterations:
                    pending = True
                    continue
                converged[word] = not open_words[lane]
                used[word] = iteration
                for i in range(n_bits):
                    bits[word, i] = flat[i * lanes + lane] < 0
            if not pending:
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
    known_zero = np.arange(k, code.n_information)
    return _decode(
        np.ascontiguousarray(llr),
        sent,
        known_zero,
        code.row_starts,
        code.columns,
        code.shifts,
        code.lifting_size,
        code.n_columns,
        k,
        iterations,
        early_stop,
    )
