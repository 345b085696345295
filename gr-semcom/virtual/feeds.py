# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples on their way between a program and a radio of the air.

The air calls :meth:`RxFeed.push`, :meth:`TxFeed.take` and what they need; a program reads and
writes. One lock guards all feeds of an air.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from semcom_phy.exchange import ComplexArray

PATIENCE_S = 1.0
"""For which an elastic clock waits for a program that neither reads nor writes."""

_EVENTS = 4096
"""That are kept of a program that never asks for them."""

Convert = Callable[[ComplexArray], ComplexArray]


class FeedClosedError(ConnectionError):
    """The feed was closed while a program read or wrote, or the radio vanished."""


class _Feed:
    """What both kinds share: a lock, a program that may have gone to sleep, an end."""

    def __init__(self, lock: threading.RLock, wake: Callable[[], None]) -> None:
        self._changed = threading.Condition(lock)
        self._wake = wake
        self._active = monotonic()  # when the program last read or wrote
        self._waiting = 0  # calls that wait now
        self.closed = False

    @property
    def patient(self) -> bool:
        """Whether the program is expected to read or write soon."""
        if self.closed:
            return False
        return self._waiting > 0 or monotonic() - self._active < PATIENCE_S

    def _wait(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """With the lock held, wait until something is ready.

        Raises:
            FeedClosedError: the feed is closed.
        """
        self._waiting += 1
        try:
            self._wake()
            self._changed.wait_for(lambda: self.closed or ready(), timeout_s)
        finally:
            self._waiting -= 1
            self._active = monotonic()
            self._wake()
        if self.closed:
            raise FeedClosedError("the radio is gone")

    def close(self) -> None:
        """No more samples; who waits is told. Safe to call twice."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
            self._wake()


class RxFeed(_Feed):
    """Received samples for one program; made by :meth:`semcom_virtual.air.AirPort.open_rx`.

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


@dataclass
class _Written:
    """Samples that a program wrote and the radio has not sent yet."""

    samples: ComplexArray
    time: int | None
    start: bool
    end: bool


class TxFeed(_Feed):
    """Samples to be sent; made by :meth:`semcom_virtual.air.AirPort.open_tx`.

    Attributes:
        channels: that it sends on.
        capacity: samples a channel that wait to be sent at most.
    """

    def __init__(
        self,
        lock: threading.RLock,
        wake: Callable[[], None],
        channels: Sequence[int],
        capacity: int,
        convert: Convert,
        waits: bool,
    ) -> None:
        super().__init__(lock, wake)
        self.channels, self.capacity = list(channels), capacity
        self._convert, self._waits = convert, waits
        self._queue: deque[_Written] = deque()
        self._held = 0
        self._in_burst = False
        self._starved = False
        self._dropping = False  # the rest of a burst that was late
        self._tear = 0  # samples of silence that a forced underflow still lasts
        self._force_late = False
        self._events: deque[tuple[str, int]] = deque(maxlen=_EVENTS)
        self._cycle: ComplexArray | None = None

    def write(
        self, samples: ComplexArray, time: int | None, start: bool, end: bool, timeout_s: float
    ) -> int:
        """Hand over samples.

        Args:
            samples: ``[channels, n]``; none are fine, to end a burst.
            time: number, on the radio's clock, of the sample that the first is to be; None for
                at once behind what was written before.
            start: of a burst.
            end: of a burst: silence follows, and it is no underflow.
            timeout_s: after which not all may be accepted.

        Returns:
            How many a channel were accepted; ``end`` counts only with the last of them.

        Raises:
            FeedClosedError: the feed is closed.
        """
        analogue = self._convert(samples)
        accepted, total = 0, samples.shape[1]
        deadline = monotonic() + timeout_s
        with self._changed:
            while not self.closed:
                count = min(total - accepted, max(self.capacity - self._held, 0))
                last = accepted + count == total
                if count or last:
                    piece = analogue[:, accepted : accepted + count]
                    begins = (None, False) if accepted else (time, start)
                    self._queue.append(_Written(piece, *begins, last and end))
                    self._held += count
                    accepted += count
                left = deadline - monotonic()
                if last or left <= 0:
                    break
                self._wait(lambda: self._held < self.capacity, left)
            self._active = monotonic()
            self._wake()
        if self.closed:
            raise FeedClosedError("the radio is gone")
        return accepted

    def repeat(self, samples: ComplexArray) -> None:
        """Send ``[channels, n]`` over and over again, in place of what is written."""
        analogue = self._convert(samples)
        with self._changed:
            self._cycle = analogue
            self._wake()

    def drained(self, timeout_s: float) -> bool:
        """Wait until all that was written has been sent; whether it has.

        Raises:
            FeedClosedError: the feed is closed.
        """
        with self._changed:
            if self._held:
                self._wait(lambda: not self._held, timeout_s)
            return not self._held

    @property
    def held(self) -> int:
        """Samples a channel that wait to be sent."""
        return self._held

    def events(self) -> list[tuple[str, int]]:
        """What happened since the last call: ``underflow``, ``late`` or ``burst_ack``, when."""
        with self._changed:
            events = list(self._events)
            self._events.clear()
        return events

    def tear(self, count: int) -> None:
        """Force an underflow: within a burst, silence of so many samples."""
        with self._changed:
            self._tear = count

    def force_late(self) -> None:
        """The next timed burst comes too late, whenever it comes."""
        with self._changed:
            self._force_late = True

    def covered(self, now: int) -> float:
        """With the lock held: the sample up to which nothing is missing within a burst."""
        if self._cycle is not None:
            return math.inf
        at: float = now
        in_burst = self._in_burst
        for piece in self._queue:
            if piece.time is not None:
                at = max(at, piece.time)
            at += piece.samples.shape[1]
            in_burst = not piece.end
        return at if in_burst and not self.closed else math.inf

    @property
    def full(self) -> bool:
        """Whether the program can write no more."""
        return self._held >= self.capacity

    def take(self, first: int, count: int) -> ComplexArray | None:
        """With the lock held: samples ``[channels, count]`` to be sent from ``first`` on.

        None for silence. ``first`` never goes back.
        """
        if self._cycle is not None:
            return self._cycle[:, np.arange(first, first + count) % self._cycle.shape[1]]
        out = None
        at, stop = first, first + count
        while at < stop:
            self._throw_away_late(at)
            if self._tear and self._in_burst:
                at = self._torn(at, stop)
                continue
            if not self._queue:
                if self._in_burst:
                    self._starve(at)
                break
            piece = self._queue[0]
            at = max(at, piece.time or 0)
            if at >= stop:
                break
            out = np.zeros((len(self.channels), count), np.complex64) if out is None else out
            at += self._send(piece, out[:, at - first :], at)
        self._changed.notify_all()
        return out

    def _starve(self, at: int) -> None:
        if not self._starved:
            self._events.append(("underflow", at))
        self._starved = True

    def _torn(self, at: int, stop: int) -> int:
        """Silence of a forced underflow; where it ends, or the step does."""
        self._starve(at)
        count = min(self._tear, stop - at)
        self._tear -= count
        return at + count

    def _throw_away_late(self, at: int) -> None:
        """A burst whose time is over is not sent at all."""
        while self._queue:
            piece = self._queue[0]
            if piece.time is not None and (
                self._force_late or (piece.time < at and not self._waits)
            ):
                if not self._dropping or piece.start:
                    self._events.append(("late", at))
                self._dropping, self._force_late, self._in_burst = True, False, False
            elif piece.start:
                self._dropping = False
            if not self._dropping:
                return
            self._queue.popleft()
            self._held -= piece.samples.shape[1]
            self._dropping = not piece.end

    def _send(self, piece: _Written, out: ComplexArray, at: int) -> int:
        """Move what fits of the first piece into ``out``; how many that were."""
        count = min(piece.samples.shape[1], out.shape[1])
        out[:, :count] = piece.samples[:, :count]
        self._in_burst, self._starved = True, False
        self._held -= count
        if count < piece.samples.shape[1]:
            self._queue[0] = _Written(piece.samples[:, count:], None, False, piece.end)
            return count
        self._queue.popleft()
        if piece.end:
            self._in_burst = False
            self._events.append(("burst_ack", at + count))
        return count
