# SPDX-License-Identifier: GPL-3.0-or-later
"""Unequal error protection of an embedded stream in packets of fixed length.

R. Hamzaoui, V. Stankovic, Z. Xiong, "Fast Algorithm for Distortion-Based Error Protection of
Embedded Image Codes" (IEEE Trans. Image Processing 14(10), 2005): the allocation of code rates that
brings most bits to the receiver is found by one pass backwards through the packets; a local search
goes on from there to one of least expected distortion.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.int64]
RealArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Protection:
    """What a packet can be protected with; arrays ``[rates]``, the most robust rate first.

    Attributes:
        payload_bits: that a packet carries.
        loss: probability that it is lost.
    """

    payload_bits: IndexArray
    loss: RealArray


def expected_distortion(
    counts: IndexArray, protection: Protection, distortion: Callable[[RealArray], RealArray]
) -> float:
    """Mean distortion if decoding stops at the first packet that is lost.

    Args:
        counts: ``[rates]``, packets of each rate, sent in that order.
        protection: of each rate.
        distortion: of the first so many bits.
    """
    rates = np.repeat(np.arange(len(counts)), counts)
    received = np.concatenate([[0.0], np.cumsum(protection.payload_bits[rates], dtype=float)])
    reached = np.concatenate([[1.0], np.cumprod(1 - protection.loss[rates])])
    stops = reached * np.append(protection.loss[rates], 1.0)
    return float(stops @ distortion(received))


def most_bits(packets: int, protection: Protection) -> IndexArray:
    """Packets of each rate, ``[rates]``, by which most bits are expected before the first loss.

    From the last packet to the first: what is expected from here on is the larger of
    ``(1 - loss) (payload + what is expected after it)``.
    """
    counts = np.zeros(len(protection.loss), np.int64)
    ahead = 0.0
    for _ in range(packets):
        expected = (1 - protection.loss) * (protection.payload_bits + ahead)
        best = int(np.argmax(expected))
        ahead = float(expected[best])
        counts[best] += 1
    return counts


def least_distortion(
    packets: int, protection: Protection, distortion: Callable[[RealArray], RealArray]
) -> IndexArray:
    """Packets of each rate, ``[rates]``, of an expected distortion that no small change lowers.

    Args:
        packets: how many there are.
        protection: of each rate.
        distortion: of the first so many bits; falls.
    """
    counts = most_bits(packets, protection)
    least = expected_distortion(counts, protection, distortion)
    step = 1 << (packets.bit_length() - 1)
    while step:
        tried = [
            (expected_distortion(near, protection, distortion), near)
            for near in _neighbours(counts, step)
        ]
        best, near = min(tried, key=lambda pair: pair[0], default=(least, counts))
        if best < least:
            least, counts = best, near
        else:
            step //= 2
    return counts


def _neighbours(counts: IndexArray, step: int) -> Iterator[IndexArray]:
    """Allocations in which up to ``step`` packets change to the next or previous rate."""
    for rate in np.flatnonzero(counts):
        for other in (rate - 1, rate + 1):
            if 0 <= other < len(counts):
                near = counts.copy()
                moved = min(step, int(counts[rate]))
                near[rate] -= moved
                near[other] += moved
                yield near
