# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts cut into buffers that are all whole: a Pluto sends no part of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pmt
from gnuradio.semcom.guard import GuardedBlock

from semcom_phy.exchange import ComplexArray

_LONGEST_BURST = 1 << 23
"""Samples that are collected at most before the first is sent: 64 MiB an antenna."""


def marks(block: GuardedBlock, key: str, samples: int) -> list[int]:
    """Indices of the samples that carry a tag, among the next ones of a block's input 0."""
    read = block.nitems_read(0)
    tags = block.get_tags_in_window(0, 0, samples, pmt.intern(key))
    return [tag.offset - read for tag in tags]


class WholeBuffers:
    """Collects bursts and gives whole buffers.

    A burst is given when its last sample is there, so that however slowly it is made it is sent
    without gaps, and its last buffer is filled up with zeros. The silence behind a burst makes
    whole buffers of its own; what is left of it stands in front of the next burst.

    Args:
        antennas: rows of the samples.
        size: of a buffer, in samples.
        longest_burst: samples that are collected at most; of a longer burst the rest follows as
            it comes.

    Attributes:
        waiting: samples collected that belong to a burst and were not given yet.
    """

    def __init__(self, antennas: int, size: int, longest_burst: int = _LONGEST_BURST) -> None:
        self._size = size
        self._longest = longest_burst
        self._pieces: list[ComplexArray] = []
        self._collected = 0
        self._antennas = antennas
        self._in_burst = False
        self._flows = False

    @property
    def waiting(self) -> int:
        """Samples of a burst whose end has not come."""
        return self._collected if self._in_burst else 0

    def push(
        self, samples: ComplexArray, begins: Sequence[int], ends: Sequence[int]
    ) -> list[ComplexArray]:
        """Take samples ``[antennas, n]``.

        Args:
            samples: the next ones.
            begins: of bursts, indices of their first samples in ``samples``.
            ends: of bursts, indices of their last samples.

        Returns:
            Buffers ``[antennas, size]`` to be sent, the oldest first.
        """
        given: list[ComplexArray] = []
        taken = 0
        marks = sorted([(i, True) for i in begins] + [(i + 1, False) for i in ends])
        for index, begins_here in marks:
            self._collect(samples[:, taken:index])
            taken = index
            self._in_burst, self._flows = begins_here, False
            if not begins_here:
                given += self._give_all()
        self._collect(samples[:, taken:])
        self._flows |= self._collected > self._longest
        if not self._in_burst or self._flows:
            given += self._give_whole()
        return given

    def _collect(self, samples: ComplexArray) -> None:
        if samples.shape[1]:
            self._pieces.append(samples.copy())  # the scheduler uses its own again
            self._collected += samples.shape[1]

    def _give_all(self) -> list[ComplexArray]:
        padding = -self._collected % self._size
        self._collect(np.zeros((self._antennas, padding), np.complex64))
        return self._give_whole()

    def _give_whole(self) -> list[ComplexArray]:
        count = self._collected // self._size
        if count == 0:
            return []
        samples = np.concatenate(self._pieces, axis=1)
        end = count * self._size
        self._pieces, self._collected = [], 0
        self._collect(samples[:, end:])
        return np.split(samples[:, :end], count, axis=1)
