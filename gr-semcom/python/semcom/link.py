# SPDX-License-Identifier: GPL-3.0-or-later
"""A running flowgraph as a :class:`semcom_phy.link.Link`."""

from __future__ import annotations

import queue
import threading
import time
import weakref
from collections import deque
from contextlib import AbstractContextManager
from pathlib import Path

from gnuradio import gr
from gnuradio.semcom.feedback_path import FeedbackPath
from gnuradio.semcom.framer import Framer
from gnuradio.semcom.guard import check, join
from gnuradio.semcom.radios.base import Radio
from gnuradio.semcom.receiver import Receiver
from gnuradio.semcom.recording import Recording
from gnuradio.semcom.spectrum_tap import SpectrumTap

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
_END_S = 10.0


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
        self._received: queue.SimpleQueue[Reception] = queue.SimpleQueue()
        # Only what is known at once can be known of the frame before.
        stop_and_wait = precoder is not None and known is not None and known.delay == 0
        self._framer = Framer(
            numerology, precoder, clipping_db, known=known, stop_and_wait=stop_and_wait
        )
        self._receiver = Receiver(
            numerology,
            combiner,
            deliver=self._received.put,
            reports=reports,
            pause_samples=self._framer.pause_samples,
        )
        self._recording = Recording(record_to, numerology, radio) if record_to else None
        self._taps = _taps(numerology) if spectra else None
        # Last: it has a thread, which nobody would end if another of them failed.
        self._feedback = None if known is None else FeedbackPath(self._receiver, known)
        self._flowgraph = self._connect(numerology)
        self._waiting: deque[tuple[int, float]] = deque()
        self._arrived: deque[Reception] = deque()
        self._frames_received = 0
        self._seconds = 0.0
        self._closed = False
        # Threads that still run Python blocks when the interpreter goes would abort the process.
        self._stop = weakref.finalize(self, _stop, self._flowgraph, self._feedback)
        self._flowgraph.start()

    def _connect(self, numerology: Numerology) -> gr.top_block:
        flowgraph = gr.top_block("semcom link")
        framer, receiver, radio = self._framer, self._receiver, self.radio
        for antenna in range(numerology.tx_antennas):
            flowgraph.connect((framer, antenna), (radio.sink, antenna))
            if self._recording is not None:
                flowgraph.connect((framer, antenna), self._recording.sent[antenna])
            if self._taps is not None:
                flowgraph.connect((framer, antenna), (self._taps[0], antenna))
        for antenna in range(numerology.rx_antennas):
            flowgraph.connect((radio.source, antenna), (receiver, antenna))
            if self._recording is not None:
                flowgraph.connect((radio.source, antenna), self._recording.received[antenna])
            if self._taps is not None:
                flowgraph.connect((radio.source, antenna), (self._taps[1], antenna))
        if self._feedback is not None:
            self._feedback.connect(flowgraph)
        join(self._blocks())
        return flowgraph

    def _blocks(self) -> tuple[gr.basic_block, ...]:
        feedback = () if self._feedback is None else (self._feedback.sink,)
        return self._framer, *self.radio.blocks, self._receiver, *(self._taps or ()), *feedback

    @property
    def stats(self) -> LinkStats:
        """What was carried so far, see :class:`semcom_phy.link.LinkStats`."""
        return LinkStats(
            frames_sent=self._framer.frames_sent,
            frames_received=self._frames_received,
            samples=self._framer.burst_samples,
            seconds=self._seconds,
            stream_time_s=self._framer.stream_time_s,
        )

    @property
    def counters(self) -> ReceiverCounters:
        """What the receiver met so far, frame by frame."""
        return self._receiver.counters

    def spectra(self) -> Spectra:
        """Spectra of the latest samples, see :meth:`semcom_phy.link.SpectralLink.spectra`."""
        sent, received = (tap.take() for tap in self._taps) if self._taps else (None, None)
        return Spectra(sent, received)

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise of a simulated radio between pictures.

        See :meth:`semcom_phy.link.SimulatedLink.set_snr_db`; a radio with a channel of its own
        raises ``RadioConfigError``.
        """
        self._require_running()
        if self._waiting:
            raise RuntimeError("a picture is on its way: receive it before changing the SNR")
        self.radio.set_snr_db(snr_db)

    def send(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send a picture, see :meth:`semcom_phy.link.Link.send`."""
        self._require_running()
        self._framer.submit(picture, transmission, state)
        self._waiting.append((picture % 0x10000, time.monotonic()))

    def receive(self, timeout_s: float = 60.0) -> Reception | None:
        """The oldest picture sent, or None, see :meth:`semcom_phy.link.Link.receive`."""
        self._require_running()
        if not self._waiting:
            raise RuntimeError("no picture is on its way: send one first")
        self._await(timeout_s)
        self._settle()
        picture, sent_at = self._waiting.popleft()
        self._seconds += time.monotonic() - sent_at
        # Pictures come in the order of sending: a later one says that this one is lost.
        if not self._arrived or self._arrived[0].header.picture != picture:
            return None
        self._frames_received += int(self._arrived[0].fragments.sum())
        return self._arrived.popleft()

    def _await(self, timeout_s: float) -> None:
        """Wait until a picture that was sent has arrived, or none can any more."""
        deadline, progress = time.monotonic() + timeout_s, -1
        while not self._sent_arrived():
            # What is asked first cannot be outdated by what is asked next.
            drained = self._drained()
            try:
                self._arrived.append(self._received.get(timeout=0 if drained else _POLL_S))
                continue
            except queue.Empty:
                pass
            check(self._blocks())
            if self._framer.waits and self._all_heard():
                self._settle()
                self._framer.proceed()
            if drained:
                self._flush()
                self._sent_arrived()
                return
            if progress != self._receiver.samples_in:
                progress, deadline = self._receiver.samples_in, time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"radio '{self.radio.name}' made no progress for {timeout_s:g} s "
                    f"while picture {self._waiting[0][0]} was on its way"
                )

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

    def _flush(self) -> None:
        """The rest of a picture that the end of the stream cut off."""
        done = threading.Event()
        self._receiver.flush_picture(done.set)
        while not done.wait(_POLL_S):
            check(self._blocks())
        while not self._received.empty():
            self._arrived.append(self._received.get())

    def _require_running(self) -> None:
        if self._closed:
            raise RuntimeError("the link is closed")
        check(self._blocks())

    def close(self) -> None:
        """Stop the flowgraph and finish the recordings; safe to call twice."""
        self._close(drain=self.radio.ends_with_input)

    def _close(self, drain: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if drain:
            # Ending the input lets every block, recordings too, take what is still on its way.
            self._framer.end()
            waiter = threading.Thread(target=_wait, args=[self._flowgraph], daemon=True)
            waiter.start()
            waiter.join(_END_S)
        self._stop()
        if self._recording is not None:
            self._recording.finish()

    def __exit__(self, *raised: object) -> None:
        # After an interruption nobody waits for what is still on its way.
        self._close(drain=self.radio.ends_with_input and raised[0] is None)


def _taps(numerology: Numerology) -> tuple[SpectrumTap, SpectrumTap]:
    """At transmitter and receiver."""
    return (
        SpectrumTap(numerology.tx_antennas, numerology.sample_rate),
        SpectrumTap(numerology.rx_antennas, numerology.sample_rate),
    )


def _stop(flowgraph: gr.top_block, feedback: FeedbackPath | None) -> None:
    flowgraph.stop()
    _wait(flowgraph)
    if feedback is not None:
        feedback.close()


def _wait(flowgraph: gr.top_block) -> None:
    # GNU Radio's own wait() starts a thread, which Python forbids at its end, and takes Ctrl-C
    # for itself.
    gr.top_block_wait_unlocked(flowgraph._impl)
