# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of fixed length under rate-compatible punctured convolutional codes.

J. Hagenauer, "Rate-compatible punctured convolutional codes (RCPC codes) and their applications"
(IEEE Trans. Commun. 36, 1988): of one mother code, every higher rate sends a part of what a lower
rate sends. Here all rates follow from one order in which the coded bits of a puncturing period are
sent; where all have been, they are sent again.

The mother is the code of rate 1/3 of TS 25.212. Its order was found by taking one bit of the period
away at a time, keeping the 16 best patterns each time: those with the least sum, over all rates so
far, of the Es/N0 at which the union bound of first error events is one in a million bits.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semcom_phy.convolutional import UMTS_1_3, combine_copies
from semcom_phy.crc import CRC16
from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.interleaving import permutation
from semcom_phy.segmentation import Check

MOTHER = UMTS_1_3

PERIOD = 8
"""Information bits of a puncturing period."""

SENDING_ORDER = (
    *(1, 5, 6, 8, 11, 14, 15, 19, 22),
    *(23, 12, 18, 3, 9, 2, 16, 4, 17, 21, 13, 20, 7, 10, 0),
)
"""The coded bits of a period in the order in which they are sent; rate 8/9 sends the first nine."""

RATES = tuple(
    Fraction(PERIOD, sent) for sent in (72, 48, 36, 28, 24, 20, 18, 16, 14, 12, 11, 10, 9)
)
"""The code rates, the most robust first; those below 1/3 repeat."""

CHECK = Check(CRC16)
"""Of every packet."""

LIST_SIZE = 8
"""Most likely words of a packet among which its CRC chooses; each one tried lets a wrong packet
pass with probability ``2**-16``."""


def payload_bits(length: int, rate: Fraction) -> int:
    """Bits that a packet of ``length`` coded bits carries, without CRC and tail; 0 if none."""
    return max(0, int(length * rate) - MOTHER.tail - CHECK.crc.length)


@lru_cache(maxsize=64)
def _sent(mother: int, length: int) -> NDArray[np.int64]:
    """Which mother bit each of ``length`` sent bits is; shorter words are beginnings of longer."""
    width = PERIOD * len(MOTHER.generators)
    # Where a bit is sent of some periods only, they lie all over the packet.
    starts = width * permutation(-(-mother // width))
    order = (starts + np.array(SENDING_ORDER)[:, np.newaxis]).reshape(-1)
    order = np.resize(order[order < mother], length)
    order.flags.writeable = False
    return order


def encode_packets(payloads: BitArray, length: int) -> BitArray:
    """Packets ``[packets, n]`` as coded bits ``[packets, length]``, CRC and tail included."""
    coded = MOTHER.encode(CHECK.attach(payloads))
    return np.asarray(coded[:, _sent(coded.shape[1], length)])


def decode_packets(llr: FloatArray, n_bits: int) -> tuple[BitArray, BoolArray]:
    """Packets from noisy coded bits.

    Args:
        llr: ``[packets, length]`` log-likelihood ratios ``log p(0)/p(1)``.
        n_bits: that a packet carries.

    Returns:
        ``[packets, n_bits]``, and ``[packets]``: of which the CRC holds.
    """
    checked = n_bits + CHECK.crc.length
    mother = MOTHER.coded_length(checked)
    rows = combine_copies(llr, _sent(mother, llr.shape[1]), mother)
    words = [MOTHER.decode_checked(row, CHECK.holds, LIST_SIZE) for row in rows]
    packets = np.reshape(words, (len(rows), checked)).astype(np.uint8)
    return packets[:, :n_bits], CHECK.holds(packets)
