# SPDX-License-Identifier: GPL-3.0-or-later
import json
import math
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from gnuradio import gr
from gnuradio.semcom.curve_keys import load_keys, make_keys
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.feedback_message import LARGEST_BYTES, NumberedFeedback, from_parts, to_parts
from gnuradio.semcom.feedback_order import SILENCE_S, FeedbackOrder
from gnuradio.semcom.feedback_pace import MOST, STRETCH_S, FeedbackPace
from gnuradio.semcom.feedback_sink import FeedbackSink
from gnuradio.semcom.feedback_socket import FeedbackListener, FeedbackSender
from gnuradio.semcom.feedback_source import FeedbackSource
from gnuradio.semcom.guard import GuardedBlock, check
from gnuradio.semcom.pdu import feedback_from_pmt, feedback_to_pmt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from semcom_phy.channel_knowledge import ChannelKnowledge, FeedbackCounters
from semcom_phy.csi_feedback import Feedback

SESSION = 77
CSI = np.full((3, 2, 1), 2 - 1j, np.complex64)

channels = hnp.arrays(
    np.complex64,
    st.tuples(st.integers(1, 5), st.integers(1, 2), st.integers(1, 2)),
    elements=st.complex_numbers(width=64),
)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def parts(number: int = 1, session: int | None = SESSION, **changes: Any) -> list[bytes]:
    """A message of an SNR with some fields changed; None takes one away."""
    head = {"format": 1, "session": session, "number": number, "stream_time_s": 0.5, "snr_db": 3.0}
    head |= changes
    return [json.dumps({k: v for k, v in head.items() if v is not None}).encode(), b""]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 2**63 - 1),
    st.integers(1, 2**63 - 1),
    st.none() | st.floats(-1e3, 1e3),
    st.none() | channels,
    st.integers(0, 255),
    st.floats(0, 1e9),
)
def test_reports_survive_the_wire(
    number: int,
    session: int,
    snr_db: float | None,
    csi: np.ndarray | None,
    csi_id: int,
    time_s: float,
) -> None:
    sent = Feedback(snr_db, csi, csi_id, time_s, session)
    received = from_parts(to_parts(NumberedFeedback(number, sent)))
    assert received.number == number
    report = received.report
    assert (report.snr_db, report.csi_id, report.stream_time_s) == (snr_db, csi_id, time_s)
    assert report.session == session
    assert (report.csi is None) == (csi is None)
    if report.csi is not None and csi is not None:
        np.testing.assert_array_equal(report.csi, csi)


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ([], "0 parts"),
        ([b""], "1 parts"),
        ([b"", b"", b""], "3 parts"),
        ([b"", b""], "no feedback"),
        ([b"\xff\x00", b""], "no feedback"),
        ([b"[1]", b""], "no feedback"),
        ([b"{" * 900, b""], "no feedback"),
        ([b" " * 2000, b""], "too large"),
        ([parts()[0], b"x" * (LARGEST_BYTES + 1)], "too large"),
        (parts(format=2), "format"),
        (parts(number=0), "number"),
        (parts(number=2**63), "number"),
        (parts(session=None), "session"),
        (parts(stream_time_s=-1.0), "stream_time_s"),
        (parts(stream_time_s=None), "stream_time_s"),
        (parts(snr_db=math.nan), "snr_db"),
        (parts(snr_db="3"), "snr_db"),
        (parts(csi_id=256), "csi_id"),
        (parts(csi_id=True), "csi_id"),
        (parts(loud=1), "loud"),
        (parts(csi_shape=[3, 2]), "csi_shape"),
        (parts(csi_shape=[3, 2, 1]), "0 bytes for a channel"),
        (parts(csi_shape=[2**40, 2**40, 2**40]), "0 bytes for a channel"),
        ([parts()[0], b"\0" * 8], "8 bytes for a channel"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_report_is_told(message: list[bytes], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        from_parts(message)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=80), max_size=3))
def test_any_bytes_are_a_report_or_told(message: list[bytes]) -> None:
    counters = FeedbackCounters()
    report = FeedbackOrder(counters).take(message)
    assert counters == FeedbackCounters(unreadable=report is None)


def test_what_cannot_be_sent_is_told() -> None:
    for report in (Feedback(3.0), Feedback(math.nan, stream_time_s=1.0, session=1)):
        with pytest.raises(ValueError, match="feedback cannot be sent"):
            to_parts(NumberedFeedback(1, report))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(order: FeedbackOrder, *numbers: int, session: int = SESSION) -> list[bool]:
    return [order.take(parts(number, session)) is not None for number in numbers]


