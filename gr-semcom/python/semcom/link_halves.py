# SPDX-License-Identifier: GPL-3.0-or-later
"""The two halves of a link: what stands before a radio's sink, and what behind its source."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from gnuradio import gr
from gnuradio.semcom.framer import Framer
from gnuradio.semcom.front_end_correction import FrontEndCorrection
from gnuradio.semcom.radios.base import Radio
from gnuradio.semcom.receiver import Receiver
from gnuradio.semcom.spectrum_tap import SpectrumTap

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports, Feedback
from semcom_phy.exchange import Combiner, FloatArray, Precoder, Reception
from semcom_phy.numerology import Numerology
from semcom_phy.warm_up import warm_up

_POLL_S = 0.01


class TransmitHalf:
    """``framer -> radio``.

    Args:
        numerology: of the waveform.
        precoder, clipping_db, known, stop_and_wait: of the framer, see
            :class:`gnuradio.semcom.framer.Framer`.
        spectra: estimate the spectra of the samples sent.

    Attributes:
        framer: takes the pictures.
    """

    def __init__(
        self,
        numerology: Numerology,
        precoder: Precoder | None = None,
        clipping_db: float | None = None,
        known: ChannelKnowledge | None = None,
        stop_and_wait: bool = False,
        spectra: bool = False,
    ) -> None:
        self.framer = Framer(
            numerology, precoder, clipping_db, known=known, stop_and_wait=stop_and_wait
        )
        antennas = numerology.tx_antennas
        self._antennas = antennas
        self._tap = SpectrumTap(antennas, numerology.sample_rate) if spectra else None

    def connect(
        self, flowgraph: gr.top_block, radio: Radio, recorders: Sequence[gr.basic_block] = ()
    ) -> None:
        """Connect to a radio's sink.

        Args:
            flowgraph: in which.
            radio: that sends.
            recorders: a block an antenna that takes the samples too; empty for none.
        """
        sink = radio.sink
        for antenna in range(self._antennas):
            flowgraph.connect((self.framer, antenna), (sink, antenna))
            if recorders:
                flowgraph.connect((self.framer, antenna), recorders[antenna])
            if self._tap is not None:
                flowgraph.connect((self.framer, antenna), (self._tap, antenna))

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        """Whose errors are the half's."""
        return (self.framer,) if self._tap is None else (self.framer, self._tap)

    def spectrum(self) -> FloatArray | None:
        """Of the samples sent since this was last asked, see :class:`semcom_phy.link.Spectra`."""
        return None if self._tap is None else self._tap.take()


class ReceiveHalf:
    """``radio -> receiver``; pictures that arrive wait in a queue.

    Args:
        numerology: of the waveform.
        combiner, reports, pause_samples, tell: of the receiver, see
            :class:`gnuradio.semcom.receiver.Receiver`.
        spectra: estimate the spectra of the samples received.

    Attributes:
        receiver: gives the pictures.
        arrived: those that nobody has taken yet.
    """

    def __init__(
        self,
        numerology: Numerology,
        combiner: Combiner | None = None,
        reports: CsiReports | None = None,
        pause_samples: int = 0,
        spectra: bool = False,
        tell: Callable[[Feedback], None] | None = None,
    ) -> None:
        self.arrived: queue.SimpleQueue[Reception] = queue.SimpleQueue()
        self.receiver = Receiver(
            numerology,
            combiner,
            deliver=self.arrived.put,
            reports=reports,
            pause_samples=pause_samples,
            tell=tell,
        )
        antennas = numerology.rx_antennas
        self._antennas = antennas
        self._tap = SpectrumTap(antennas, numerology.sample_rate) if spectra else None
        self._correction: FrontEndCorrection | None = None

    def connect(
        self, flowgraph: gr.top_block, radio: Radio, recorders: Sequence[gr.basic_block] = ()
    ) -> None:
        """Connect to a radio's source, by way of what calibration corrects.

        Args:
            flowgraph: in which.
            radio: that receives.
            recorders: a block an antenna that takes the samples too; empty for none.
        """
        if not radio.ends_with_input:
            # A device does not wait while compiled functions are loaded.
            warm_up(replace(radio.numerology, rx_antennas=radio.numerology.tx_antennas))
        source = self._corrected(flowgraph, radio)
        for antenna in range(self._antennas):
            flowgraph.connect((source, antenna), (self.receiver, antenna))
            if recorders:
                flowgraph.connect((source, antenna), recorders[antenna])
            if self._tap is not None:
                flowgraph.connect((source, antenna), (self._tap, antenna))

    def _corrected(self, flowgraph: gr.top_block, radio: Radio) -> gr.basic_block:
        if not (radio.corrections.dc or radio.corrections.image):
            return radio.source
        self._correction = FrontEndCorrection(radio.corrections, self._antennas)
        for antenna in range(self._antennas):
            flowgraph.connect((radio.source, antenna), (self._correction, antenna))
        return self._correction

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        """Whose errors are the half's."""
        blocks = (self.receiver, self._tap, self._correction)
        return tuple(block for block in blocks if block is not None)

    def flush(self, check: Callable[[], None]) -> list[Reception]:
        """What has arrived, the rest of a picture that was cut off too.

        Args:
            check: called while waiting; raises where it is in vain.
        """
        done = threading.Event()
        self.receiver.flush_picture(done.set)
        while not done.wait(_POLL_S):
            check()
        found = []
        while not self.arrived.empty():
            found.append(self.arrived.get())
        return found

    def spectrum(self) -> FloatArray | None:
        """Of the samples received since this was last asked."""
        return None if self._tap is None else self._tap.take()
