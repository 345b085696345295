# SPDX-License-Identifier: GPL-3.0-or-later
"""A receiver's stream that keeps time although its driver drops samples."""

from __future__ import annotations

import pmt
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock

_BUFFER = 1 << 17
_LONGEST_GAP_S = 10.0
_PAUSE_S = 1.0
_MOST_BUFFERED = 1 << 21
_TIME = pmt.intern("rx_time")


def samples_of_a_pause(rate_hz: float) -> int:
    """What a driver's buffer should hold: Python may pause, as where a function is compiled."""
    return min(int(_PAUSE_S * rate_hz), _MOST_BUFFERED)


class GapFiller(GuardedBlock):
    """Puts zeros in place of what gr-uhd, or whoever tags as it does, dropped.

    The source tags the first sample, and the first after each overflow, with ``rx_time``. A gap
    of more than ten seconds, or a time that goes back, is a clock that was set, or more lost than
    zeros can stand for: the stream goes on without zeros. No tag passes.

    Streams: one input and one output of complex samples an antenna; tags are read on the first.

    Args:
        antennas: streams.
        rate_hz: samples a second.

    Attributes:
        samples_in: per antenna, from the device, so far.
        samples_out: per antenna so far, zeros included.
        gaps: times that the stream did not go on where it was, filled or not.
        samples_lost: per antenna, in those that were filled.
    """

    def __init__(self, antennas: int, rate_hz: float) -> None:
        super().__init__("semcom_gap_filler", antennas, antennas)
        self._rate_hz = rate_hz
        self._begun: tuple[int, float] | None = None
        self._begun_sample = 0
        self._zeros = 0
        self._read = -1  # the tag that was read last
        self.samples_in = 0
        self.samples_out = 0
        self.gaps = 0
        self.samples_lost = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.set_min_output_buffer(_BUFFER)

    def time_s(self, sample: int) -> float | None:
        """The device's time at a sample of the output; None where nothing has come yet."""
        if self._begun is None:
            return None
        return sum(self._begun) + (sample - self._begun_sample) / self._rate_hz

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [0 if self._zeros else 1] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        space, count = len(outputs[0]), 0
        if self._zeros == 0:
            count = min(space, *(len(samples) for samples in inputs))
            count = self._up_to_next_time(count)
        if self._zeros:
            filled = min(space, self._zeros)
            for output in outputs:
                output[:filled] = 0
            self._zeros -= filled
            self.samples_out += filled
            return filled
        for port, (samples, output) in enumerate(zip(inputs, outputs, strict=True)):
            output[:count] = samples[:count]
            self.consume(port, count)
        self.samples_in += count
        self.samples_out += count
        return count

    def _up_to_next_time(self, count: int) -> int:
        """How many of the next ``count`` samples come before a time that is yet to be read."""
        begun = self.nitems_read(0)
        for tag in self.get_tags_in_window(0, 0, count, _TIME):
            if tag.offset > begun:
                return int(tag.offset - begun)
            if tag.offset != self._read:
                self._read = tag.offset
                seconds, fraction = (pmt.tuple_ref(tag.value, part) for part in (0, 1))
                self._take_time((pmt.to_uint64(seconds), pmt.to_double(fraction)))
        return count

    def _take_time(self, now: tuple[int, float]) -> None:
        """The next sample of the input is of this time, in whole seconds and their fraction."""
        if self._begun is not None:
            since_s = (now[0] - self._begun[0]) + (now[1] - self._begun[1])
            gap = round(since_s * self._rate_hz) - (self.samples_out - self._begun_sample)
            self.gaps += gap != 0
            if 0 <= gap <= _LONGEST_GAP_S * self._rate_hz:
                self._zeros = gap
                self.samples_lost += gap
                return
        self._begun, self._begun_sample = now, self.samples_out
