# SPDX-License-Identifier: GPL-3.0-or-later
"""A link for a long time: memory, frames lost and why, how much of the time is transmitted.

``python -m benchmarks.soak --radio zmq --minutes 30 --rate 2e6`` sends pictures of Kodak's size
back to back through GNU Radio and a radio that takes samples in real time: ``zmq``, paced, or
``pluto`` and ``usrp``, virtual ones in a process of their own. A line of JSON each minute, a table
at the end; 1 where a frame was lost that no event of the radio explains, or memory grew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from gnuradio.semcom import FlowgraphLink
from gnuradio.semcom.radios import Radio, open_radio
from rich.console import Console
from rich.table import Table

from benchmarks.memory import children_resident_mib, resident_mib
from benchmarks.modem import CHANNEL_USES, kodak_transmission
from semcom_phy.exchange import ChannelState, Reception
from semcom_phy.fragments import air_samples
from semcom_phy.numerology import NARROW, Numerology
from semcom_virtual.processes import VirtualRadios

SNR_DB = 20.0
AHEAD = 2
"""Pictures on their way at a time, so that the transmitter never waits for the receiver."""

POOL = 4
ATTENUATION_DB = 60.0
"""Of the cable between the virtual radios."""

_WIDTH = 120

MOST_GROWTH_MIB = 20.0
"""From the first report to the last: what a picture more or less on its way takes."""


@dataclass
class Report:
    """The link so far.

    Attributes:
        seconds: of wall-clock time.
        stream_s: between the first picture that arrived and the last one, on the sample clock of
            the receiver.
        duty: share of that time in which frames were transmitted, guards counted.
        real_time: that time over the wall-clock time that it took.
        resident_mib: memory of this process.
        children_mib: of those that it started, such as virtual radios.
        pictures: of which it is known what became of them.
        pictures_lost: of which nothing arrived.
        frames: of those pictures.
        frames_lost: of them.
        unexplained: of these, lost while no event of the radio was counted.
        events: of the radio.
    """

    seconds: float = 0.0
    stream_s: float = 0.0
    duty: float = 0.0
    real_time: float = 0.0
    resident_mib: float = 0.0
    children_mib: float = 0.0
    pictures: int = 0
    pictures_lost: int = 0
    frames: int = 0
    frames_lost: int = 0
    unexplained: int = 0
    events: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Arrival:
    pictures: int  # done by then
    stream_s: float
    at: float


class _Soak:
    """Sends pictures back to back and counts what becomes of them."""

    def __init__(self, link: FlowgraphLink, numerology: Numerology) -> None:
        self._link, self._rate = link, numerology.sample_rate
        rng = np.random.default_rng(1)
        self._pool = [kodak_transmission(rng) for _ in range(POOL)]
        self._samples = air_samples(self._pool[0], numerology)
        self._frames = -(-CHANNEL_USES // numerology.fragment_capacity)
        self._sent = 0
        self._events: deque[dict[str, int]] = deque()  # when each picture on its way was sent
        self._first: _Arrival | None = None
        self.report = Report()

    @property
    def on_their_way(self) -> int:
        """Pictures sent of which nothing is known."""
        return len(self._events)

    def send(self) -> None:
        """Send the next picture."""
        self._events.append(asdict(self._link.radio.events))
        self._link.send(self._sent, self._pool[self._sent % POOL], ChannelState())
        self._sent += 1

    def receive(self) -> None:
        """Wait for what becomes of the oldest picture."""
        before = self._link.stats.frames_received
        reception = self._link.receive()
        arrived = self._link.stats.frames_received - before
        frames, report = self._frames, self.report
        report.events = asdict(self._link.radio.events)
        report.pictures += 1
        report.pictures_lost += reception is None
        report.frames += frames
        report.frames_lost += frames - arrived
        report.unexplained += (frames - arrived) * (report.events == self._events.popleft())
        if reception is not None:
            self._arrived(reception)

    def _arrived(self, reception: Reception) -> None:
        now = _Arrival(self.report.pictures, reception.stream_time_s, time.monotonic())
        if self._first is None:
            self._first = now
            return
        first, report = self._first, self.report
        report.stream_s = now.stream_s - first.stream_s
        sent_s = (now.pictures - first.pictures) * self._samples / self._rate
        report.duty = sent_s / report.stream_s
        report.real_time = report.stream_s / (now.at - first.at)


def soak(
    radio: Radio, seconds: float, every_s: float = 60.0, numerology: Numerology = NARROW
) -> Iterator[Report]:
    """Send pictures over a radio for a long time.

    Args:
        radio: is open.
        seconds: of wall-clock time; pictures then on their way are waited for.
        every_s: between reports.
        numerology: the radio's own.

    Yields:
        What was counted, now and then and at the end.
    """
    begun = time.monotonic()
    mark = begun + every_s
    with FlowgraphLink(radio, numerology) as link:
        running = _Soak(link, numerology)
        while (now := time.monotonic()) < begun + seconds or running.on_their_way:
            while now < begun + seconds and running.on_their_way < AHEAD:
                running.send()
            running.receive()
            if time.monotonic() >= mark:
                mark += every_s
                yield _taken(running, begun)
        yield _taken(running, begun)


def _taken(running: _Soak, begun: float) -> Report:
    return replace(
        running.report,
        seconds=time.monotonic() - begun,
        resident_mib=resident_mib(),
        children_mib=children_resident_mib(),
    )


@contextmanager
def _loopback(numerology: Numerology) -> Iterator[Radio]:
    yield open_radio("loopback", numerology, snr_db=SNR_DB)


@contextmanager
def _zmq(numerology: Numerology) -> Iterator[Radio]:
    yield open_radio("zmq", numerology, snr_db=SNR_DB, pace=True)


@contextmanager
def _pluto(numerology: Numerology) -> Iterator[Radio]:
    with VirtualRadios("--pluto", 1, "--path-loss", ATTENUATION_DB) as virtual:
        yield open_radio(
            "pluto", numerology, uri=virtual.pluto_uri, cabled_db=ATTENUATION_DB, freq_hz=2.45e9
        )


@contextmanager
def _usrp(numerology: Numerology) -> Iterator[Radio]:
    with VirtualRadios("--usrp", 1, "--path-loss", ATTENUATION_DB) as virtual:
        os.environ.update(virtual.usrp_environment)  # UHD reads it when it is first used
        yield open_radio(
            "usrp", numerology, args=virtual.usrp_args, cabled_db=ATTENUATION_DB, freq_hz=2.45e9
        )


RADIOS = {"loopback": _loopback, "zmq": _zmq, "pluto": _pluto, "usrp": _usrp}
"""Opened for a soak; ``loopback`` is not held back to real time."""


def _table(radio: str, reports: list[Report]) -> Table:
    table = Table(title=f"{radio}, a picture of 512x768 after the other")
    columns: Mapping[str, Callable[[Report], str]] = {
        "min": lambda r: f"{r.seconds / 60:.1f}",
        "pictures": lambda r: f"{r.pictures}",
        "lost": lambda r: f"{r.pictures_lost}",
        "frames": lambda r: f"{r.frames}",
        "frames lost": lambda r: f"{r.frames_lost}",
        "unexplained": lambda r: f"{r.unexplained}",
        "events": lambda r: " ".join(f"{k} {n}" for k, n in r.events.items() if n) or "none",
        "duty": lambda r: f"{r.duty:.1%}",
        "real time": lambda r: f"{r.real_time:.3f}",
        "MiB": lambda r: f"{r.resident_mib:.0f}",
        "children MiB": lambda r: f"{r.children_mib:.0f}",
    }
    for name in columns:
        table.add_column(name, justify="right")
    for report in reports:
        table.add_row(*(show(report) for show in columns.values()))
    return table


def growth_mib(reports: list[Report]) -> float:
    """By how much memory grew from the first report to the last, of all processes."""
    first, last = (r.resident_mib + r.children_mib for r in (reports[0], reports[-1]))
    return last - first


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for; 1 where a frame was lost without explanation or memory grew."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--radio", choices=RADIOS, default="zmq")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=2e6, help="samples a second")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between reports")
    asked = parser.parse_args(arguments)
    numerology, reports = replace(NARROW, sample_rate=asked.rate), []
    with RADIOS[asked.radio](numerology) as radio:
        for report in soak(radio, 60 * asked.minutes, asked.every, numerology):
            print(json.dumps({"radio": asked.radio, "rate": asked.rate, **asdict(report)}))
            sys.stdout.flush()
            reports.append(report)
    width = None if sys.stderr.isatty() else _WIDTH
    Console(stderr=True, width=width).print(_table(asked.radio, reports))
    return 0 if reports[-1].unexplained == 0 and growth_mib(reports) < MOST_GROWTH_MIB else 1


if __name__ == "__main__":
    sys.exit(main())
