# SPDX-License-Identifier: GPL-3.0-or-later
"""A radio of the air: what its programs set, read and write, and what the air takes and gives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_virtual.front_end import ReceiveFrontEnd, TransmitFrontEnd, automatic_gain_db
from semcom_virtual.link import LAG
from semcom_virtual.radio_model import Imperfections, RadioModel
from semcom_virtual.rx_feed import RxFeed
from semcom_virtual.tx_feed import TxFeed

if TYPE_CHECKING:
    from semcom_virtual.air import Air

_BUFFERED_S = 0.1
"""Samples that wait for a program, where it does not say how many."""


@dataclass
class PortSettings:
    """What a program sets of a radio; takes effect at once.

    Attributes:
        tx_freq_hz, rx_freq_hz: of the carriers.
        tx_gain_db, rx_gain_db: of each channel.
        rx_automatic: of each channel, whether the radio sets its gain itself.
        tx_enabled: whether the transmitter is on.
    """

    tx_freq_hz: float = 2.45e9
    rx_freq_hz: float = 2.45e9
    tx_gain_db: list[float] = field(default_factory=list)
    rx_gain_db: list[float] = field(default_factory=list)
    rx_automatic: list[bool] = field(default_factory=list)
    tx_enabled: bool = True


class AirPort:
    """A radio of the air; made by :meth:`semcom_virtual.air.Air.attach`. Any thread may use it.

    Attributes:
        model: of the radio.
        imperfections: of the specimen.
        settings: may be changed at any time.
        received: the samples ``[channels, n]`` that came last, for a power meter; None at first.
    """

    def __init__(
        self, air: Air, number: int, model: RadioModel, imperfections: Imperfections
    ) -> None:
        self._air = air
        self.model, self.imperfections = model, imperfections
        self.settings = PortSettings(
            tx_gain_db=[model.tx_gain_db.low] * model.tx_channels,
            rx_gain_db=[model.rx_gain_db.low] * model.rx_channels,
            rx_automatic=[False] * model.rx_channels,
        )
        self.received: ComplexArray | None = None
        self._rate_hz = 1e6
        self._transmitter = TransmitFrontEnd(model, imperfections)
        self._receiver = ReceiveFrontEnd(model, imperfections, air.config.seed + number)
        self._rx_feeds: list[RxFeed] = []
        self._tx_feeds: list[TxFeed] = []
        self._sent = self._heard = 0  # samples that the air has taken and given
        self._arrivals: list[tuple[int, ComplexArray]] = []

    @property
    def rate_hz(self) -> float:
        """Samples a second, of transmitter and receiver; a change renumbers the samples."""
        return self._rate_hz

    @rate_hz.setter
    def rate_hz(self, rate_hz: float) -> None:
        with self._air.between_steps():
            self._rate_hz = rate_hz
            self._sent = self.now()
            self._heard = max(self._sent - LAG, 0)
            self._arrivals.clear()
            for feed in self._rx_feeds:
                feed.restart(self._heard)

    @property
    def clock_hz(self) -> float:
        """Samples a second that it really has."""
        return self._rate_hz * (1 + self.imperfections.ppm * 1e-6)

    def now(self) -> int:
        """Number of the sample that the transmitter sends next."""
        return math.floor(self._air.time_s * self.clock_hz)

    def open_rx(
        self,
        channels: Sequence[int],
        first: int | None = None,
        capacity: int | None = None,
        block: int = 1,
    ) -> RxFeed:
        """Receive.

        Args:
            channels: of the receiver.
            first: number of the first sample that is wanted; None for the next there is.
            capacity: samples that wait for the program at most; default: 0.1 s.
            block: samples that are kept or lost together.

        Raises:
            ValueError: a channel that there is not.
        """
        _require_channels(channels, self.model.rx_channels)
        capacity = max(capacity or round(_BUFFERED_S * self._rate_hz), block)
        with self._air.between_steps():  # the step under way does not know of its capacity
            begin = self._heard if first is None else first
            feed = RxFeed(self._air.lock, self._air.wake, channels, begin, capacity, block)
            self._rx_feeds.append(feed)
        return feed

    def open_tx(self, channels: Sequence[int], capacity: int | None = None) -> TxFeed:
        """Transmit.

        Args:
            channels: of the transmitter.
            capacity: samples that wait to be sent at most; default: 0.1 s.

        Raises:
            ValueError: a channel that there is not.
        """
        _require_channels(channels, self.model.tx_channels)
        capacity = capacity or round(_BUFFERED_S * self._rate_hz)
        with self._air.lock:
            feed = TxFeed(
                self._air.lock,
                self._air.wake,
                channels,
                capacity,
                self._transmitter.convert,
                self._air.clock.waits,
            )
            self._tx_feeds.append(feed)
        return feed

    # What follows is for the air; the lock is held unless it says otherwise.

    def close_feeds(self) -> None:
        """The air has ended."""
        for feed in (*self._rx_feeds, *self._tx_feeds):
            feed.close()

    def limit_s(self) -> float:
        """The time to which the air can go on without a loss that waiting would prevent."""
        limit = math.inf
        for tx in self._tx_feeds:
            covered = tx.covered(self._sent)
            if covered < math.inf and tx.patient:
                limit = min(limit, covered)
        for rx in self._rx_feeds:
            if rx.patient:
                limit = min(limit, self._heard + LAG + rx.free)
        return limit / self.clock_hz

    def shortest_step_s(self) -> float:
        """That its programs' buffers have room for."""
        feeds: list[TxFeed | RxFeed] = [*self._tx_feeds, *self._rx_feeds]
        return min((feed.capacity for feed in feeds), default=math.inf) / 2 / self.clock_hz

    def take(self) -> tuple[ComplexArray | None, int]:
        """What goes out at the antennas until now, None for silence; number of the first."""
        first, self._sent = self._sent, self.now()
        count = self._sent - first
        out = None
        self._tx_feeds = [feed for feed in self._tx_feeds if not feed.closed]
        for feed in self._tx_feeds:
            taken = feed.take(first, count)
            if taken is not None:
                if out is None:
                    out = np.zeros((self.model.tx_channels, count), np.complex64)
                out[feed.channels] += taken
        if out is None or not self.settings.tx_enabled or not out.any():
            return None, first
        return self._transmitter.radiate(out, self.settings.tx_gain_db), first

    @property
    def listens(self) -> bool:
        """Whether a program receives."""
        return bool(self._rx_feeds)

    def arrive(self, pieces: list[tuple[int, ComplexArray]], gain: float) -> None:
        """Something comes in; without the lock, by the air's thread alone."""
        self._arrivals += [(first, samples * np.float32(gain)) for first, samples in pieces]

    def hear(self) -> tuple[int, ComplexArray] | None:
        """The next samples, None where nobody listens; without the lock, by the air's thread."""
        first, rate = self._heard, self._rate_hz
        stop = max(self.now() - LAG, first)
        self._heard = stop
        signal = self._field(first, stop)
        if not self.listens or stop == first:
            return None
        samples = self._receiver.receive(signal, stop - first, self.settings.rx_gain_db, rate)
        self.received = samples
        for channel, automatic in enumerate(self.settings.rx_automatic):
            if automatic:
                gain = self.settings.rx_gain_db[channel]
                gain = automatic_gain_db(samples[channel], gain, self.model.rx_gain_db)
                self.settings.rx_gain_db[channel] = gain
        return first, samples

    def _field(self, first: int, stop: int) -> ComplexArray | None:
        """What came in from ``first`` to ``stop``; what comes later stays."""
        signal = None
        late = []
        for begin, samples in self._arrivals:
            low, high = max(begin, first), min(begin + samples.shape[1], stop)
            if low < high:
                if signal is None:
                    signal = np.zeros((self.model.rx_channels, stop - first), np.complex64)
                signal[:, low - first : high - first] += samples[:, low - begin : high - begin]
            if begin + samples.shape[1] > stop:
                late.append((begin, samples))
        self._arrivals = late
        return signal

    def give(self, heard: tuple[int, ComplexArray] | None) -> None:
        """Hand samples to the programs."""
        if heard is not None:
            for feed in self._rx_feeds:
                feed.push(*heard)
        self._rx_feeds = [feed for feed in self._rx_feeds if not feed.closed]


def _require_channels(channels: Sequence[int], there_are: int) -> None:
    if not channels or any(not 0 <= channel < there_are for channel in channels):
        raise ValueError(f"channels {list(channels)} of a radio that has {there_are}")
