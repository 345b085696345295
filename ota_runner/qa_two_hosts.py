# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts of a run, each against a stand-in for the other and for its radio."""

from __future__ import annotations

import json
import queue
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ota_runner.control_messages import (
    End,
    Hello,
    Message,
    PictureNext,
    ReceivedBits,
    Refused,
    Report,
    SentSoFar,
    Stop,
    Trouble,
    Welcome,
    Well,
)
from ota_runner.control_peer import PeerBack, PeerGone
from ota_runner.control_socket import Received
from ota_runner.errors import LinkFailed, RadioUnavailable, UsageError
from ota_runner.receiving_host import ReceivingHost, Terms
from ota_runner.reception_report import arrival_of, report_of
from ota_runner.record import Label
from ota_runner.transmitting_host import HostDelivery, ReceivingPeer
from semcom_models.codecs import registry
from semcom_models.codecs.base import Request
from semcom_models.data import round_to_8_bit, save_picture
from semcom_phy.exchange import ChannelState, DigitalSection, Reception, Transmission
from semcom_phy.ideal import IdealLink
from semcom_phy.link import LinkStats
from semcom_phy.numerology import NARROW
from semcom_phy.receiver import ReceiverCounters

STATE = ChannelState(snr_db=20.0)
NUMBERS = json.loads(json.dumps(asdict(NARROW)))
PICTURE = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(1))


class Control:
    """A connection whose other end is the test."""

    endpoint = "tcp://127.0.0.1:5570"
    obstacle: str | None = None
    refusal: str | None = None
    session = 17

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.sent: list[Any] = []
        self.peer_alive = True
        self.on_send: Callable[[Message], None] = lambda message: None

    def receive(self, timeout_s: float) -> Any:
        try:
            return self.events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def send(self, message: Message, *blobs: bytes) -> None:
        self.sent.append((message, *blobs))
        self.on_send(message)

    def hears(self, *messages: Any) -> None:
        for message in messages:
            is_event = isinstance(message, PeerBack | PeerGone)
            self.events.put(message if is_event else Received(message))

    def told(self, kind: type[Message]) -> list[Any]:
        return [sent[0] for sent in self.sent if isinstance(sent[0], kind)]


def transmission(scheme: str) -> Transmission:
    codec = registry.load(scheme)
    scheme_options = registry.scheme_info(scheme).options
    request = Request(options=None if scheme_options is None else scheme_options())
    [made] = codec.encode([PICTURE], STATE, request)
    return made


def crossed(sent: Transmission, number: int) -> Reception:
    link = IdealLink(30.0, NARROW)
    link.send(number, sent, STATE)
    reception = link.receive()
    assert reception is not None
    return reception


def hello(scheme: str, run: str = "a run", pictures: int = 20) -> Hello:
    label = registry.load(scheme).label
    return Hello(
        run=run,
        version="1",
        scheme=scheme,
        preset="plain",
        label=Label(**asdict(label)),
        numerology=NUMBERS,
        settings={"precoder": "none"},
        pictures=pictures,
    )


class Antenna:
    """A receiving link that hears what the test puts in."""

    def __init__(self, hears: Iterator[Reception | Exception | None]) -> None:
        self._hears = hears
        self.counters = ReceiverCounters()
        self.radio = SimpleNamespace(events=SimpleNamespace())
        self.radio.events = _Events()
        self.closed = False

    def receive(self, timeout_s: float) -> Reception | None:
        heard = next(self._hears, None)
        if isinstance(heard, Exception):
            raise heard
        return heard

    def heard_all(self, sent: int) -> bool:
        return True

    def flush(self) -> list[Reception]:
        return []

    def close(self) -> None:
        self.closed = True


def _Events() -> Any:
    from gnuradio.semcom.radios import RadioEvents

    return RadioEvents(overflow=3)


def terms(output: Path) -> Terms:
    config = {"radio": "zmq"}
    settings: dict[str, Any] = {"precoder": "none"}
    return Terms(NUMBERS, settings, config, None, output, 1e6, "ota_runner rx")


def serve(
    control: Control, output: Path, *heard: Reception | Exception | None, opened: Any = None
) -> ReceivingHost:
    antennas = iter(heard)

    def open_link(tell: Any) -> tuple[Any, dict[str, Any]]:
        if opened is not None:
            opened()
        return Antenna(antennas), {"device": "a test"}

    host = ReceivingHost(open_link, control, terms(output))  # type: ignore[arg-type]
    host.serve()
    return host


