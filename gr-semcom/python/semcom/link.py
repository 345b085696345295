# SPDX-License-Identifier: GPL-3.0-or-later
"""A running flowgraph as a :class:`semcom_phy.link.Link`."""

from __future__ import annotations

import queue
import time
from collections import deque
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from gnuradio.semcom.feedback_path import FeedbackPath
from gnuradio.semcom.link_halves import ReceiveHalf, TransmitHalf
from gnuradio.semcom.radio_flowgraph import RadioFlowgraph
from gnuradio.semcom.radios.base import Radio
from gnuradio.semcom.recording import Recording

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.exchange import (
    ChannelState,
    Combiner,
    Precoder,
    Reception,
    Transmission,
)
from semcom_phy.link import LinkStats, Spectra
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import ReceiverCounters

_POLL_S = 0.01


class FlowgraphLink(AbstractContextManager["FlowgraphLink"]):
    """``framer -> radio -> receiver`` in GNU Radio, a picture at a time.

    A link that was not closed stops its flowgraph when Python ends, at the latest.

    Args:
        radio: what carries the samples.
        numerology: of the waveform, the radio's own.
        precoder: at the transmitter; None for none.
        combiner: at the receiver; None for none.
        reports: the receiver's on the channel, which the combiner looks up; None for none.
        known: what the transmitter knows of the channel, which it learns of the receiver; None
            where nothing is fed back.
        record_to: folder in which the samples sent and received are recorded as SigMF, one
            recording an antenna; None for none.
        clipping_db: limit of the transmitter's magnitude above its RMS; None for no limit.
        spectra: estimate the spectra of the samples sent and received.

    Raises:
        OSError: the recordings cannot be written, or there is no socket for feedback.
    """

    def __init__(
        self,
        radio: Radio,
        numerology: Numerology,
        precoder: Precoder | None = None,
        combiner: Combiner | None = None,
        reports: CsiReports | None = None,
        known: ChannelKnowledge | None = None,
        record_to: Path | None = None,
        clipping_db: float | None = None,
        spectra: bool = False,
    ) -> None:
        self.radio = radio
        # Only what is known at once can be known of the frame before.
        stop_and_wait = precoder is not None and known is not None and known.delay == 0
        self._transmit = TransmitHalf(
            numerology, precoder, clipping_db, known, stop_and_wait, spectra
        )
        self._framer = self._transmit.framer
        self._receive = ReceiveHalf(
            numerology, combiner, reports, self._framer.pause_samples, spectra
        )
        self._receiver = self._receive.receiver
        self._waiting: deque[tuple[int, float]] = deque()
        self._arrived: deque[Reception] = deque()
        self._frames_received = 0
        self._seconds = 0.0
        self._running = RadioFlowgraph("semcom link", radio)
        try:
            self._recording = Recording(record_to, numerology, radio) if record_to else None
            sent, received = (
                (self._recording.sent, self._recording.received) if self._recording else ((), ())
            )
            self._transmit.connect(self._running.flowgraph, radio, sent)
            self._receive.connect(self._running.flowgraph, radio, received)
            # Last: it has a thread, which nobody would end if another of them failed.
            self._feedback = None if known is None else FeedbackPath(self._receiver, known)
        except BaseException:
            self._running.close()
            raise
        self._start()

    def _start(self) -> None:
        blocks, at_end = (*self._transmit.blocks, *self._receive.blocks), None
        if self._feedback is not None:
            self._feedback.connect(self._running.flowgraph)
            blocks, at_end = (*blocks, self._feedback.sink), self._feedback.close
        self._running.start(blocks, at_end)

    @property
    def stats(self) -> LinkStats:
        """What was carried so far, see :class:`semcom_phy.link.LinkStats`."""
        return LinkStats(
            frames_sent=self._framer.frames_sent,
            frames_received=self._frames_received,
            samples=self._framer.burst_samples,
            seconds=self._seconds,
            stream_time_s=self._framer.stream_time_s,
            radio_s=self._radio_s(),
            radio_events=asdict(self.radio.events),
        )

    def _radio_s(self) -> float:
        if self.radio.ends_with_input:
            return self._framer.stream_time_s
        return self._receiver.samples_heard / self.radio.numerology.sample_rate

    @property
    def counters(self) -> ReceiverCounters:
        """What the receiver met so far, frame by frame."""
        return self._receiver.counters

    def spectra(self) -> Spectra:
        """Spectra of the latest samples, see :meth:`semcom_phy.link.HasSpectra.spectra`."""
        return Spectra(self._transmit.spectrum(), self._receive.spectrum())

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise of a simulated radio between pictures.

        See :meth:`semcom_phy.link.SimulatedLink.set_snr_db`; a radio with a channel of its own
        raises ``RadioConfigError``.
        """
        self._running.check()
        if self._waiting:
            raise RuntimeError("a picture is on its way: receive it before changing the SNR")
        self.radio.set_snr_db(snr_db)

    def send(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send a picture, see :meth:`semcom_phy.link.Link.send`."""
        self._running.check()
        span = self._framer.submit(picture, transmission, state)
        if self._recording is not None:
            self._recording.picture_sent(picture, transmission, state, span)
        self._waiting.append((picture % 0x10000, time.monotonic()))

    def receive(self, timeout_s: float = 60.0) -> Reception | None:
        """The oldest picture sent, or None, see :meth:`semcom_phy.link.Link.receive`."""
        self._running.check()
        if not self._waiting:
            raise RuntimeError("no picture is on its way: send one first")
        self._await(timeout_s)
        self._settle()
        picture, sent_at = self._waiting.popleft()
        self._let_go()
        self._seconds += time.monotonic() - sent_at
        # Pictures come in the order of sending: a later one says that this one is lost.
        lost = not self._arrived or self._arrived[0].header.picture != picture
        reception = None if lost else self._arrived.popleft()
        if reception is not None:
            self._frames_received += int(reception.fragments.sum())
        if self._recording is not None:
            self._recording.picture_received(reception, self._receiver.samples_heard)
        return reception

    def _await(self, timeout_s: float) -> None:
        """Wait until a picture that was sent has arrived, or none can any more."""
        deadline, progress = time.monotonic() + timeout_s, -1
        while not self._sent_arrived():
            # What is asked first cannot be outdated by what is asked next.
            drained = self._drained()
            try:
                self._arrived.append(self._receive.arrived.get(timeout=0 if drained else _POLL_S))
                continue
            except queue.Empty:
                pass
            self._running.check()
            if self._framer.waits and self._all_heard():
                self._settle()
                self._framer.proceed()
            if drained:
                self._arrived.extend(self._receive.flush(self._running.check))
                self._sent_arrived()
                return
            if progress != self._receiver.samples_in:
                progress, deadline = self._receiver.samples_in, time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"radio '{self.radio.name}' made no progress for {timeout_s:g} s "
                    f"while picture {self._waiting[0][0]} was on its way"
                )

    def _let_go(self) -> None:
        """Wait until all of a picture is out: a recording gives it before it is sent."""
        while self._framer.pictures_waiting > len(self._waiting):
            self._running.check()
            time.sleep(_POLL_S / 10)

    def _sent_arrived(self) -> bool:
        """Whether a picture that was sent has arrived; other senders' pictures are dropped."""
        sent = {picture for picture, _ in self._waiting}
        while self._arrived and self._arrived[0].header.picture not in sent:
            self._arrived.popleft()
        return bool(self._arrived)

    def _drained(self) -> bool:
        return self._framer.pictures_waiting == 0 and self._all_heard()

    def _all_heard(self) -> bool:
        return self.radio.drained(self._framer.samples_out, self._receiver.samples_in)

    def _settle(self) -> None:
        """Wait for feedback on what was received."""
        if self._feedback is not None:
            self._feedback.settle()

    def close(self) -> None:
        """Stop the flowgraph and finish the recordings; safe to call twice."""
        self._close(drain=self.radio.ends_with_input)

    def _close(self, drain: bool) -> None:
        if self._running.closed:
            return
        if self._recording is not None:
            self._recording.settle()
        if drain:
            # Ending the input lets every block, recordings too, take what is still on its way.
            self._framer.end()
            self._running.drain()
        self._running.close()
        if self._recording is not None:
            self._recording.finish()

    def __exit__(self, *raised: object) -> None:
        # After an interruption nobody waits for what is still on its way.
        self._close(drain=self.radio.ends_with_input and raised[0] is None)