def test_only_news_is_taken() -> None:
    counters = FeedbackCounters()
    order = FeedbackOrder(counters, Clock())
    assert taken(order, 5, 6, 6, 4, 9, 7, 10) == [True, True, False, False, True, False, True]
    assert counters == FeedbackCounters(late=3, lost=2)


def test_one_receiver_is_listened_to_at_a_time() -> None:
    counters, clock = FeedbackCounters(), Clock()
    order = FeedbackOrder(counters, clock)
    assert taken(order, 1, 2) == [True, True]
    assert taken(order, 50, session=2) == [False]
    clock.now += SILENCE_S + 0.1
    assert taken(order, 51, session=2) == [True]
    assert taken(order, 3) == [False]
    clock.now += SILENCE_S + 0.1
    # What was recorded of the first one does not come back to life; what is new of it does.
    assert taken(order, 1, 2, 3) == [False, False, True]
    assert counters == FeedbackCounters(late=2, foreign=2)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:5557", "tcp://localhost:1", "tcp://[::1]:5", "ipc:///tmp/x"],
)
def test_endpoints_on_this_machine(endpoint: str) -> None:
    require_endpoint(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "problem"),
    [
        ("tcp://192.168.1.2:5557", "other machines"),
        ("tcp://0.0.0.0:5557", "other machines"),
        ("tcp://*:5557", "other machines"),
        ("tcp://example.org:1", "other machines"),
        ("udp://127.0.0.1:1", "no ZMQ endpoint"),
        ("inproc://feedback", "no ZMQ endpoint"),
        ("127.0.0.1:5557", "no ZMQ endpoint"),
        ("", "no ZMQ endpoint"),
    ],
)
def test_endpoints_beyond_it_are_refused(endpoint: str, problem: str) -> None:
    for kind in (FeedbackSink, FeedbackSource, FeedbackSender):
        with pytest.raises(ValueError, match=problem):
            kind(endpoint)


@pytest.fixture
def known() -> ChannelKnowledge:
    return ChannelKnowledge(7.0)


@pytest.fixture
def listener(known: ChannelKnowledge) -> Iterator[FeedbackListener]:
    # Its clock stands still: however slow the machine, what comes is a flood.
    listener = FeedbackListener("tcp://127.0.0.1:*", known.learn, known.counters, Clock())
    yield listener
    listener.close()
    listener.close()


@pytest.fixture
def peer(listener: FeedbackListener) -> Iterator[zmq.Socket[bytes]]:
    """Somebody who may send anything."""
    context = zmq.Context()
    pusher = context.socket(zmq.PUSH)
    pusher.connect(listener.endpoint)
    yield pusher
    context.destroy(linger=0)


def test_reports_arrive(listener: FeedbackListener, known: ChannelKnowledge) -> None:
    sender = FeedbackSender(listener.endpoint)
    for frame in range(20):
        sender.send(Feedback(csi=CSI, csi_id=frame + 1, stream_time_s=float(frame)))
        sender.send(Feedback(snr_db=frame / 2, stream_time_s=float(frame)))
    until(lambda: listener.heard == 40)
    sender.close()
    state = known.state()
    assert (state.snr_db, state.csi_id) == (9.5, 20)
    assert state.csi is not None
    np.testing.assert_array_equal(state.csi, CSI)
    assert known.counters == FeedbackCounters(used=40)
    assert (sender.sent, sender.dropped) == (40, 0)


def test_nobody_there_costs_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        sender = FeedbackSender(f"tcp://127.0.0.1:{free.getsockname()[1]}")
    for frame in range(300):
        sender.send(Feedback(snr_db=1.0, stream_time_s=float(frame)))
    assert sender.dropped > 200
    sender.close()


def test_a_hostile_peer_changes_nothing(
    listener: FeedbackListener, known: ChannelKnowledge, peer: zmq.Socket[bytes]
) -> None:
    sender = FeedbackSender(listener.endpoint)
    sender.send(Feedback(snr_db=12.0, stream_time_s=1.0))
    until(lambda: listener.heard == 1)
    bad = [
        [b"garbage"],
        [b"\0" * 100_000, b""],
        parts(snr_db=200.0),
        parts(snr_db=math.nan),
        parts(),
        [b"{}", b"x"] * 3,
    ]
    for message in bad:
        peer.send_multipart(message)
    until(lambda: listener.heard == 1 + len(bad))
    assert known.state().snr_db == 12.0
    assert known.counters == FeedbackCounters(used=1, unreadable=4, foreign=2)
    sender.send(Feedback(snr_db=200.0, stream_time_s=2.0))
    sender.send(Feedback(snr_db=11.0, stream_time_s=3.0))
    until(lambda: listener.heard == 3 + len(bad))
    assert (known.state().snr_db, known.counters.implausible) == (11.0, 1)
    sender.close()


