# SPDX-License-Identifier: GPL-3.0-or-later
"""Received samples on their way from a radio of the air to a program."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_virtual.feed import Feed


class RxFeed(Feed):
    """Received samples for one program; made by :meth:`semcom_virtual.air_port.AirPort.open_rx`.

    Attributes:
        channels: that it gives, in this order.
        capacity: samples a channel that wait for the program at most.
        block: samples a channel that are kept or lost together.
        lost: samples a channel so far.
    """

    def __init__(
        self,
        lock: threading.RLock,
        wake: Callable[[], None],
        channels: Sequence[int],
        first: int,
        capacity: int,
        block: int,
    ) -> None:
        super().__init__(lock, wake)
        self.channels, self.capacity, self.block = list(channels), capacity, block
        self._first = first  # nothing before this sample is wanted
        self._chunks: deque[tuple[int, ComplexArray]] = deque()
        self._held = 0
        self._room = 0  # samples, still to come, that are kept: whole blocks
        self._missing = 0  # samples, still to come, that are lost: whole blocks
        self._to_lose = 0  # by force
        self.lost = 0
        self._end = -1  # the sample that would follow without a break

    @property
    def free(self) -> int:
        """Samples that can come before some are lost."""
        return max(self.capacity - self._held, 0)

    def restart(self, first: int) -> None:
        """The clock has jumped: samples from ``first`` on."""
        self._first, self._room, self._missing = first, 0, 0

    def push(self, first: int, samples: ComplexArray) -> None:
        """From the air, with the lock held: ``[channels of the radio, n]``, numbered from first."""
        skip = max(self._first - first, 0)
        if self.closed or skip >= samples.shape[1]:
            return
        at, stop = first + skip, first + samples.shape[1]
        if at != self._end:
            self._room = self._missing = 0
        self._end = stop
        while at < stop:
            if not self._room and not self._missing:
                self._begin_blocks(stop - at)
            count = min(stop - at, self._room or self._missing)
            if self._room:
                # Copied, so that the rest of a large piece is not kept alive.
                self._keep(at, samples[self.channels, at - first : at - first + count])
                self._room -= count
            else:
                self._missing -= count
                self.lost += count
            at += count
        self._changed.notify_all()

    def _begin_blocks(self, coming: int) -> None:
        """Decide on the next blocks, some of which are coming now."""
        if self._to_lose:
            self._missing, self._to_lose = -(-self._to_lose // self.block) * self.block, 0
        else:
            self._room = self.free // self.block * self.block
            self._missing = 0 if self._room else -(-coming // self.block) * self.block

    def _keep(self, at: int, samples: ComplexArray) -> None:
        self._chunks.append((at, samples))
        self._held += samples.shape[1]

    def lose(self, count: int) -> None:
        """Lose ``count`` samples from the next block on, as if the program had not read."""
        with self._changed:
            self._room %= self.block
            self._to_lose += count

    def read(self, count: int, timeout_s: float) -> tuple[ComplexArray, int]:
        """Take samples.

        Args:
            count: that are wanted.
            timeout_s: after which there may be fewer.

        Returns:
            Samples ``[channels, k]`` that follow each other without a break, and the number of
            the first on the radio's clock. ``k`` is less than ``count`` before a break, where
            samples were lost, and after the timeout; then it may be 0 (and the number -1).

        Raises:
            FeedClosedError: the feed is closed.
        """
        out = np.empty((len(self.channels), count), np.complex64)
        filled, first = 0, -1
        deadline = monotonic() + timeout_s
        with self._changed:
            while filled < count:
                if not self._chunks:
                    left = deadline - monotonic()
                    if left <= 0 and not self.closed:
                        break
                    self._wait(lambda: bool(self._chunks), left)
                    continue
                at = self._chunks[0][0]
                if filled and at != first + filled:
                    break
                first = at if not filled else first
                filled += self._take(out[:, filled:])
            self._active = monotonic()
            self._wake()
        return out[:, :filled], first

    def _take(self, out: ComplexArray) -> int:
        """Move what fits of the first chunk into ``out``; how many that were."""
        at, samples = self._chunks[0]
        count = min(samples.shape[1], out.shape[1])
        out[:, :count] = samples[:, :count]
        if count == samples.shape[1]:
            self._chunks.popleft()
        else:
            self._chunks[0] = (at + count, samples[:, count:])
        self._held -= count
        return count
