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
from gnuradio.semcom.pdu import (
    Pmt,
    is_end_of_stream,
    learn_from_pmt,
    transmission_from_pdu,
)

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CSI_IDS
from semcom_phy.exchange import ChannelState, ComplexArray, Precoder, Transmission
from semcom_phy.fragments import Frame, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import lookahead_samples

_BUFFER = 1 << 17
_CHANNEL_MARGIN = 512  # filters and clocks shift the end of a picture a little


@dataclass(frozen=True, eq=False)
class _Burst:
    """A picture to send: its frames and what was known of the channel when it was submitted."""

    picture: int
    frames: list[Frame]
    state: ChannelState


class Framer(GuardedBlock):
    """Cuts transmissions into frames and modulates them.

    Streams: one output of complex samples a transmit antenna. A picture is one burst: ``tx_sob``
    and ``picture``, its number, on its first sample, ``tx_eob`` and ``picture_end``, the number
    again, on its last; then comes silence that lets the receiver finish the picture before the
    next one is sent. Where it waits after every frame, each frame is a burst.

    Message ports: ``transmissions`` in, PDUs of :mod:`gnuradio.semcom.pdu`, ended by ``PMT_EOF``,
    which ends the stream; ``feedback`` in, of which a precoder takes the latest CSI for the next
    frame; ``sent`` out, the number of each picture when its last sample is out.

    Args:
        numerology: of the waveform.
        precoder: maps streams to antennas by the latest CSI fed back, before any by the CSI of the
            transmission; None for none.
        clipping_db: limit of the magnitude above its RMS, see
            :class:`semcom_phy.modulator.Modulator`; None for no limit.
        streams: spatial streams on which the symbols of messages take turns; None for what a
            message says.
        known: what feedback tells, kept by somebody who says where pictures begin; None to keep
            it here, by the port ``feedback``.
        stop_and_wait: put silence behind every frame, as behind a picture, and wait for
            :meth:`proceed` before the next one.

    Raises:
        ValueError: a limit out of range.

    Attributes:
        pause_samples: of silence between the frames of a picture.
        waits: whether a picture waits for :meth:`proceed`.
        pictures_waiting: submitted and not yet out with their silence.
        frames_sent: frames modulated.
        burst_samples: their samples per antenna, silence not counted.
        stream_time_s: of all samples made so far, silence counted, on the sample clock.
        samples_out: samples per antenna put out, silence included.
        csi_dropped: transmissions that came by message with CSI that no precoder can use, of
            another shape than the antennas and carriers or without a ``csi_id``; they are sent
            as without any.
    """

    def __init__(
        self,
        numerology: Numerology,
        precoder: Precoder | None = None,
        clipping_db: float | None = None,
        streams: int | None = None,
        known: ChannelKnowledge | None = None,
        stop_and_wait: bool = False,
    ) -> None:
        super().__init__("semcom_framer", outputs=numerology.tx_antennas)
        self._numerology = numerology
        self._silence = lookahead_samples(numerology) + _CHANNEL_MARGIN
        self._precoder = precoder
        self._streams = streams
        self.set_clipping_db(clipping_db)
        self._knows_by_itself = known is None
        self._known = known or ChannelKnowledge(numerology=numerology)
        self._stop_and_wait = stop_and_wait
        self.pause_samples = self._silence if stop_and_wait else 0
        self.waits = False
        self._lock = threading.Lock()
        self._bursts: deque[_Burst] = deque()
        self._due = 0  # samples of all bursts submitted, silence included
        self._pieces: Iterator[ComplexArray] = iter(())
        self._left: ComplexArray = np.empty((numerology.tx_antennas, 0), np.complex64)
        self._ended = False
        self.pictures_waiting = 0
        self.frames_sent = 0
        self.burst_samples = 0
        self.stream_time_s = 0.0
        self.samples_out = 0
        self.csi_dropped = 0
        self.set_min_output_buffer(_BUFFER)
        self.handle("transmissions", self._on_transmission)
        self.handle("feedback", lambda message: learn_from_pmt(self._known, message))
        self.publishes("sent")

    def set_clipping_db(self, clipping_db: float | None) -> None:
        """Choose the limit of the magnitude from the next frame on; any thread may call this.

        Raises:
            ValueError: a limit out of range.
        """
        self._modulator = Modulator(self._numerology, self._precoder, clipping_db)

    def submit(self, picture: int, transmission: Transmission, state: ChannelState) -> range:
        """Send a picture after those submitted before; any thread may call this.

        Returns:
            Which samples of the stream it takes, to the end of its last frame's guard.

        Raises:
            ValueError: the transmission does not fit into frames, or it is to be precoded for a
                channel of another shape or without a ``csi_id``.
        """
        if problem := self._csi_problem(state):
            raise ValueError(problem)
        frames = fragment(transmission, picture, self._numerology)
        length = sum(self._numerology.frame_samples(frame.payload.shape[1]) for frame in frames)
        length += (len(frames) - 1) * self.pause_samples
        with self._lock:
            span = range(self._due, self._due + length)
            self._due = span.stop + self._silence
            self._bursts.append(_Burst(picture, frames, state))
            self.pictures_waiting += 1
        self.wake()
        return span

    def proceed(self) -> None:
        """Go on with the next frame of a picture that waits; any thread may call this."""
        self.waits = False
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
        """Make the next samples; False where there are none now."""
        if self.waits:
            return False
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
        if self._knows_by_itself:
            self._known.picture_begins()
        silence = np.zeros((self._numerology.tx_antennas, self._silence), np.complex64)
        for frame in burst.frames:
            samples = self._precoded_frame(frame, burst.state)
            is_first, is_last = frame is burst.frames[0], frame is burst.frames[-1]
            if is_first or self._stop_and_wait:
                self._tag("tx_sob", self.samples_out)
            if is_first:
                self._tag("picture", self.samples_out, pmt.from_long(burst.picture))
            self.frames_sent += 1
            self.burst_samples += samples.shape[1]
            self.stream_time_s += samples.shape[1] / self._numerology.sample_rate
            end = self.samples_out + samples.shape[1] - 1
            if is_last or self._stop_and_wait:
                # At once: the picture may be received before its silence is out.
                self.stream_time_s += self._silence / self._numerology.sample_rate
                self._tag("tx_eob", end)
            if is_last:
                self._tag("picture_end", end, pmt.from_long(burst.picture))
            yield samples
            if self._stop_and_wait and not is_last:
                yield silence
                self.waits = True  # only now, when all of the silence is out
                yield silence[:, :0]
        yield silence
        self.publish("sent", pmt.from_long(burst.picture))
        with self._lock:
            self.pictures_waiting -= 1

    def _precoded_frame(self, frame: Frame, submitted: ChannelState) -> ComplexArray:
        """A frame's samples, precoded for the latest channel known."""
        if self._precoder is None:  # the receiver need not depend on the feedback that it sent
            return self._modulator.frame(frame)
        state = self._known.state()
        if state.csi is None:
            state = submitted
        header = replace(frame.header, csi_id=state.csi_id)
        return self._modulator.frame(replace(frame, header=header), state.csi)

    def _csi_problem(self, state: ChannelState) -> str:
        """Why no frame can be precoded for this channel; empty where one can, or none is."""
        if self._precoder is None or state.csi is None:
            return ""
        waveform = self._numerology
        shape = (len(waveform.active_carriers), waveform.rx_antennas, waveform.tx_antennas)
        if state.csi.shape != shape:
            return (
                f"csi has the shape {state.csi.shape}, but the waveform has {shape} active "
                "carriers, receive and transmit antennas: use one numerology at both ends"
            )
        if not 1 <= state.csi_id <= CSI_IDS:
            return (
                f"channel state has csi but no csi_id (it is {state.csi_id}): the receiver could "
                "not tell which channel the picture was precoded for; number feedback from 1 to "
                f"{CSI_IDS}"
            )
        return ""

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
            if self._csi_problem(state):  # fed back, perhaps by a receiver of another link
                self.csi_dropped += 1
                state = replace(state, csi=None, csi_id=0)
            self.submit(picture, transmission, state)
