# SPDX-License-Identifier: GPL-3.0-or-later
"""Cyclic redundancy checks of 3GPP TS 38.212, clause 5.1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from semcom_phy.exchange import BitArray, BoolArray


@dataclass(frozen=True)
class CRC:
    """A cyclic redundancy check.

    Attributes:
        name: as in the standard.
        length: parity bits ``L``.
        polynomial: generator without its leading term, most significant bit first.
    """

    name: str
    length: int
    polynomial: int


CRC24A = CRC("CRC24A", 24, 0x864CFB)
CRC24B = CRC("CRC24B", 24, 0x800063)
CRC24C = CRC("CRC24C", 24, 0xB2B117)
CRC16 = CRC("CRC16", 16, 0x1021)
CRC11 = CRC("CRC11", 11, 0x621)
CRC6 = CRC("CRC6", 6, 0x21)


@njit(cache=True, nogil=True)
def _remainders(
    bits: NDArray[np.uint8], length: int, polynomial: int, ones: int
) -> NDArray[np.uint8]:
    rows, columns = bits.shape
    top = length - 1
    mask = (1 << length) - 1
    parity = np.empty((rows, length), np.uint8)
    for row in range(rows):
        register = 0
        for i in range(-ones, columns):
            bit = 1 if i < 0 else int(bits[row, i])
            feedback = (register >> top) ^ bit
            register = (register << 1) & mask
            if feedback:
                register ^= polynomial
        for i in range(length):
            parity[row, i] = (register >> (top - i)) & 1
    return parity


def parity_bits(bits: ArrayLike, crc: CRC, *, ones_prepended: bool = False) -> BitArray:
    """Parity bits of messages.

    Args:
        bits: ``[..., n]`` of 0 and 1.
        crc: which check.
        ones_prepended: compute it as if ``L`` ones stood before the message, as TS 38.212 does
            for control information (clause 7.3.2): an all-zero word, which is what a decoder
            makes of nothing at all, then fails the check.

    Returns:
        ``[..., L]``, most significant parity bit ``p_0`` first.
    """
    array = np.asarray(bits, dtype=np.uint8)
    rows = np.ascontiguousarray(array.reshape(-1, array.shape[-1]))
    ones = crc.length if ones_prepended else 0
    parity = _remainders(rows, crc.length, crc.polynomial, ones)
    return parity.reshape(*array.shape[:-1], crc.length)


def attach(bits: ArrayLike, crc: CRC, *, ones_prepended: bool = False) -> BitArray:
    """Messages with their parity bits appended: ``[..., n]`` to ``[..., n + L]``."""
    array = np.asarray(bits, dtype=np.uint8)
    parity = parity_bits(array, crc, ones_prepended=ones_prepended)
    return np.concatenate([array, parity], axis=-1)


def check(bits: ArrayLike, crc: CRC, *, ones_prepended: bool = False) -> BoolArray:
    """Whether messages with parity bits ``[..., n + L]`` hold.

    Returns:
        ``[...]``, True where the check holds.

    Raises:
        ValueError: words shorter than the parity bits.
    """
    array = np.asarray(bits, dtype=np.uint8)
    if array.shape[-1] < crc.length:
        raise ValueError(f"{array.shape[-1]} bits cannot hold the {crc.length} of {crc.name}")
    # A message with its own remainder behind it leaves none.
    return np.asarray(~parity_bits(array, crc, ones_prepended=ones_prepended).any(axis=-1))
