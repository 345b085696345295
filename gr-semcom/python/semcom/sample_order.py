# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the samples that come off a socket go on with a stream, and what is missing in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gnuradio.semcom.feedback_order import SILENCE_S
from gnuradio.semcom.sample_message import SampleMessage


@dataclass
class SampleCounters:
    """What became of the messages that came to a receiver.

    Attributes:
        sessions: senders that were listened to, one after the other.
        gaps: places where samples were lost on their way.
        missing: samples per antenna that were.
        late: messages that came twice.
        foreign: of another sender while the one listened to was there.
        unfit: of another number of antennas or sample rate.
        unreadable: were no samples at all.
    """

    sessions: int = 0
    gaps: int = 0
    missing: int = 0
    late: int = 0
    foreign: int = 0
    unfit: int = 0
    unreadable: int = 0


class SampleOrder:
    """Takes messages as they come and says which are news.

    One sender is listened to at a time; another one, such as the same one started again, once the
    first has ended or has been silent for :data:`~gnuradio.semcom.feedback_order.SILENCE_S`.

    Args:
        antennas: of the stream.
        sample_rate: of the stream.
        counters: of what came.
        clock: seconds that never go back.

    Attributes:
        position: samples per antenna of the sender's stream so far, those missing included.
    """

    def __init__(
        self,
        antennas: int,
        sample_rate: float,
        counters: SampleCounters,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._antennas, self._sample_rate = antennas, sample_rate
        self._counters, self._clock = counters, clock
        self._session = 0
        self._heard_at = float("-inf")
        self.position = 0

    def take(self, message: SampleMessage) -> int | None:
        """How many samples are missing before a message; None for one that is no news."""
        count = message.samples.shape[1]
        if (message.samples.shape[0], message.sample_rate) != (self._antennas, self._sample_rate):
            self._counters.unfit += 1
            return None
        now = self._clock()
        if message.session != self._session:
            if now - self._heard_at < SILENCE_S:
                self._counters.foreign += 1
                return None
            # Of a sender that we join nobody knows what we missed.
            self._session, self.position = message.session, message.offset
            self._counters.sessions += 1
        missing = message.offset - self.position
        if missing < 0:
            self._counters.late += 1
            return None
        self._counters.gaps += missing > 0
        self._counters.missing += missing
        self.position = message.offset + count
        self._heard_at = float("-inf") if message.end else now
        return missing