def test_a_huge_message_is_not_even_received(
    listener: FeedbackListener, known: ChannelKnowledge, peer: zmq.Socket[bytes]
) -> None:
    peer.send_multipart([b" " * (LARGEST_BYTES + 1), b""])
    sender = FeedbackSender(listener.endpoint)
    sender.send(Feedback(snr_db=12.0, stream_time_s=1.0))
    until(lambda: known.counters.used == 1)
    assert listener.heard == 1
    sender.close()


def test_a_flood_is_slowed_down_and_the_receiver_still_heard(
    listener: FeedbackListener, known: ChannelKnowledge, peer: zmq.Socket[bytes]
) -> None:
    heard_before: list[int] = []
    listener._deliver = lambda report: heard_before.append(listener.heard)
    sender = FeedbackSender(listener.endpoint)
    sender.send(Feedback(snr_db=12.0, stream_time_s=1.0))
    until(lambda: listener.heard == 1)
    for _ in range(2000):
        peer.send_multipart([b"x", b"y"])
    sender.send(Feedback(snr_db=5.0, stream_time_s=2.0))
    until(lambda: listener.heard == 2002)
    sender.close()
    # Served in turn: not behind all of the flood.
    assert heard_before[1] < 2000
    assert known.counters.throttled == 2002 // MOST


def test_more_than_a_receiver_s_reports_are_paused() -> None:
    clock = Clock()
    pace = FeedbackPace(clock)
    clock.now += 0.01
    assert [pace.take() for _ in range(MOST - 1)] == [0.0] * (MOST - 1)
    clock.now += 0.02
    assert pace.take() == pytest.approx(STRETCH_S - 0.02)
    # In time, for as long as one likes.
    clock.now += STRETCH_S
    for _ in range(3 * MOST):
        assert pace.take() == 0
        clock.now += 1.01 * STRETCH_S / MOST


def test_an_endpoint_in_use_is_told(listener: FeedbackListener) -> None:
    with pytest.raises(OSError, match=f"cannot listen for feedback at {listener.endpoint}"):
        FeedbackListener(listener.endpoint, lambda report: None)


class Collect(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("collect")
        self.reports: list[Feedback] = []
        self.handle("in", lambda message: self.reports.append(feedback_from_pmt(message)))


class Ears(GuardedBlock):
    """In place of a receiver."""

    def __init__(self) -> None:
        super().__init__("ears")
        self.publishes("feedback")


def test_blocks_carry_feedback_between_flowgraphs() -> None:
    source, collect = FeedbackSource("tcp://127.0.0.1:*"), Collect()
    transmitter = gr.top_block()
    transmitter.msg_connect(source, "feedback", collect, "in")
    transmitter.start()
    sink = FeedbackSink(source.endpoint)
    receiver = gr.top_block()
    ears = Ears()
    receiver.msg_connect(ears, "feedback", sink, "feedback")
    receiver.start()
    for frame in range(3):
        report = Feedback(4.0, CSI, frame + 1, stream_time_s=float(frame))
        ears.publish("feedback", feedback_to_pmt(report))
    until(lambda: len(collect.reports) == 3)
    for flowgraph in (receiver, transmitter):
        flowgraph.stop()
        flowgraph.wait()
    check([source, sink, collect])
    assert [report.csi_id for report in collect.reports] == [1, 2, 3]
    assert (sink.sent, sink.dropped, source.heard) == (3, 0, 3)


def test_with_keys_only_the_receiver_that_has_them_is_heard(
    known: ChannelKnowledge, tmp_path: Path
) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    keys = load_keys(tmp_path / "tx")
    listener = FeedbackListener("tcp://127.0.0.1:*", known.learn, known.counters, keys=keys)
    make_keys((tmp_path / "a", tmp_path / "b"))
    own = load_keys(tmp_path / "rx")
    knowing = replace(load_keys(tmp_path / "b"), peer=own.peer)
    strangers = [FeedbackSender(listener.endpoint, each) for each in (None, knowing)]
    receiver = FeedbackSender(listener.endpoint, own)
    for sender in (*strangers, receiver):
        sender.send(Feedback(snr_db=9.0 if sender is receiver else 1.0, stream_time_s=1.0))
    until(lambda: listener.heard == 1)
    assert known.state().snr_db == 9.0
    for sender in (*strangers, receiver):
        sender.close()
    listener.close()
    with pytest.raises(ValueError, match="no such file"):
        FeedbackSink("tcp://192.168.1.2:5557", str(tmp_path))
    assert FeedbackSink("tcp://192.168.1.2:5557", str(tmp_path / "rx")).sent == 0
