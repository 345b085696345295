# SPDX-License-Identifier: GPL-3.0-or-later
"""How the air's time goes on with the world's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

LONGEST_STEP_S = 0.02
"""By which the air goes on at once; bounds its memory."""


class Clock(Protocol):
    """Of the air.

    Attributes:
        waits: for programs that lag.
    """

    waits: bool

    def target(self, now_s: float, limit_s: float) -> float:
        """How far the air may go on.

        Args:
            now_s: the air's time.
            limit_s: beyond which a program would lose samples.

        Returns:
            The time to which it may go on now, at least ``now_s``.
        """
        ...

    def advanced(self, now_s: float) -> None:
        """The air has gone on to ``now_s``."""
        ...


class ElasticClock:
    """Never faster than the world's, and stops for programs that lag.

    What was waited is not made up for: however loaded the machine, nothing is lost.

    Args:
        monotonic: the world's clock, in s.
    """

    waits = True

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._then = monotonic()

    def target(self, now_s: float, limit_s: float) -> float:
        """See :meth:`Clock.target`."""
        passed = min(self._monotonic() - self._then, LONGEST_STEP_S)
        return max(min(now_s + passed, limit_s), now_s)

    def advanced(self, now_s: float) -> None:
        """See :meth:`Clock.advanced`."""
        self._then = self._monotonic()


class RealtimeClock:
    """The world's, whoever lags.

    Where this machine cannot compute the air in time, it falls behind the world and catches up
    when it can.

    Args:
        monotonic: the world's clock, in s.
    """

    waits = False

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._start = monotonic()

    def target(self, now_s: float, limit_s: float) -> float:
        """See :meth:`Clock.target`."""
        return max(min(self._monotonic() - self._start, now_s + LONGEST_STEP_S), now_s)

    def advanced(self, now_s: float) -> None:
        """See :meth:`Clock.advanced`."""
