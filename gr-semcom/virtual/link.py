# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from the transmitters of one radio to the receivers of another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.tap_process import Multipath, TapProcess

LAG = 64
"""Samples by which what is received follows what is sent: those that the filters of
:class:`semcom_phy.channel.SampleChannel` look ahead, and a few."""

_LEAD = 56
"""Samples before a burst's first at which its channel starts, for the filters' onset."""


@dataclass(frozen=True)
class Carriers:
    """Of both ends of a link, with the errors of their oscillators.

    Attributes:
        offset_hz: of the transmitter's carrier above the receiver's.
        rate_hz: samples a second that the receiver really takes.
        step: sampling interval of the receiver in the transmitter's.
    """

    offset_hz: float
    rate_hz: float
    step: float


class Link:
    """Carries bursts; silence costs nothing.

    A burst meets a :class:`semcom_phy.channel.SampleChannel` whose fading goes on where the
    link's is at its first sample (to half an interval of its grid), and whose carrier's phase
    goes on from burst to burst.

    Args:
        channel: fading; None for a path of its own from each antenna to its like.
        delay_s: from antenna to antenna.
        rx_channels, tx_channels: of the two radios.
        seed: of the fading.
    """

    def __init__(
        self,
        channel: Multipath | None,
        delay_s: float,
        rx_channels: int,
        tx_channels: int,
        seed: tuple[int, ...],
    ) -> None:
        generator = np.random.default_rng(seed)
        self._fading: TapProcess | None = None
        if channel is not None:
            self._fading = channel.realise(rx_channels, tx_channels, generator)
        self._delay_s, self._rx, self._tx = delay_s, rx_channels, tx_channels
        self._burst: SampleChannel | None = None
        self._carriers = Carriers(0.0, 1.0, 1.0)
        self._next = 0  # the receiver's sample that the burst's channel gives next

    def carry(
        self, samples: ComplexArray | None, first: int, carriers: Carriers
    ) -> list[tuple[int, ComplexArray]]:
        """The next of what is sent; it goes on from the last, or follows silence.

        Args:
            samples: ``[tx, n]``, None for silence.
            first: number of the first on the transmitter's clock.
            carriers: of both ends.

        Returns:
            Pieces to be added up at the receiver, each with the number, on the receiver's clock,
            of its first sample.
        """
        pieces = []
        changed = (carriers.rate_hz, carriers.step) != (self._carriers.rate_hz, self._carriers.step)
        if self._burst is not None and (samples is None or changed):
            pieces.append((self._next, self._burst.flush()))
            self._burst = None
        if samples is None:
            return pieces
        if self._burst is None:
            self._burst = self._begin(first, carriers)
        elif carriers.offset_hz != self._carriers.offset_hz:
            self._burst.set_cfo_hz(carriers.offset_hz)
        self._carriers = carriers
        heard = self._burst.process(samples)
        pieces.append((self._next, heard))
        self._next += heard.shape[1]
        return pieces

    def warm_up(self, step: float) -> None:
        """Have compiled now what bursts will need, which takes seconds the first time.

        Args:
            step: as in :class:`Carriers`.
        """
        straight = self._fading is None and self._rx == self._tx
        if straight and step == 1.0 and not self._delay_s:
            return
        channel = self._begin(0, Carriers(0.0, 1e6, step + 1e-9))  # not a whole sample's delay
        channel.process(np.zeros((self._tx, 1), np.complex64))

    def _begin(self, first: int, carriers: Carriers) -> SampleChannel:
        """The channel of a burst that begins at sample ``first`` of the transmitter."""
        rate, step = carriers.rate_hz, carriers.step
        arrival = first + self._delay_s * rate
        self._next = math.floor(arrival / step) - _LEAD
        delay = arrival - self._next * step
        if step == 1.0 and abs(delay - round(delay)) < 1e-6:
            delay = round(delay)  # the same clock: no filter needed
        fading = self._fading
        config = ChannelConfig(
            cfo_hz=carriers.offset_hz,
            phase=2 * math.pi * math.fmod(carriers.offset_hz / rate * self._next, 1.0),
            delay=delay,
            sco_ppm=(step - 1) * 1e6,
            multipath=None if fading is None else _GoneOn(fading, first / (rate * step)),
        )
        return SampleChannel(config, self._numerology(rate))

    def _numerology(self, rate_hz: float) -> Numerology:
        return Numerology(
            sample_rate=rate_hz, tx_antennas=self._tx, rx_antennas=self._rx, max_cfo_hz=0.0
        )


class _GoneOn:
    """A realisation of a channel, some time after it was drawn."""

    def __init__(self, process: TapProcess, after_s: float) -> None:
        self.delays_s, self.interval_s = process.delays_s, process.interval_s
        self._process = process
        self._points = round(after_s / process.interval_s)

    def realise(
        self, rx_antennas: int, tx_antennas: int, generator: np.random.Generator
    ) -> TapProcess:
        """See :class:`semcom_phy.tap_process.Multipath`."""
        return self

    def gains(self, first: int, count: int) -> ComplexArray:
        """See :class:`semcom_phy.tap_process.TapProcess`."""
        return self._process.gains(first + self._points, count)
