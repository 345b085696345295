# SPDX-License-Identifier: GPL-3.0-or-later
"""What both ways of streaming a Pluto share: levels, channels, and time as a witness of losses."""

from __future__ import annotations

import numpy as np

from semcom_phy.exchange import ComplexArray

ADC_FULL_SCALE = 2048.0
"""Of the receiver's 12 bits, which stand in the lower bits of 16."""

DAC_FULL_SCALE = 32768.0
"""Of the transmitter's 12 bits, which stand in the upper bits of 16."""

_MOST_HELD = 1 << 23  # 64 MiB

_DRIFT = 1e-4
"""By which two clocks differ at most."""


def samples_held(rate_hz: float) -> int:
    """Samples an antenna that wait between device and flowgraph if one is late: two seconds.

    With less, Python's lock alone, held by a compiler for a second, would tear a burst.
    """
    return min(int(2 * rate_hz), _MOST_HELD)


def channel_names(antennas: int) -> list[str]:
    """Channels of the data devices, in-phase and quadrature of each antenna in turn."""
    return [f"voltage{i}" for i in range(2 * antennas)]


def to_converter(samples: ComplexArray) -> ComplexArray:
    """Samples of full scale 1 as whole numbers that 16 bits hold; louder ones are clipped."""
    parts = np.ascontiguousarray(samples, np.complex64).view(np.float32) * DAC_FULL_SCALE
    clipped = np.clip(np.rint(parts), -DAC_FULL_SCALE, DAC_FULL_SCALE - 1)
    return clipped.astype(np.float32).view(np.complex64)


class LossesByTime:
    """Tells that a stream lost samples where nothing but time can: it came to lag.

    Args:
        rate_hz: of the stream.
        allowance: samples by which it may lag for other reasons: what buffers hold.
    """

    def __init__(self, rate_hz: float, allowance: int) -> None:
        self._rate_hz, self._allowance = rate_hz, allowance
        self._before: float | None = None
        self._lag = 0.0

    def lost(self, samples: int, now_s: float) -> bool:
        """Whether samples were lost.

        Args:
            samples: that came since this was last asked.
            now_s: when they had come, by a monotonic clock.
        """
        if self._before is None:
            self._before = now_s
            return False
        elapsed = (now_s - self._before) * self._rate_hz
        self._before = now_s
        self._lag = max(0.0, self._lag + elapsed * (1 - _DRIFT) - samples)
        if self._lag <= self._allowance:
            return False
        self._lag = 0.0
        return True
