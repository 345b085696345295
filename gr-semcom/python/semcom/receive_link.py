# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving half of a link alone, in a program of its own."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from gnuradio.semcom.link_halves import ReceiveHalf
from gnuradio.semcom.radio_flowgraph import RadioFlowgraph
from gnuradio.semcom.radios.base import Radio

from semcom_phy.csi_feedback import CsiReports, Feedback
from semcom_phy.exchange import Combiner, Reception
from semcom_phy.link import Spectra
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import ReceiverCounters

_POLL_S = 0.01


class ReceiveLink(AbstractContextManager["ReceiveLink"]):
    """``radio -> receiver``, whoever transmits.

    Args:
        radio: whose source gives the samples.
        numerology: of the waveform, the radio's own.
        combiner: inverts the transmitter's precoder; None for none.
        reports: on the channel, which the combiner looks up; None for none.
        tell: called with each report for the transmitter, in another thread; None where nothing
            is fed back.
        spectra: estimate the spectra of the samples received.

    Raises:
        RadioConfigError: options out of range.
        RadioOpenError: the radio is not there.
    """

    def __init__(
        self,
        radio: Radio,
        numerology: Numerology,
        combiner: Combiner | None = None,
        reports: CsiReports | None = None,
        tell: Callable[[Feedback], None] | None = None,
        spectra: bool = False,
    ) -> None:
        self.radio = radio
        self._half = ReceiveHalf(numerology, combiner, reports, spectra=spectra, tell=tell)
        self._running = RadioFlowgraph("semcom receiver", radio)
        try:
            self._half.connect(self._running.flowgraph, radio)
        except BaseException:
            self._running.close()
            raise
        self._running.start(self._half.blocks)

    @property
    def counters(self) -> ReceiverCounters:
        """What the receiver met so far, frame by frame."""
        return self._half.receiver.counters

    def receive(self, timeout_s: float) -> Reception | None:
        """The next picture that arrives, or None after ``timeout_s``.

        Raises:
            RuntimeError: the link is closed.
            Exception: what ended the flowgraph.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            self._running.check()
            wait_s = min(_POLL_S, max(0.0, deadline - time.monotonic()))
            try:
                return self._half.arrived.get(timeout=wait_s)
            except queue.Empty:
                if time.monotonic() >= deadline:
                    return None

    def heard_all(self, sent: int) -> bool:
        """Whether nothing can arrive any more of what a transmitter has sent, all of it.

        Args:
            sent: samples per antenna that it has put into its radio so far.
        """
        return self.radio.drained(sent, self._half.receiver.samples_in)

    def flush(self) -> list[Reception]:
        """What has arrived and nobody has taken, the rest of a picture that was cut off too."""
        return self._half.flush(self._running.check)

    def spectra(self) -> Spectra:
        """Spectra of the samples received since this was last asked."""
        return Spectra(None, self._half.spectrum())

    def close(self) -> None:
        """Stop; safe to call twice."""
        self._running.close()

    def __exit__(self, *_: object) -> None:
        self.close()
