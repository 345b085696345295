# SPDX-License-Identifier: GPL-3.0-or-later
"""What both ways between a program and a radio of the air share.

The air moves samples, programs read and write; one lock guards all feeds of an air.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

PATIENCE_S = 1.0
"""For which an elastic clock waits for a program that neither reads nor writes."""


class FeedClosedError(ConnectionError):
    """The feed was closed while a program read or wrote, or the radio vanished."""


class Feed:
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
