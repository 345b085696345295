# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts cut into buffers that are all whole: a Pluto sends no part of one."""

from __future__ import annotations

from collections import deque

import numpy as np
from gnuradio.semcom.radios.pluto_stream import samples_held
from gnuradio.semcom.radios.whole_bursts import Burst, WholeBursts

from semcom_phy.exchange import ComplexArray


class PlutoBursts(WholeBursts):
    """Fills every burst up with zeros to whole buffers.

    The silence between two bursts is put in front of the second: a Pluto sends what it has at once.

    Streams: one input and one output of complex samples an antenna.

    Args:
        antennas: 1 or 2.
        rate_hz: sample rate.
        scale: by which samples are multiplied.
        size: of a buffer, in samples.

    Attributes:
        given: samples per antenna to be sent so far, whole buffers once a burst is out.
        ends: samples per antenna put out up to the end of each burst, the oldest first; who has
            taken note of one removes it.
    """

    def __init__(self, antennas: int, rate_hz: float, scale: float, size: int) -> None:
        super().__init__("semcom_pluto_bursts", antennas, scale)
        self._antennas, self._size = antennas, size
        self._of_burst = 0
        self.given = 0
        self.ends: deque[int] = deque()
        self.set_min_output_buffer(max(samples_held(rate_hz), 2 * size))

    def begin(self, burst: Burst, sample: int) -> None:
        self._of_burst = 0
        burst.pieces.appendleft(self._zeros(burst.silence))
        burst.samples += burst.silence

    def sends(self, samples: int) -> None:
        self._of_burst += samples
        self.given += samples

    def complete(self, burst: Burst) -> None:
        before = self._of_burst if burst.begun else burst.silence
        padding = -(before + burst.samples) % self._size
        burst.pieces.append(self._zeros(padding))
        burst.samples += padding

    def end(self, sample: int) -> None:
        self.ends.append(sample + 1)

    def sent(self, samples: int, taken: int) -> bool:
        """Whether a device has taken what was in the first ``samples`` of the input.

        Args:
            samples: per antenna.
            taken: samples per antenna of the output that it has taken.
        """
        return self.samples_in == samples and self.idle and self.given == taken

    def _zeros(self, samples: int) -> ComplexArray:
        return np.zeros((self._antennas, samples), np.complex64)
