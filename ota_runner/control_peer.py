# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end of a control connection, and whether it is still there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from ota_runner.control_envelope import Envelope


@dataclass(frozen=True)
class PeerBack:
    """The other end is there.

    Attributes:
        new_session: for the first time, or started anew: it knows nothing of what it was told.
    """

    new_session: bool


@dataclass(frozen=True)
class PeerGone:
    """The other end is not there any more.

    Attributes:
        closed: it said that it goes; else it fell silent.
    """

    closed: bool


class Peer:
    """One session is listened to at a time; another one once it has left or fallen silent.

    It is there while it is heard, and says that it hears us. A session of ours is for one of its
    alone: either both begin anew, or neither does.

    Args:
        silence_s: after so long it is gone.
        clock: seconds that never go back.

    Attributes:
        own: our session.
        there: whether it is.
    """

    def __init__(self, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._silence_s, self._clock = silence_s, clock
        self.own = _draw()
        self._session = self._met = 0
        self._heard_at = self._heard_us_at = float("-inf")
        self.there = False

    @property
    def session(self) -> int:
        """Its session while it is heard, 0 for none."""
        return self._session if self._clock() - self._heard_at < self._silence_s else 0

    @property
    def is_another(self) -> bool:
        """Whether it is not the one that has met our session, so that this one will not do."""
        return self._met not in (0, self._session)

    def begin_anew(self) -> None:
        """Draw a session that nobody has met."""
        self.own, self._met = _draw(), 0

    def hear(self, envelope: Envelope) -> PeerBack | PeerGone | None:
        """Take note of a message; what it changes.

        Raises:
            ValueError: it is somebody else's.
        """
        now = self._clock()
        # One that falls silent is missed before another one is heard.
        listened_to = self._session if self.there else self.session
        if envelope.session == self.own or listened_to not in (0, envelope.session):
            raise ValueError("another program is listened to")
        if envelope.bye:
            return self._leave(envelope)
        self._session, self._heard_at = envelope.session, now
        if self.is_another or envelope.to != self.own:
            return None
        self._heard_us_at = now
        if self.there:
            return None
        self.there = True
        met, self._met = self._met, self._session
        return PeerBack(new_session=met != self._session)

    def _leave(self, envelope: Envelope) -> PeerGone | None:
        if envelope.session != self._session:
            return None
        self._heard_at = float("-inf")
        was_there, self.there = self.there, False
        return PeerGone(closed=True) if was_there else None

    def miss(self) -> PeerGone | None:
        """Find out whether it has fallen silent."""
        if not self.there or self._clock() - self._heard_us_at < self._silence_s:
            return None
        self.there = False
        return PeerGone(closed=False)


def _draw() -> int:
    return 1 + secrets.randbits(62)
