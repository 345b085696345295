# SPDX-License-Identifier: GPL-3.0-or-later
"""Transmissions in, samples out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pmt
from gnuradio.semcom.guard import WORK_DONE, Arrays, GuardedBlock
from gnuradio.semcom.pdu import Pmt, is_end_of_stream, transmission_from_pdu

from semcom_phy.exchange import ChannelState, ComplexArray, Precoder, Transmission
from semcom_phy.fragments import Frame, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import lookahead_samples

_BUFFER = 1 << 17
_CHANNEL_MARGIN = 512  # filters and clocks shift the end of a picture a little


@dataclass(frozen=True, eq=False)
class _Burst:
    """A picture to send: its frames and the channel they are precoded for."""

    picture: int
    frames: list[Frame]
    csi: ComplexArray | None


class Framer(GuardedBlock):
    """Cuts transmissions into frames and modulates them.

    Streams: one output of complex samples a transmit antenna. A picture is one burst: ``tx_sob``
    and ``picture``, its number, on its first sample, ``tx_eob`` on its last; then comes silence
    that lets the receiver finish the picture before the next one is sent.

    Message ports: ``transmissions`` in, PDUs of :mod:`gnuradio.semcom.pdu`, ended by ``PMT_EOF``,
    which ends the stream; ``sent`` out, the number of each picture when its last sample is out.

    Args:
        numerology: of the waveform.
        precoder: maps streams to antennas by the CSI of the transmission; None for none.
        clipping_db: limit of the magnitude above its RMS, see
            :class:`semcom_phy.modulator.Modulator`; None for no limit.
        streams: spatial streams on which the symbols of messages take turns; None for what a
            message says.

    Raises:
        ValueError: a limit out of range.

    Attributes:
        pictures_waiting: submitted and not yet out with their silence.
        frames_sent: frames modulated.
        burst_samples: their samples per antenna, silence not counted.
        stream_time_s: of all samples made so far, silence counted, on the sample clock.
        samples_out: samples per antenna put out, silence included.
    """

    def __init__(
        self,
        numerology: Numerology,
        precoder: Precoder | None = None,
        clipping_db: float | None = None,
        streams: int | None = None,
    ) -> None:
        super().__init__("semcom_framer", outputs=numerology.tx_antennas)
        self._numerology = numerology
        self._silence = lookahead_samples(numerology) + _CHANNEL_MARGIN
        self._precoded = precoder is not None
        self._streams = streams
        self._modulator = Modulator(numerology, precoder, clipping_db)
        self._lock = threading.Lock()
        self._bursts: deque[_Burst] = deque()
        self._pieces: Iterator[ComplexArray] = iter(())
        self._left: ComplexArray = np.empty((numerology.tx_antennas, 0), np.complex64)
        self._ended = False
        self.pictures_waiting = 0
        self.frames_sent = 0
        self.burst_samples = 0
        self.stream_time_s = 0.0
        self.samples_out = 0
        self.set_min_output_buffer(_BUFFER)
        self.handle("transmissions", self._on_transmission)
        self.publishes("sent")

    def submit(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send a picture after those submitted before; any thread may call this.

        Raises:
            ValueError: the transmission does not fit into frames, or it is to be precoded for a
                channel that has no ``csi_id``.
        """
        # Only a precoder makes the receiver depend on the feedback that it sent.
        precoded = self._precoded and state.csi is not None
        if precoded and state.csi_id == 0:
            raise ValueError(
                "channel state has csi but no csi_id: the receiver could not tell which channel "
                "the picture was precoded for; number feedback from 1 to 255"
            )
        csi_id = state.csi_id if precoded else 0
        frames = fragment(transmission, picture, self._numerology, csi_id)
        with self._lock:
            self._bursts.append(_Burst(picture, frames, state.csi if precoded else None))
            self.pictures_waiting += 1
        self.wake()

    def end(self) -> None:
        """End the stream after what was submitted; any thread may call this."""
        self._ended = True
        self.wake()

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        space, written = len(outputs[0]), 0
        while written < space and (self._left.shape[1] or self._next_piece()):
            count = min(space - written, self._left.shape[1])
            for output, row in zip(outputs, self._left, strict=True):
                output[written : written + count] = row[:count]
            self._left = self._left[:, count:]
            written += count
            self.samples_out += count
        if written == 0 and self._ended and self.pictures_waiting == 0:
            return WORK_DONE
        return written

    def _next_piece(self) -> bool:
        """Make the next samples; False where nothing is waiting."""
        piece = next(self._pieces, None)
        if piece is None:
            with self._lock:
                if not self._bursts:
                    return False
                burst = self._bursts.popleft()
            self._pieces = self._modulate(burst)
            piece = next(self._pieces)
        self._left = piece
        return True

    def _modulate(self, burst: _Burst) -> Iterator[ComplexArray]:
        """The burst's samples, a frame at a time; called when all before them are out."""
        self._tag("tx_sob", self.samples_out)
        self._tag("picture", self.samples_out, pmt.from_long(burst.picture))
        for frame in burst.frames:
            samples = self._modulator.frame(frame, burst.csi)
            self.frames_sent += 1
            self.burst_samples += samples.shape[1]
            self.stream_time_s += samples.shape[1] / self._numerology.sample_rate
            if frame is burst.frames[-1]:
                # At once: the picture may be received before its silence is out.
                self.stream_time_s += self._silence / self._numerology.sample_rate
                self._tag("tx_eob", self.samples_out + samples.shape[1] - 1)
            yield samples
        yield np.zeros((self._numerology.tx_antennas, self._silence), np.complex64)
        self.publish("sent", pmt.from_long(burst.picture))
        with self._lock:
            self.pictures_waiting -= 1

    def _tag(self, key: str, sample: int, value: Pmt = pmt.PMT_T) -> None:
        for port in range(self._numerology.tx_antennas):
            self.add_item_tag(port, sample, pmt.intern(key), value)

    def _on_transmission(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.end()
        else:
            picture, transmission, state = transmission_from_pdu(message)
            if self._streams is not None:
                transmission = replace(transmission, streams=self._streams)
            self.submit(picture, transmission, state)