def test_a_receiver_reports_what_came_and_what_did_not(blocks: str, tmp_path: Path) -> None:
    control, sent = Control(), transmission(blocks)
    control.hears(
        PeerBack(True),
        hello(blocks),
        PictureNext(run="a run", picture=0, name="../a/b"),
        SentSoFar(run="a run", picture=0, samples=1000),
    )

    def go_on(message: Message) -> None:
        if isinstance(message, Report) and message.picture == 0:
            control.hears(
                PictureNext(run="a run", picture=1, name="lost"),
                SentSoFar(run="a run", picture=1, samples=2000),
            )
        elif isinstance(message, Report):
            control.hears(End(run="a run", summary={}))

    control.on_send = go_on
    host = serve(control, tmp_path / "run", crossed(sent, 0))
    [welcome] = control.told(Welcome)
    assert welcome.radio == {"radio": "zmq", "device": "a test"}
    arrived, lost = control.told(Report)
    assert (arrived.status, lost.status) == ("completed", "lost")
    assert arrived.snr_estimated_db == pytest.approx(30, abs=2)
    assert arrived.events["overflow"] == 3
    [[_, png]] = [each for each in control.sent if each[0] is arrived]
    arrival = arrival_of(arrived, png, sent, None)
    assert arrival.decode is not None
    codec = registry.load(blocks)
    [direct] = codec.decode([crossed(sent, 0)])
    assert torch.equal(round_to_8_bit(arrival.decode()), round_to_8_bit(direct))
    assert arrival.fragments.all()
    assert arrival_of(lost, None, sent, None).decode is None
    folder = tmp_path / "run"
    assert [path.name for path in (folder / "received").iterdir()] == ["00000-a-b.png"]
    records = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert [record["status"] for record in records] == ["completed", "lost"]
    assert host.summary == {}


def test_a_picture_may_arrive_before_it_is_announced(blocks: str, tmp_path: Path) -> None:
    control, sent = Control(), transmission(blocks)
    control.hears(PeerBack(True), hello(blocks))
    arriving = iter([None, crossed(sent, 9)])

    class Early(Antenna):
        def receive(self, timeout_s: float) -> Reception | None:
            heard = next(arriving, None)
            if heard is not None:
                control.hears(
                    PictureNext(run="a run", picture=9, name="early"),
                    SentSoFar(run="a run", picture=9, samples=9),
                )
            return heard

    def go_on(message: Message) -> None:
        if isinstance(message, Report):
            control.hears(End(run="a run", summary={}))

    control.on_send = go_on
    host = ReceivingHost(lambda tell: (Early(iter(())), {}), control, terms(tmp_path / "run"))  # type: ignore[arg-type,return-value]
    host.serve()
    [report] = control.told(Report)
    assert report.status == "completed"


def test_the_rest_of_a_broken_attempt_is_not_the_picture(blocks: str, tmp_path: Path) -> None:
    control, sent = Control(), transmission(blocks)
    whole = crossed(sent, 0)
    torn = replace(whole, fragments=np.array([False, True]))
    whole = replace(whole, fragments=np.array([True, True]))
    control.hears(
        PeerBack(True), hello(blocks), PictureNext(run="a run", picture=0, attempt=2, name="a")
    )

    def go_on(message: Message) -> None:
        if isinstance(message, Report):
            control.hears(End(run="a run", summary={}))

    control.on_send = go_on
    serve(control, tmp_path / "run", torn, None, whole)
    [report] = control.told(Report)
    assert (report.fragments, report.fragments_lost, report.attempt) == (2, (), 2)


