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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from semcom_phy.exchange import ComplexArray
from semcom_phy.tap_process import Multipath
from semcom_virtual.air_port import AirPort
from semcom_virtual.clock import Clock, ElasticClock
from semcom_virtual.link import Carriers, Link
from semcom_virtual.radio_model import Imperfections, RadioModel

STEP_S = 0.004
"""By which the air goes on at least, so that its cost a step does not matter."""


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
        link = Link(
            config.channel,
            config.delay_s,
            sink.model.rx_channels,
            source.model.tx_channels,
            (config.seed, *ends),
        )
        link.warm_up(_carriers(source, sink).step)
        return link

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
                    port.close_feeds()

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
