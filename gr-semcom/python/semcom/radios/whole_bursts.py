# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts that leave a device whole: held until all of one has come, then sent in one go."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pmt
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock

from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import frame_power
from semcom_phy.numerology import Numerology

_BUFFER = 1 << 17
_SOB, _EOB = pmt.intern("tx_sob"), pmt.intern("tx_eob")

MOST_HELD = 1 << 21
"""Samples per antenna of a burst after which more are taken only as some leave: 16 MB."""


def full_scale(backoff_db: float, numerology: Numerology) -> float:
    """What to multiply a framer's samples by so that a frame's RMS is below full scale.

    Args:
        backoff_db: by so much.
        numerology: of the waveform.
    """
    return 10 ** (-backoff_db / 20) / math.sqrt(frame_power(numerology))


@dataclass
class Burst:
    """Samples from ``tx_sob`` to ``tx_eob``, as far as they have come and are not yet out.

    Attributes:
        silence: samples between the end of the burst before and this one.
        pieces: arrays ``[antennas, n]``.
        samples: per antenna, in them.
        complete: all have come.
        begun: some are out.
    """

    silence: int
    pieces: deque[ComplexArray] = field(default_factory=deque)
    samples: int = 0
    complete: bool = False
    begun: bool = False


class WholeBursts(GuardedBlock):
    """Holds every burst until all of it has come, so that a slow host does not tear it.

    Only a burst of more than :data:`MOST_HELD` samples is begun before. The silence behind a burst
    is not put out.

    Streams: one input and one output of complex samples an antenna; tags are read on the first,
    and none passes.

    Args:
        name: of the block.
        antennas: streams.
        scale: that samples are multiplied by.

    Attributes:
        samples_in: per antenna so far.
        samples_out: per antenna so far.
        bursts: begun so far.
    """

    def __init__(self, name: str, antennas: int, scale: float) -> None:
        super().__init__(name, antennas, antennas)
        self._scale = np.float32(scale)
        self._held: deque[Burst] = deque()
        self._filling: Burst | None = None
        self._silence = 0
        self.samples_in = 0
        self.samples_out = 0
        self.bursts = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.set_min_output_buffer(_BUFFER)

    @abstractmethod
    def begin(self, burst: Burst, sample: int) -> None:
        """A burst begins with ``sample`` of the output: tag it."""

    def sends(self, samples: int) -> None:
        """So many samples of the burst are put out."""

    def end(self, sample: int) -> None:
        """A burst ends with ``sample`` of the output."""

    def complete(self, burst: Burst) -> None:
        """All of a burst has come; what is to follow it may be appended."""

    @property
    def idle(self) -> bool:
        """Whether all that has come is out."""
        return not self._held

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        # Asking for nothing gets what is held out without further input.
        return [0 if self._next() else 1] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if sum(burst.samples for burst in self._held) < MOST_HELD:
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
                    self._filling = Burst(self._silence)
                    self._held.append(self._filling)
                    self._silence = 0
            else:
                end = next((at + 1 for at in last if at >= place), None)
                piece = samples[:, place:end]
                self._filling.pieces.append(piece)
                self._filling.samples += piece.shape[1]
                place += piece.shape[1]
                if end is not None:
                    self.complete(self._filling)
                    self._filling.complete = True
                    self._filling = None

    def _next(self) -> Burst | None:
        """The burst that can be put out now."""
        if not self._held:
            return None
        burst = self._held[0]
        whole = burst.complete or burst.begun or burst.samples >= MOST_HELD
        return burst if whole and burst.pieces else None

    def _emit(self, outputs: Arrays) -> int:
        written, space = 0, len(outputs[0])
        while written < space and (burst := self._next()) is not None:
            if not burst.begun:
                self.begin(burst, self.nitems_written(0) + written)
                burst.begun = True
                self.bursts += 1
            piece = burst.pieces.popleft()
            count = min(space - written, piece.shape[1])
            for output, row in zip(outputs, piece, strict=True):
                np.multiply(row[:count], self._scale, out=output[written : written + count])
            if count < piece.shape[1]:
                burst.pieces.appendleft(piece[:, count:])
            written += count
            burst.samples -= count
            self.sends(count)
            if burst.complete and burst.samples == 0:
                self.end(self.nitems_written(0) + written - 1)
                self._held.popleft()
        self.samples_out += written
        return written
