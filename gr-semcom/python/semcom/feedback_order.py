# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the reports that come off a socket are news."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from gnuradio.semcom.feedback_message import from_parts

from semcom_phy.channel_knowledge import FeedbackCounters
from semcom_phy.csi_feedback import Feedback

SILENCE_S = 2.0
"""A receiver that has said nothing for so long may be replaced by another one."""

_SESSIONS = 16


class FeedbackOrder:
    """Takes messages as they come and gives the reports that are news.

    Numbers of a session must rise: what was overtaken, repeated or replayed is late, what is
    missing was lost. One receiver is listened to at a time; another one, such as the same one
    started again, is listened to once the first has been silent for :data:`SILENCE_S`.

    Args:
        counters: of what is no news.
        clock: seconds that never go back.
    """

    def __init__(
        self, counters: FeedbackCounters, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counters, self._clock = counters, clock
        self._last: OrderedDict[int, int] = OrderedDict()
        self._session = 0
        self._heard_at = float("-inf")

    def latest(self, session: int) -> int:
        """The highest number taken of a session's reports, 0 for none."""
        return self._last.get(session, 0)

    def take(self, parts: Sequence[bytes]) -> Feedback | None:
        """The report in a message, or None where it is none, or no news."""
        try:
            message = from_parts(parts)
        except ValueError:
            self._counters.unreadable += 1
            return None
        session, now = message.report.session, self._clock()
        if session != self._session and now - self._heard_at < SILENCE_S:
            self._counters.foreign += 1
            return None
        last = self._last.get(session, 0)
        if message.number <= last:
            self._counters.late += 1
            return None
        # Of a session that we join nobody knows how much we missed.
        if last:
            self._counters.lost += message.number - last - 1
        self._session, self._heard_at = session, now
        self._last[session] = message.number
        self._last.move_to_end(session)
        while len(self._last) > _SESSIONS:
            self._last.popitem(last=False)
        return message.report
