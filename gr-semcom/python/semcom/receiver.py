# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples in, receptions out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pmt
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.pdu import (
    Pmt,
    end_of_stream,
    feedback_to_pmt,
    frame_report,
    frame_to_pdu,
    reception_to_pdu,
)

from semcom_phy.csi_feedback import CsiReports, Feedback, snr_feedback
from semcom_phy.exchange import Combiner, Reception
from semcom_phy.fragments import Assembler, ReceivedFrame
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import Receiver as FrameReceiver
from semcom_phy.receiver import ReceiverCounters, lookahead_samples


class Receiver(GuardedBlock):
    """Finds frames in a stream and puts pictures together.

    Streams: one input of complex samples a receive antenna. It knows the numerology and sees
    the samples, nothing else; tags are not read.

    Message ports, all out:

    * ``receptions``: PDUs of :mod:`gnuradio.semcom.pdu`, one a picture of which any frame
      arrived; ``PMT_EOF`` at the end of the stream.
    * ``frames``: a dictionary a frame, of :func:`gnuradio.semcom.pdu.frame_report`.
    * ``symbols``: the same with the equalised payload, as PDUs, for
      :class:`gnuradio.semcom.FrameSymbols` or a constellation sink; ``PMT_EOF`` at the end.
      Where nothing is connected they are not made.
    * ``feedback``: what a transmitter may know, messages of
      :func:`gnuradio.semcom.pdu.feedback_to_pmt`: after each frame its channel, where there are
      ``reports``, and after each picture its SNR, before the picture itself is published;
      ``PMT_EOF`` at the end.

    Args:
        numerology: of the waveform.
        combiner: inverts the transmitter's precoder; None for none.
        deliver: called with each reception, in this block's thread, in place of the port
            ``receptions``.
        tell: called with each report to the transmitter, likewise, in place of the port
            ``feedback``.
        reports: on the channel, which are published; the combiner looks up in them what a frame
            was precoded for. None where the channel is not fed back.
        pause_samples: silence between the frames of a picture.

    Attributes:
        samples_in: samples per antenna taken so far.
        samples_heard: likewise, but at once, before the pictures that they complete are delivered.
        feedback_sent: reports to the transmitter.
    """

    def __init__(
        self,
        numerology: Numerology,
        combiner: Combiner | None = None,
        deliver: Callable[[Reception], None] | None = None,
        reports: CsiReports | None = None,
        pause_samples: int = 0,
        tell: Callable[[Feedback], None] | None = None,
    ) -> None:
        super().__init__("semcom_receiver", inputs=numerology.rx_antennas)
        self._frames = FrameReceiver(numerology, combiner, reports)
        self._reports = reports
        self._assembler = Assembler(numerology, pause_samples=pause_samples)
        self._lookahead = lookahead_samples(numerology)
        self._deliver = deliver
        self._tell = tell
        self._flushed: Callable[[], None] = lambda: None
        self.samples_in = 0
        self.samples_heard = 0
        self.feedback_sent = 0
        for port in ("receptions", "frames", "symbols", "feedback"):
            self.publishes(port)
        self.handle("flush", self._on_flush)

    @property
    def counters(self) -> ReceiverCounters:
        """What happened so far, frame by frame."""
        return self._frames.counters

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(len(samples) for samples in inputs)
        heard = [samples[:count] for samples in inputs]
        self.samples_heard += count
        self._take(self._frames.frames(heard[0][None] if len(heard) == 1 else np.stack(heard)))
        for port in range(len(inputs)):
            self.consume(port, count)
        self._put(self._assembler.expire(self.samples_in + count - self._lookahead))
        self.samples_in += count
        return 0

    def close(self) -> None:
        self._take(self._frames.flush())
        self._put(self._assembler.flush())
        self.publish("receptions", end_of_stream())
        self.publish("symbols", end_of_stream())
        self.publish("feedback", end_of_stream())

    def flush_picture(self, done: Callable[[], None]) -> None:
        """Deliver the picture being received with what has arrived of it, then call ``done``.

        Any thread may call this; it happens in the block's own.
        """
        self._flushed = done
        self._post(pmt.intern("flush"), pmt.PMT_NIL)

    def _on_flush(self, message: Pmt) -> None:
        self._put(self._assembler.flush())
        self._flushed()

    def _take(self, frames: Iterable[ReceivedFrame]) -> None:
        for frame in frames:
            if self.is_connected("frames"):
                self.publish("frames", frame_report(frame))
            if self.is_connected("symbols"):
                self.publish("symbols", frame_to_pdu(frame))
            if self._reports is not None:
                self._feed_back(self._reports.report(frame))
            self._put(self._assembler.add(frame))

    def _put(self, receptions: list[Reception]) -> None:
        for reception in receptions:
            self._feed_back(snr_feedback(reception))
            if self._deliver is not None:
                self._deliver(reception)
            else:
                self.publish("receptions", reception_to_pdu(reception))

    def _feed_back(self, report: Feedback | None) -> None:
        if report is None:
            return
        self.feedback_sent += 1
        if self._tell is not None:
            self._tell(report)
        else:
            self.publish("feedback", feedback_to_pmt(report))
