# SPDX-License-Identifier: GPL-3.0-or-later
"""Layered message passing in 8-bit integers, with approximate min* check nodes.

The rows of the base matrix are processed one after the other (D. Hocevar, "A reduced complexity
decoder architecture via layered decoding of LDPC codes", SiPS 2004). A check node is A-Min* of
C. Jones, E. Vallés, M. Smith and J. Villasenor, "Approximate-MIN* constraint node updating for
LDPC code decoding" (MILCOM 2003): its least reliable bit is told the box-plus of all others,
every other bit the box-plus of all. The corrections ``log(1 + e^-x)`` of the box-plus are
straight lines, ``max(0, 5/8 - x/4)``, as in X.-Y. Hu, E. Eleftheriou, D. Arnold and A. Dholakia,
"Efficient implementations of the sum-product algorithm for decoding LDPC codes" (GLOBECOM 2001).

Words are decoded side by side: element ``z lanes + word`` of a block belongs to place ``z`` of a
word. A rotation is then two long runs, which the compiler turns into vector instructions; the
explicit types keep these in bytes.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.ldpc.quasi_cyclic import Graph

Int8Array: TypeAlias = NDArray[np.int8]
Int16Array: TypeAlias = NDArray[np.int16]
UInt8Array: TypeAlias = NDArray[np.uint8]

UNITS = 4
"""Steps of the quantiser in a log-likelihood ratio of 1."""

LARGEST = 127
"""Largest magnitude of a message."""

_OFFSET = np.uint8(5 * UNITS // 8)


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
        to_checks: ``[degree, Z lanes]``, what the bits tell the checks.
        least: ``[Z lanes]``, smallest magnitude of these.
        others: ``[Z lanes]``, magnitude of the box-plus of all but the least.
        every: ``[Z lanes]``, magnitude of the box-plus of all.
        sign: ``[Z lanes]``, sign of the box-plus of all, in the highest bit.
    """

    to_checks: Int8Array
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
def _collect(
    total: Int16Array,
    to_bit: Int8Array,
    to_check: Int8Array,
    least: UInt8Array,
    others: UInt8Array,
    sign: Int8Array,
) -> None:
    """Bits tell their checks all but what these told them."""
    for i in range(total.size):
        value = np.int16(total[i] - to_bit[i])
        value = np.int8(min(max(value, np.int16(-LARGEST)), np.int16(LARGEST)))
        to_check[i] = value
        sign[i] ^= value
        magnitude = np.uint8(abs(value))
        smallest = least[i]
        others[i] = _box_plus(others[i], max(smallest, magnitude))
        least[i] = min(smallest, magnitude)


@njit(cache=True, nogil=True)
def _distribute(
    total: Int16Array,
    to_bit: Int8Array,
    to_check: Int8Array,
    least: UInt8Array,
    others: UInt8Array,
    every: UInt8Array,
    sign: Int8Array,
) -> None:
    """Checks tell their bits the new message in place of the old one."""
    for i in range(total.size):
        value = to_check[i]
        # Both are read, whichever is taken: a choice of addresses would not be vectorised.
        to_least = others[i]
        to_another = every[i]
        magnitude = to_least if np.uint8(abs(value)) == least[i] else to_another
        flip = np.int8(np.int8(value ^ sign[i]) >> np.int8(7))
        new = np.int8(np.int8(np.int8(magnitude) ^ flip) - flip)
        total[i] = np.int16(total[i] + np.int16(new - to_bit[i]))
        to_bit[i] = new


@njit(cache=True, nogil=True)
def iterate(graph: Graph, lanes: int, messages: Messages, layer: Layer) -> None:
    """One iteration over all rows of the base matrix."""
    _, least, others, every, sign = layer
    for row in range(graph.row_starts.size - 1):
        begin, end = graph.row_starts[row], graph.row_starts[row + 1]
        least[:] = LARGEST
        others[:] = LARGEST
        sign[:] = 0
        for entry in range(begin, end):
            total = messages.total[graph.columns[entry]]
            to_bit, to_check = messages.to_bits[entry], layer.to_checks[entry - begin]
            # A rotated block is two runs: up to its end, and on from its beginning.
            shift = graph.shifts[entry] * lanes
            a, b = slice(None, sign.size - shift), slice(sign.size - shift, None)
            _collect(total[shift:], to_bit[a], to_check[a], least[a], others[a], sign[a])
            _collect(total[:shift], to_bit[b], to_check[b], least[b], others[b], sign[b])
        for i in range(every.size):
            every[i] = _box_plus(others[i], least[i])
        for entry in range(begin, end):
            total = messages.total[graph.columns[entry]]
            to_bit, to_check = messages.to_bits[entry], layer.to_checks[entry - begin]
            shift = graph.shifts[entry] * lanes
            a, b = slice(None, sign.size - shift), slice(sign.size - shift, None)
            _distribute(
                total[shift:], to_bit[a], to_check[a], least[a], others[a], every[a], sign[a]
            )
            _distribute(
                total[:shift], to_bit[b], to_check[b], least[b], others[b], every[b], sign[b]
            )
