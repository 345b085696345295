# SPDX-License-Identifier: GPL-3.0-or-later
"""How long ago a count changed: what tells a device that is gone from one that is slow."""

from __future__ import annotations

import time
from collections.abc import Callable


class Progress:
    """Watches a count.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._count: int | None = None
        self._since_s = clock()

    def stalled_s(self, count: int, waiting: bool = True) -> float:
        """Seconds for which a count has been asked about and has not changed.

        Args:
            count: as it is now.
            waiting: whether it should change at all.
        """
        if count != self._count or not waiting:
            self._count, self._since_s = count, self._clock()
        return self._clock() - self._since_s