def test_a_receiver_whose_radio_vanishes_says_so_and_comes_back(
    blocks: str, tmp_path: Path
) -> None:
    control = Control()
    control.hears(PeerBack(True), hello(blocks), PictureNext(run="a run", picture=0, name="a"))
    opened = []

    def open_once_in_a_while() -> None:
        opened.append(1)
        if len(opened) == 2:
            raise RadioUnavailable("still unplugged")

    def go_on(message: Message) -> None:
        if isinstance(message, Well):
            control.hears(Stop(run="a run", reason="enough"))

    control.on_send = go_on
    host = serve(
        control, tmp_path / "run", OSError("radio 'usrp' is gone"), opened=open_once_in_a_while
    )
    assert len(opened) == 3
    assert [trouble.reason for trouble in control.told(Trouble)] == ["radio 'usrp' is gone"]
    assert control.told(Report) == []
    assert host.stopped_because == "enough"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numerology": {**NUMBERS, "sample_rate": 2e6}}, "sample_rate: 2000000.*--rate"),
        ({"settings": {"precoder": "svd"}}, "precoder: svd"),
        ({"label": Label(codec=250, preset=0, weights=0, rate=0)}, "250"),
    ],
)
def test_a_receiver_refuses_what_it_cannot_decode(
    change: dict[str, Any], message: str, blocks: str, tmp_path: Path
) -> None:
    control = Control()
    welcome = hello(blocks)
    control.hears(PeerBack(True), welcome.model_copy(update=change), Stop(run="a run", reason=""))

    def go_on(message: Message) -> None:
        if isinstance(message, Refused) and len(control.told(Refused)) == 1:
            control.hears(hello(blocks, run="another"), Stop(run="another", reason="enough"))

    control.on_send = go_on
    host = serve(control, tmp_path / "run")
    assert host.stopped_because == "enough"  # and not what the one refused said
    [refused] = control.told(Refused)
    assert re.search(message, refused.reason)
    assert host.run is not None
    assert host.run.hello.run == "another"


class Antennas:
    """A transmitting link that does not."""

    def __init__(self) -> None:
        self.samples_out = 0
        self.stats = LinkStats()
        self.transmitted: list[int] = []
        self.on_air: Callable[[], None] = lambda: None

    def transmit(self, picture: int, *_: Any, **__: Any) -> None:
        self.transmitted.append(picture)
        self.samples_out += 100
        self.stats = replace(self.stats, frames_sent=self.stats.frames_sent + 1)
        self.on_air()

    def close(self) -> None:
        pass


@pytest.fixture
def way(blocks: str) -> Iterator[tuple[Control, Antennas, HostDelivery]]:
    control, link = Control(), Antennas()
    peer = ReceivingPeer(control, hello(blocks))  # type: ignore[arg-type]
    control.hears(PeerBack(True), Welcome(run="a run", version="1"))
    with HostDelivery(link, peer, control, patience_s=0.3) as delivery:  # type: ignore[arg-type]
        peer.meet()
        yield control, link, delivery


def lost(picture: int, attempt: int = 1) -> Report:
    return Report(run="a run", picture=picture, attempt=attempt, status="lost")


def test_a_picture_on_its_way_to_a_receiver_that_went_is_sent_again(
    way: tuple[Control, Antennas, HostDelivery], blocks: str
) -> None:
    control, link, delivery = way

    def die_and_return() -> None:
        if len(link.transmitted) == 1:
            control.hears(PeerGone(closed=False), PeerBack(True), Welcome(run="a run", version="1"))
        else:
            control.hears(lost(4, attempt=2))

    link.on_air = die_and_return
    arrival = delivery.deliver(4, "a", transmission(blocks), STATE)
    assert arrival.fragments.size == 0
    assert link.transmitted == [4, 4]
    assert [sent.samples for sent in control.told(SentSoFar)] == [100, 200]
    assert len(control.told(Hello)) == 2  # it was started anew
    assert arrival.attempts == 2
    assert arrival.since is not None
    assert arrival.since.frames_sent == 1  # what was sent in vain does not count


def test_a_report_that_comes_late_spares_sending_again(
    way: tuple[Control, Antennas, HostDelivery], blocks: str
) -> None:
    control, link, delivery = way
    link.on_air = lambda: control.hears(PeerGone(closed=False), PeerBack(False), lost(5))
    assert delivery.deliver(5, "a", transmission(blocks), STATE).decode is None
    assert link.transmitted == [5]


def test_what_went_wrong_in_the_receivers_radio_is_counted(
    way: tuple[Control, Antennas, HostDelivery], blocks: str
) -> None:
    control, link, delivery = way
    link.stats.radio_events = {"underflow": 2, "overflow": 0}
    sent, counted = transmission(blocks), []
    for picture, overflows in enumerate([3, 5, 1]):  # opened anew before the third
        report = lost(picture).model_copy(update={"events": {"overflow": overflows}})
        link.on_air = partial(control.hears, report)
        delivery.deliver(picture, "a", sent, STATE)
        counted.append(delivery.stats.radio_events)
    assert counted == [{"underflow": 2, "overflow": overflow} for overflow in (3, 5, 6)]


