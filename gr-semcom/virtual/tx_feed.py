# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples on their way from a program to a radio of the air, in bursts."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_virtual.feed import Feed, FeedClosedError

_EVENTS = 4096
"""That are kept of a program that never asks for them."""

Convert = Callable[[ComplexArray], ComplexArray]


@dataclass
class _Written:
    """Samples that a program wrote and the radio has not sent yet."""

    samples: ComplexArray
    time: int | None
    start: bool
    end: bool


class TxFeed(Feed):
    """Samples to be sent; made by :meth:`semcom_virtual.air_port.AirPort.open_tx`.

    A burst that comes after its time is not sent, and the event ``late`` tells it; where the clock
    waits for programs it is sent at once.

    Args:
        lock: of the air.
        wake: tells the air that something has changed.
        channels: of the radio.
        capacity: samples a channel.
        convert: the converters, from a program's samples to analogue ones.
        waits: the clock waits for programs.

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
