# SPDX-License-Identifier: GPL-3.0-or-later
"""A running flowgraph as a :class:`semcom_phy.link.Link`."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from gnuradio import gr
from gnuradio.semcom.framer import Framer
from gnuradio.semcom.guard import check, join
from gnuradio.semcom.radios.base import Radio
from gnuradio.semcom.receiver import Receiver
from gnuradio.semcom.recording import Recording

from semcom_phy.exchange import (
    ChannelState,
    Combiner,
    ComplexArray,
    Precoder,
    Reception,
    Transmission,
)
from semcom_phy.link import LinkStats
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import ReceiverCounters

_POLL_S = 0.01
_END_S = 10.0


class FlowgraphLink:
    """``framer -> radio -> receiver`` in GNU Radio, a picture at a time.

    Args:
        radio: what carries the samples.
        numerology: of the waveform, the radio's own.
        precoder: at the transmitter; None for none.
        combiner: at the receiver; None for none.
        csi_sent: channels fed back, by ``csi_id``, for the combiner.
        record_to: folder in which the samples sent and received are recorded as SigMF, one
            recording an antenna; None for none.

    Raises:
        OSError: the recordings cannot be written.
    """

    def __init__(
        self,
        radio: Radio,
        numerology: Numerology,
        precoder: Precoder | None = None,
        combiner: Combiner | None = None,
        csi_sent: Mapping[int, ComplexArray] | None = None,
        record_to: Path | None = None,
    ) -> None:
        self.radio = radio
        self._received: queue.SimpleQueue[Reception] = queue.SimpleQueue()
        self._framer = Framer(numerology, precoder)
        self._receiver = Receiver(numerology, combiner, csi_sent, deliver=self._received.put)
        self._recording = Recording(record_to, numerology, radio) if record_to else None
        self._flowgraph = self._connect(numerology)
        self._waiting: deque[tuple[int, float]] = deque()
        self._early: dict[int, Reception] = {}
        self._seconds = 0.0
        self._closed = False
        self._flowgraph.start()

    def _connect(self, numerology: Numerology) -> gr.top_block:
        flowgraph = gr.top_block("semcom link")
        framer, receiver, radio = self._framer, self._receiver, self.radio
        for antenna in range(numerology.tx_antennas):
            flowgraph.connect((framer, antenna), (radio.sink, antenna))
            if self._recording is not None:
                flowgraph.connect((framer, antenna), self._recording.sent[antenna])
        for antenna in range(numerology.rx_antennas):
            flowgraph.connect((radio.source, antenna), (receiver, antenna))
            if self._recording is not None:
                flowgraph.connect((radio.source, antenna), self._recording.received[antenna])
        join(self._blocks())
        return flowgraph

    def _blocks(self) -> tuple[gr.basic_block, ...]:
        return self._framer, self.radio.sink, self.radio.source, self._receiver

    @property
    def stats(self) -> LinkStats:
        """What was carried so far, see :class:`semcom_phy.link.LinkStats`."""
        return LinkStats(
            frames_sent=self._framer.frames_sent,
            frames_received=self._receiver.counters.frames,
            samples=self._framer.burst_samples,
            seconds=self._seconds,
        )

    @property
    def counters(self) -> ReceiverCounters:
        """What the receiver met so far, frame by frame."""
        return self._receiver.counters

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
        picture, sent_at = self._waiting[0]
        reception = self._await(picture, timeout_s)
        self._waiting.popleft()
        self._seconds += time.monotonic() - sent_at
        return reception

    def _await(self, picture: int, timeout_s: float) -> Reception | None:
        deadline, progress = time.monotonic() + timeout_s, -1
        while picture not in self._early:
            # What is asked first cannot be outdated by what is asked next.
            drained = self._drained()
            try:
                reception = self._received.get(timeout=0 if drained else _POLL_S)
                self._early[reception.header.picture] = reception
                continue
            except queue.Empty:
                pass
            check(self._blocks())
            if drained:
                return self._flush(picture)
            if progress != self._receiver.samples_in:
                progress, deadline = self._receiver.samples_in, time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"radio '{self.radio.name}' made no progress for {timeout_s:g} s "
                    f"while picture {picture} was on its way"
                )
        return self._early.pop(picture)

    def _drained(self) -> bool:
        framer = self._framer
        return framer.pictures_waiting == 0 and self.radio.drained(
            framer.samples_out, self._receiver.samples_in
        )

    def _flush(self, picture: int) -> Reception | None:
        """The rest of a picture that the end of the stream cut off."""
        done = threading.Event()
        self._receiver.flush_picture(done.set)
        while not done.wait(_POLL_S):
            check(self._blocks())
        while not self._received.empty():
            reception = self._received.get()
            self._early[reception.header.picture] = reception
        return self._early.pop(picture, None)

    def _require_running(self) -> None:
        if self._closed:
            raise RuntimeError("the link is closed")
        check(self._blocks())

    def close(self) -> None:
        """Stop the flowgraph and finish the recordings; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if self.radio.ends_with_input:
            # Ending the input lets every block, recordings too, take what is still on its way.
            self._framer.end()
            waiter = threading.Thread(target=self._flowgraph.wait, daemon=True)
            waiter.start()
            waiter.join(_END_S)
        self._flowgraph.stop()
        self._flowgraph.wait()
        if self._recording is not None:
            self._recording.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