def test_trouble_is_waited_for_but_not_for_ever(
    way: tuple[Control, Antennas, HostDelivery], blocks: str
) -> None:
    control, link, delivery = way
    link.on_air = lambda: control.hears(Trouble(reason="its disk is full"))
    with pytest.raises(LinkFailed, match="its disk is full"):
        delivery.deliver(6, "a", transmission(blocks), STATE)


def test_a_receiver_that_comes_back_and_refuses_breaks_the_run(
    way: tuple[Control, Antennas, HostDelivery], blocks: str
) -> None:
    control, link, delivery = way
    refusal = Refused(run="a run", reason="another --rate")
    link.on_air = lambda: control.hears(PeerGone(closed=False), PeerBack(True), refusal)
    with pytest.raises(LinkFailed, match="another --rate"):
        delivery.deliver(4, "a", transmission(blocks), STATE)


def test_a_receiver_that_never_stays_costs_one_picture(
    way: tuple[Control, Antennas, HostDelivery],
    blocks: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ota_runner.transmitting_host._LATE_REPORT_S", 0.0)
    control, link, delivery = way
    welcome = Welcome(run="a run", version="1")
    link.on_air = lambda: control.hears(PeerGone(closed=False), PeerBack(True), welcome)
    with pytest.raises(ValueError, match="went away 5 times"):
        delivery.deliver(4, "a", transmission(blocks), STATE)
    assert link.transmitted == [4] * 5


def test_a_refusal_is_the_users_business(blocks: str) -> None:
    control = Control()
    peer = ReceivingPeer(control, hello(blocks))  # type: ignore[arg-type]
    control.hears(PeerBack(True), Refused(run="a run", reason="no such weights here"))
    with pytest.raises(UsageError, match="no such weights here"):
        peer.meet()
    peer.close()


def test_a_key_that_is_not_taken_is_told_at_once(blocks: str) -> None:
    control = Control()
    control.obstacle = control.refusal = "the other end does not take our key"
    peer = ReceivingPeer(control, hello(blocks))  # type: ignore[arg-type]
    with pytest.raises(RadioUnavailable, match="does not take our key"):
        peer.meet()
    peer.close()


def test_bits_that_are_wrong_although_every_crc_holds_are_found(quantised: str) -> None:
    sent = transmission(quantised)
    reception = crossed(sent, 0)
    report = report_of(lost(0), reception, None)
    [record] = arrival_of(report, None, sent, None).digital
    assert record.ok
    assert record.wrong is False
    [section] = sent.sections
    assert isinstance(section, DigitalSection)
    inverted = (1 - section.bits).astype(np.uint8)
    other = Transmission((DigitalSection(inverted, section.mcs),), 16, 24, sent.label)
    [record] = arrival_of(report, None, other, None).digital
    assert record.wrong is True
    short = report.model_copy(
        update={"digital": (ReceivedBits(section=0, bits=3, ok=True, valid_bits=3),)}
    )
    [record] = arrival_of(short, None, sent, None).digital
    assert not record.ok


def test_a_report_that_contradicts_itself_is_none(blocks: str, tmp_path: Path) -> None:
    sent = transmission(blocks)
    report = report_of(lost(0), crossed(sent, 0), None)
    with pytest.raises(LinkFailed, match="contradicts itself"):
        arrival_of(report.model_copy(update={"fragments_lost": (99,)}), None, sent, None)
    save_picture(tmp_path / "other.png", torch.zeros(3, 8, 8))
    arrival = arrival_of(report, (tmp_path / "other.png").read_bytes(), sent, None)
    assert arrival.decode is not None
    with pytest.raises(ValueError, match="8x8 in place of 24x16"):
        arrival.decode()
    failed = report.model_copy(update={"status": "failed", "reason": "no such codec"})
    decode = arrival_of(failed, None, sent, None).decode
    assert decode is not None
    with pytest.raises(ValueError, match="no such codec"):
        decode()
    assert np.all(arrival.fragments)
