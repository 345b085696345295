# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitting half of a link alone, in a program of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict

from gnuradio.semcom.link_halves import TransmitHalf
from gnuradio.semcom.radio_flowgraph import RadioFlowgraph
from gnuradio.semcom.radios.base import Radio

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.exchange import ChannelState, Precoder, Transmission
from semcom_phy.link import LinkStats, Spectra
from semcom_phy.numerology import Numerology

_POLL_S = 0.01


class TransmitLink(AbstractContextManager["TransmitLink"]):
    """``framer -> radio``, a picture at a time.

    Args:
        radio: whose sink sends the samples.
        numerology: of the waveform, the radio's own.
        precoder: maps streams to antennas; None for none.
        known: what is known of the channel, which somebody has learn what the receiver reports;
            None where nothing is fed back.
        clipping_db: limit of the magnitude above its RMS; None for no limit.
        spectra: estimate the spectra of the samples sent.

    Raises:
        RadioConfigError: the radio may not transmit.
        RadioOpenError: it is not there.
    """

    def __init__(
        self,
        radio: Radio,
        numerology: Numerology,
        precoder: Precoder | None = None,
        known: ChannelKnowledge | None = None,
        clipping_db: float | None = None,
        spectra: bool = False,
    ) -> None:
        self.radio = radio
        self._half = TransmitHalf(numerology, precoder, clipping_db, known, spectra=spectra)
        self._seconds = 0.0
        self._running = RadioFlowgraph("semcom transmitter", radio)
        try:
            self._half.connect(self._running.flowgraph, radio)
        except BaseException:
            self._running.close()
            raise
        self._running.start(self._half.blocks)

    @property
    def stats(self) -> LinkStats:
        """What was sent so far; what arrived of it, and a device's clock, are not known here."""
        framer = self._half.framer
        return LinkStats(
            frames_sent=framer.frames_sent,
            samples=framer.burst_samples,
            seconds=self._seconds,
            stream_time_s=framer.stream_time_s,
            radio_s=framer.stream_time_s if self.radio.ends_with_input else 0.0,
            radio_events=asdict(self.radio.events),
        )

    @property
    def samples_out(self) -> int:
        """Samples per antenna put into the radio's sink so far, silence included."""
        return self._half.framer.samples_out

    def transmit(
        self,
        picture: int,
        transmission: Transmission,
        state: ChannelState,
        timeout_s: float,
        excused: Callable[[], bool] = lambda: False,
    ) -> None:
        """Send a picture; returns when its last sample has left the antenna.

        Args:
            picture: number of the picture in the run.
            transmission: what the codec made of it.
            state: what the transmitter knows of the channel; a precoder uses its CSI.
            timeout_s: after which a radio that takes no samples is given up.
            excused: while it holds that time does not count.

        Raises:
            ValueError: the transmission does not fit into frames.
            TimeoutError: the radio takes no samples.
            RuntimeError: the link is closed.
            Exception: what ended the flowgraph.
        """
        self._running.check()
        framer, begun = self._half.framer, time.monotonic()
        framer.submit(picture, transmission, state)
        progress, deadline = -1, 0.0
        while framer.pictures_waiting or not self.radio.transmitted(framer.samples_out):
            self._running.check()
            if progress != framer.samples_out or excused():
                progress, deadline = framer.samples_out, time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise TimeoutError(
                    f"radio '{self.radio.name}' took no samples for {timeout_s:g} s while picture "
                    f"{picture} was being sent"
                )
            time.sleep(_POLL_S)
        self._seconds += time.monotonic() - begun

    def spectra(self) -> Spectra:
        """Spectra of the samples sent since this was last asked."""
        return Spectra(self._half.spectrum(), None)

    def close(self) -> None:
        """Stop, transmitter off; safe to call twice."""
        self._running.close()

    def __exit__(self, *_: object) -> None:
        self.close()
