# SPDX-License-Identifier: GPL-3.0-or-later
"""The air: one clock and one medium for all virtual radios of a process.

What a radio sends is heard by every radio of the same sample rate whose receiver is tuned to
within half a sample rate of it, its own receiver included. All times are those of the air's
clock: sample ``k`` of a radio is at ``k / rate`` seconds, on every radio, but for the errors of
their oscillators.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_phy.tap_process import Multipath
from semcom_virtual.clock import Clock, ElasticClock
from semcom_virtual.feeds import RxFeed, TxFeed
from semcom_virtual.front_end import ReceiveFrontEnd, TransmitFrontEnd, automatic_gain_db
from semcom_virtual.link import LAG, Carriers, Link
from semcom_virtual.radio_model import Imperfections, RadioModel

STEP_S = 0.004
"""By which the air goes on at least, so that its cost a step does not matter."""

_BUFFERED_S = 0.1
"""Samples that wait for a program, where it does not say how many."""


@dataclass(frozen=True)
class AirConfig:
    """The medium.

    Attributes:
        path_loss_db: from each antenna to each.
        channel: fading on top of it; None for a path of its own from each antenna to its like.
        delay_s: from radio to radio.
        hears_itself: a radio's receiver hears its own transmitter, as with a cable from one to
            the other.
        seed: of fading and noise.

    Raises:
        ValueError: a value out of range.
    """

    path_loss_db: float = 60.0
    channel: Multipath | None = None
    delay_s: float = 0.0
    hears_itself: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not -20 <= self.path_loss_db <= 300:
            raise ValueError(f"path loss is {self.path_loss_db:g} dB, choose -20 to 300")
        if not 0 <= self.delay_s <= 0.01:
            raise ValueError(f"delay is {self.delay_s:g} s, choose 0 to 0.01")


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
    """A radio of the air; made by :meth:`Air.attach`. Any thread may use it.

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


class Air:
    """The medium, and the thread that moves it on.

    Args:
        config: of the medium.
        clock: default: an elastic one.

    Attributes:
        time_s: how far the air is.
        lock: of all that programs and the air's thread share.
        failure: what ended the air's thread, None for nothing.
    """

    def __init__(self, config: AirConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.clock: Clock = clock or ElasticClock()
        self.lock = threading.RLock()
        self.time_s = 0.0
        self.failure: BaseException | None = None
        self._moved = threading.Condition(self.lock)
        self._ports: list[AirPort] = []
        self._links: dict[tuple[int, int], Link] = {}
        self._running, self._stepping = True, False
        self._thread = threading.Thread(target=self._run, name="air", daemon=True)
        self._thread.start()

    def attach(self, model: RadioModel, imperfections: Imperfections | None = None) -> AirPort:
        """Add a radio."""
        with self.between_steps():
            new = len(self._ports)
            port = AirPort(self, new, model, imperfections or Imperfections())
            ports = [*self._ports, port]
            for old in range(len(ports)):
                for ends in {(old, new), (new, old)}:
                    self._links[ends] = self._link(ports[ends[0]], ports[ends[1]], ends)
            self._ports = ports
        port.rate_hz = port.rate_hz  # its samples are numbered from now on
        return port

    def _link(self, source: AirPort, sink: AirPort, ends: tuple[int, int]) -> Link:
        config = self.config
        return Link(
            config.channel,
            config.delay_s,
            sink.model.rx_channels,
            source.model.tx_channels,
            (config.seed, *ends),
        )

    def close(self) -> None:
        """End; feeds that are open are closed."""
        with self.lock:
            self._running = False
            self._moved.notify_all()
        self._thread.join()

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Holds the lock while the air's thread is computing nothing."""
        with self._moved:
            self._moved.wait_for(lambda: not self._stepping)
            yield

    def wake(self) -> None:
        """A program has read, written or waits; with the lock held."""
        self._moved.notify_all()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except BaseException as error:
            self.failure = error
            raise
        finally:
            with self.lock:
                self._stepping = False
                for port in self._ports:
                    for feed in (*port._rx_feeds, *port._tx_feeds):
                        feed.close()

    def _step(self) -> bool:
        """Go on by a step, or wait; whether there is more to come."""
        with self.lock:
            if not self._running:
                return False
            limit = math.inf
            if self.clock.waits:
                limit = min((port.limit_s() for port in self._ports), default=math.inf)
            target = self.clock.target(self.time_s, limit)
            shortest = min([STEP_S, *(port.shortest_step_s() for port in self._ports)])
            if target - self.time_s < shortest:
                self._moved.wait(max(shortest - (target - self.time_s), 0.0005))
                return True
            self.time_s = target
            self.clock.advanced(target)
            self._stepping = True
            ports = self._ports
            sent = [port.take() for port in ports]
        self._propagate(ports, sent)
        heard = [port.hear() for port in ports]
        with self.lock:
            for port, samples in zip(ports, heard, strict=True):
                port.give(samples)
            self._stepping = False
            self._moved.notify_all()
        return True

    def _propagate(self, ports: list[AirPort], sent: list[tuple[ComplexArray | None, int]]) -> None:
        """From every transmitter to every receiver that can hear it."""
        gain = 10 ** (-self.config.path_loss_db / 20)
        for (tx, rx), link in list(self._links.items()):
            source, sink = ports[tx], ports[rx]
            carriers = _carriers(source, sink)
            samples, first = sent[tx]
            audible = (
                sink.listens
                and source.rate_hz == sink.rate_hz
                and abs(carriers.offset_hz) <= carriers.rate_hz / 2
                and (tx != rx or self.config.hears_itself)
            )
            sink.arrive(link.carry(samples if audible else None, first, carriers), gain)


def _carriers(source: AirPort, sink: AirPort) -> Carriers:
    tx_ppm, rx_ppm = source.imperfections.ppm, sink.imperfections.ppm
    tx_hz = source.settings.tx_freq_hz * (1 + tx_ppm * 1e-6)
    rx_hz = sink.settings.rx_freq_hz * (1 + rx_ppm * 1e-6)
    step = (1 + tx_ppm * 1e-6) / (1 + rx_ppm * 1e-6)
    return Carriers(tx_hz - rx_hz, sink.clock_hz, step)


def _require_channels(channels: Sequence[int], there_are: int) -> None:
    if not channels or any(not 0 <= channel < there_are for channel in channels):
        raise ValueError(f"channels {list(channels)} of a radio that has {there_are}")
