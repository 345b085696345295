# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast reports are taken off a socket."""

from __future__ import annotations

import time
from collections.abc import Callable

STRETCH_S, MOST = 0.05, 200
"""Messages taken in a stretch of time, 4000 a second; a radio at 20 MS/s has a thousand frames."""


class FeedbackPace:
    """Tells when to pause, so that no flood of messages is taken faster than :data:`MOST`.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = float("-inf")
        self._taken = 0

    def take(self) -> float:
        """Count a message; seconds to pause before the next one, 0 for none."""
        now = self._clock()
        if now - self._begun >= STRETCH_S:
            self._begun, self._taken = now, 0
        self._taken += 1
        if self._taken < MOST:
            return 0.0
        pause_s = self._begun + STRETCH_S - now
        self._begun = float("-inf")  # the next message begins a stretch, whatever the pause took
        return pause_s
