# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a radio that is none takes samples: as a converter does."""

from __future__ import annotations

import time
from collections.abc import Callable

_AHEAD_S = 0.05
"""What a device's buffers hold."""


class SamplePace:
    """Tells when the next samples may be taken, so that none is taken before its time.

    Time that passes without samples is not made up for.

    Args:
        sample_rate: samples a second.
        clock: seconds that never go back.

    Attributes:
        at_once: samples that may be taken together.
    """

    def __init__(self, sample_rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._sample_rate, self._clock = sample_rate, clock
        self._due = float("-inf")
        self.at_once = max(1, int(_AHEAD_S * sample_rate))

    def pause_s(self) -> float:
        """Seconds to wait before the next samples, 0 for none."""
        return max(0.0, self._due - _AHEAD_S - self._clock())

    def take(self, samples: int) -> None:
        """Count samples that were taken."""
        self._due = max(self._due, self._clock()) + samples / self._sample_rate
