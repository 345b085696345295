# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts that leave a device whole, at times of its own clock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pmt
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock

from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import frame_power
from semcom_phy.numerology import Numerology

_BUFFER = 1 << 17
_HELD = 1 << 21
"""Samples per antenna that are held at most: two seconds at 1 MS/s, 16 MB."""

_LONGEST_LEAD_S = 0.5
_SOB, _EOB, _TIME = (pmt.intern(key) for key in ("tx_sob", "tx_eob", "tx_time"))


def full_scale(backoff_db: float, numerology: Numerology) -> float:
    """What to multiply a framer's samples by so that a frame's RMS is below full scale.

    Args:
        backoff_db: by so much.
        numerology: of the waveform.
    """
    return 10 ** (-backoff_db / 20) / math.sqrt(frame_power(numerology))


@dataclass
class _Burst:
    """Samples from ``tx_sob`` to ``tx_eob``, as far as they have come and are not yet out."""

    silence: int
    """Samples between the end of the burst before and this one."""
    pieces: deque[ComplexArray] = field(default_factory=deque)
    samples: int = 0
    complete: bool = False
    begun: bool = False


class BurstTimer(GuardedBlock):
    """Gives every burst a time some way ahead of the device's, for a USRP sink.

    A burst waits here until all of it has come, so that a slow host makes it late and not torn;
    only one of more than two million samples is begun before. The silence behind it becomes a
    distance in time and is not sent. The output has ``tx_sob`` and ``tx_time`` on the first
    sample of each burst and ``tx_eob`` on its last, and no other tag.

    Streams: one input and one output of complex samples an antenna; tags are read on the first.

    Args:
        antennas: streams.
        rate_hz: samples a second.
        now: the device's time in seconds; it may raise, which ends the flowgraph.
        lead_s: how far ahead of the device's time a burst is put.
        scale: that samples are multiplied by.

    Attributes:
        lead_s: it doubles when a burst was late, up to half a second.
        samples_in: per antenna so far.
        samples_out: per antenna so far; silence is not among them.
        bursts: begun so far.
        late: of them.
        free_at_s: the device's time at which the latest burst and the silence behind it are over;
            minus infinity before the first.

    Raises:
        ValueError: a rate or a lead out of range.
    """

    def __init__(
        self,
        antennas: int,
        rate_hz: float,
        now: Callable[[], float],
        lead_s: float = 0.02,
        scale: float = 1.0,
    ) -> None:
        super().__init__("semcom_burst_timer", antennas, antennas)
        if not (rate_hz > 0 and 0 < lead_s <= _LONGEST_LEAD_S):
            raise ValueError(
                f"rate of {rate_hz} Hz, lead of {lead_s} s: choose a rate above 0 and a lead above "
                f"0, up to {_LONGEST_LEAD_S:g} s"
            )
        self._rate_hz, self._now, self._scale = rate_hz, now, np.float32(scale)
        self.lead_s = lead_s
        self._held: deque[_Burst] = deque()
        self._filling: _Burst | None = None
        self._silence = 0
        self._end_s = -math.inf
        self.samples_in = 0
        self.samples_out = 0
        self.bursts = 0
        self.late = 0
        self._late = 0  # the number of the last late one
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.set_min_output_buffer(_BUFFER)

    @property
    def free_at_s(self) -> float:
        return self._end_s + self._silence / self._rate_hz

    @property
    def idle(self) -> bool:
        """Whether all that has come is out."""
        return not self._held

    def was_late(self) -> None:
        """The latest burst was: put later ones further ahead; once a burst counts."""
        if self._late != self.bursts:
            self._late = self.bursts
            self.late += 1
            self.lead_s = min(2 * self.lead_s, _LONGEST_LEAD_S)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        # Asking for nothing gets what is held out without further input.
        return [0 if self._next() else 1] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if sum(burst.samples for burst in self._held) < _HELD:
            count = min(len(samples) for samples in inputs)
            self._collect(np.stack([samples[:count] for samples in inputs]))
            for port in range(len(inputs)):
                self.consume(port, count)
            self.samples_in += count
        return self._emit(outputs)

    def _collect(self, samples: ComplexArray) -> None:
        """Sort the next samples ``[antennas, n]`` of the input into bursts and silence."""
        begun, count = self.nitems_read(0), samples.shape[1]
        first, last = (
            [tag.offset - begun for tag in self.get_tags_in_window(0, 0, count, key)]
            for key in (_SOB, _EOB)
        )
        place = 0
        while place < count:
            if self._filling is None:
                start = next((at for at in first if at >= place), count)
                self._silence += start - place
                place = start
                if start < count:
                    self._filling = _Burst(self._silence)
                    self._held.append(self._filling)
                    self._silence = 0
            else:
                end = next((at + 1 for at in last if at >= place), None)
                piece = samples[:, place:end]
                self._filling.pieces.append(piece)
                self._filling.samples += piece.shape[1]
                place += piece.shape[1]
                if end is not None:
                    self._filling.complete = True
                    self._filling = None

    def _next(self) -> _Burst | None:
        """The burst that can be put out now."""
        if not self._held:
            return None
        burst = self._held[0]
        whole = burst.complete or burst.begun or burst.samples >= _HELD
        return burst if whole and burst.pieces else None

    def _emit(self, outputs: Arrays) -> int:
        written, space = 0, len(outputs[0])
        while written < space and (burst := self._next()) is not None:
            if not burst.begun:
                self._begin(burst, self.nitems_written(0) + written)
            piece = burst.pieces.popleft()
            count = min(space - written, piece.shape[1])
            for output, row in zip(outputs, piece, strict=True):
                np.multiply(row[:count], self._scale, out=output[written : written + count])
            if count < piece.shape[1]:
                burst.pieces.appendleft(piece[:, count:])
            written += count
            burst.samples -= count
            self._end_s += count / self._rate_hz
            if burst.complete and burst.samples == 0:
                self.add_item_tag(0, self.nitems_written(0) + written - 1, _EOB, pmt.PMT_T)
                self._held.popleft()
        self.samples_out += written
        return written

    def _begin(self, burst: _Burst, sample: int) -> None:
        """Choose the burst's time; it begins with ``sample`` of the output."""
        after = self._end_s + burst.silence / self._rate_hz
        self._end_s = max(after, self._now() + self.lead_s)
        whole = math.floor(self._end_s)
        time = pmt.make_tuple(pmt.from_uint64(whole), pmt.from_double(self._end_s - whole))
        self.add_item_tag(0, sample, _SOB, pmt.PMT_T)
        self.add_item_tag(0, sample, _TIME, time)
        burst.begun = True
        self.bursts += 1
