# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples between flowgraphs over ZMQ: none lost, none taken for what they are not."""

import json
import signal as signals
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pmt
import pytest
import zmq
from gnuradio import blocks, gr
from gnuradio.semcom import sample_socket
from gnuradio.semcom.curve_keys import load_keys, make_keys
from gnuradio.semcom.feedback_order import SILENCE_S
from gnuradio.semcom.guard import Arrays, GuardedBlock, check
from gnuradio.semcom.sample_message import (
    LARGEST_BYTES,
    LARGEST_SAMPLES,
    SampleMessage,
    from_parts,
    to_parts,
)
from gnuradio.semcom.sample_order import SampleCounters, SampleOrder
from gnuradio.semcom.sample_pace import SamplePace
from gnuradio.semcom.sample_sink import SampleSink
from gnuradio.semcom.sample_socket import SampleSender
from gnuradio.semcom.sample_source import SampleSource
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from semcom_phy.exchange import ComplexArray

RATE = 1e6
LONG_S = 20.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def message(offset: int, count: int = 4, **changed: Any) -> SampleMessage:
    fields = {"session": 7, "sample_rate": RATE, "samples": signal(1, count, offset)}
    return SampleMessage(offset=offset, **{**fields, **changed})


def signal(antennas: int, count: int, seed: int = 0) -> ComplexArray:
    random = np.random.default_rng(seed)
    return (random.normal(size=(antennas, count, 2)) @ [1, 1j]).astype(np.complex64)


@given(
    hnp.arrays(
        np.complex64,
        st.tuples(st.integers(1, 4), st.integers(0, 40)),
        elements=st.complex_numbers(max_magnitude=1e6, width=64),
    ),
    st.integers(0, 2**61),
    st.booleans(),
)
def test_samples_come_as_they_went(samples: ComplexArray, offset: int, end: bool) -> None:
    pictures = ((0, 9),) if samples.shape[1] else ()
    sent = SampleMessage(5, offset, samples, 2e6, pictures, end)
    came = from_parts(to_parts(sent))
    assert (came.session, came.offset, came.sample_rate) == (5, offset, 2e6)
    assert (came.pictures, came.end) == (pictures, end)
    np.testing.assert_array_equal(came.samples, samples)


@given(st.lists(st.binary(max_size=200), max_size=4))
def test_garbage_is_no_samples(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_parts(parts)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"format": 2}, "format"),
        ({"session": 0}, "session"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**63}, "offset"),
        ({"samples": 5}, "32 bytes for 5 of 1"),
        ({"samples": LARGEST_SAMPLES + 1}, "samples"),
        ({"antennas": 0}, "antennas"),
        ({"antennas": 9}, "antennas"),
        ({"sample_rate": 0.0}, "sample_rate"),
        ({"sample_rate": "1e6"}, "sample_rate"),
        ({"pictures": [[4, 0]]}, "behind the last"),
        ({"pictures": [[0]]}, "pictures"),
        ({"pictures": [[0, 0]] * 1025}, "pictures"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_no_samples_is_told(changed: dict[str, Any], problem: str) -> None:
    head, data = to_parts(message(0))
    text = json.dumps(json.loads(bytes(head)) | changed).encode()
    with pytest.raises(ValueError, match=problem) as caught:
        from_parts([text, data])
    assert "\n" not in str(caught.value)


def test_samples_that_are_no_numbers_or_too_many_are_none() -> None:
    for bad in (np.nan, np.inf, -np.inf):
        samples = signal(1, 4)
        samples[0, 2] = bad
        with pytest.raises(ValueError, match="no finite"):
            from_parts(to_parts(message(0, samples=samples)))
    head, _ = to_parts(message(0))
    with pytest.raises(ValueError, match="too large"):
        from_parts([head, bytes(LARGEST_BYTES + 8)])
    with pytest.raises(ValueError, match="cannot be sent"):
        to_parts(message(0, LARGEST_SAMPLES + 1))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_missing_is_counted_and_one_sender_is_listened_to() -> None:
    counters, clock = SampleCounters(), Clock()
    order = SampleOrder(1, RATE, counters, clock)
    assert order.take(message(100)) == 0  # joined in the middle
    assert order.take(message(104)) == 0
    assert order.take(message(110)) == 2
    assert order.take(message(108)) is None
    assert order.take(message(114, session=8)) is None
    assert order.take(message(114, samples=signal(2, 4))) is None
    assert order.take(message(114, sample_rate=2 * RATE)) is None
    assert order.position == 114
    assert counters == SampleCounters(1, gaps=1, missing=2, late=1, foreign=1, unfit=2)
    clock.now += SILENCE_S
    assert order.take(message(0, session=8)) == 0
    assert order.take(message(4, session=8, end=True)) == 0
    assert order.take(message(0, session=9)) == 0  # at once: the one before has ended
    assert (order.position, counters.sessions) == (4, 3)


def test_samples_are_taken_in_real_time_and_silence_is_not_made_up_for() -> None:
    clock = Clock()
    pace = SamplePace(1000.0, clock)
    assert (pace.at_once, pace.pause_s()) == (50, 0)
    for _ in range(20):
        clock.now += pace.pause_s()
        pace.take(50)
    assert clock.now + pace.pause_s() == pytest.approx(101.0 - 0.05)
    clock.now += 60
    pace.take(50)
    assert pace.pause_s() == 0
    pace.take(50)
    assert pace.pause_s() == pytest.approx(0.05)


class Sending(GuardedBlock):
    """Puts out samples in pieces; pictures begin where it is told."""

    def __init__(self, samples: ComplexArray, pictures: dict[int, int]) -> None:
        super().__init__("sending", outputs=len(samples))
        self._left, self._pictures = samples, pictures

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(777, len(outputs[0]), self._left.shape[1])
        begun = self.nitems_written(0)
        for port, output in enumerate(outputs):
            output[:count] = self._left[port, :count]
            for place, picture in self._pictures.items():
                if begun <= place < begun + count:
                    tag = (pmt.intern("picture"), pmt.from_long(picture))
                    self.add_item_tag(port, place, *tag)
        self._left = self._left[:, count:]
        return count or -1


class Receiving(AbstractContextManager["Receiving"]):
    """A flowgraph that keeps what comes."""

    def __init__(self, endpoint: str = "tcp://127.0.0.1:*", antennas: int = 1) -> None:
        self.source = SampleSource(endpoint, antennas, RATE)
        self.source.listen()
        self.kept = [blocks.vector_sink_c() for _ in range(antennas)]
        self.flowgraph = gr.top_block()
        for port, keep in enumerate(self.kept):
            self.flowgraph.connect((self.source, port), keep)
        self.flowgraph.start()

    @property
    def count(self) -> int:
        return min(keep.nitems_read(0) for keep in self.kept)

    def samples(self) -> ComplexArray:
        return np.array([keep.data() for keep in self.kept], np.complex64)

    def __exit__(self, *_: object) -> None:
        self.flowgraph.stop()
        self.flowgraph.wait()
        check([self.source])


def send(endpoint: str, samples: ComplexArray, pictures: dict[int, int] | None = None) -> None:
    """All of it, from a sender that ends then."""
    flowgraph = gr.top_block()
    sending, sink = Sending(samples, pictures or {}), SampleSink(endpoint, len(samples), RATE)
    for port in range(len(samples)):
        flowgraph.connect((sending, port), (sink, port))
    flowgraph.run()
    check([sending, sink])
    assert sink.samples_in == samples.shape[1]


@pytest.fixture
def receiving() -> Iterator[Receiving]:
    with Receiving() as receiving:
        yield receiving


def test_samples_and_pictures_cross() -> None:
    sent = signal(2, 300_000)
    with Receiving(antennas=2) as receiving:
        send(receiving.source.endpoint, sent, {0: 5, 250_001: 6})
        until(lambda: receiving.count == 300_000)
    assert receiving.source.position == 300_000
    np.testing.assert_array_equal(receiving.samples(), sent)
    for keep in receiving.kept:
        tags = [(tag.offset, pmt.to_long(tag.value)) for tag in keep.tags()]
        assert tags == [(0, 5), (250_001, 6)]
    assert receiving.source.counters == SampleCounters(sessions=1)


def test_pictures_stay_in_place_where_a_message_is_put_out_in_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = SampleSource("tcp://127.0.0.1:*", 1, RATE)
    tags: list[tuple[int, int]] = []
    monkeypatch.setattr(source, "nitems_written", lambda port: source.samples_out)
    monkeypatch.setattr(
        source,
        "add_item_tag",
        lambda port, place, key, picture: tags.append((place, pmt.to_long(picture))),
    )
    source._pending, source._pictures = signal(1, 100), ((0, 1), (35, 2), (99, 3))
    while source.samples_out < 100:
        assert source.process([], [np.empty(30, np.complex64)]) > 0
    assert tags == [(0, 1), (35, 2), (99, 3)]


def test_a_sender_may_come_before_the_receiver_and_come_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    first, second = signal(1, 1000, 1), signal(1, 2000, 2)
    flowgraph = gr.top_block()
    sending, sink = Sending(first, {}), SampleSink(endpoint, 1, RATE)
    flowgraph.connect(sending, sink)
    flowgraph.start()
    time.sleep(0.1)
    assert sink.samples_in == 0
    with Receiving(endpoint) as receiving:
        flowgraph.wait()
        send(endpoint, second)
        until(lambda: receiving.count == 3000)
    np.testing.assert_array_equal(receiving.samples(), np.concatenate((first, second), axis=1))
    assert receiving.source.counters == SampleCounters(sessions=2)
    assert (receiving.source.position, receiving.source.samples_out) == (2000, 3000)


def test_what_is_lost_is_zeros_and_what_is_foreign_nothing(receiving: Receiving) -> None:
    context = zmq.Context()
    sender = context.socket(zmq.PUSH)
    sender.connect(receiving.source.endpoint)
    for parts in (
        to_parts(message(0)),
        [b"garbage"],
        [b"{}", b"\0" * 100_000],
        to_parts(message(10)),
        to_parts(message(14, session=8)),
        to_parts(message(14, samples=signal(2, 3))),
        to_parts(message(14)),
    ):
        sender.send_multipart(parts)
    until(lambda: receiving.count == 18)
    came = receiving.samples()[0]
    np.testing.assert_array_equal(came[:4], message(0).samples[0])
    assert not came[4:10].any()
    np.testing.assert_array_equal(came[10:14], message(10).samples[0])
    np.testing.assert_array_equal(came[14:], message(14).samples[0])
    assert receiving.source.counters == SampleCounters(
        sessions=1, gaps=1, missing=6, foreign=1, unfit=1, unreadable=2
    )
    sender.send_multipart(to_parts(message(2**40)))
    until(lambda: receiving.source.counters.gaps == 2)
    until(lambda: receiving.source.samples_out > 10_000_000)  # ten seconds, not twelve days
    until(lambda: receiving.source.position == 2**40 + 4)
    assert receiving.source.samples_out == 18 + 10_000_000 + 4
    context.destroy(linger=0)


def test_a_receiver_that_is_slow_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_socket, "_SILENCE_MS", 600)
    source = SampleSource("tcp://127.0.0.1:*", 1, RATE)
    source.listen()
    flowgraph = gr.top_block()
    sending, sink = Sending(signal(1, 3_000_000), {}), SampleSink(source.endpoint, 1, RATE)
    flowgraph.connect(sending, sink)
    flowgraph.start()
    before = -1
    while before != sink.samples_in:  # until nothing moves any more
        before = sink.samples_in
        time.sleep(0.3)
    assert before < 3_000_000
    time.sleep(1.5)  # longer than twice the silence after which a receiver is given up
    receiver = gr.top_block()
    keep = blocks.vector_sink_c()
    receiver.connect(source, keep)
    receiver.start()
    flowgraph.wait()
    until(lambda: keep.nitems_read(0) == 3_000_000)
    receiver.stop()
    receiver.wait()
    np.testing.assert_array_equal(np.array(keep.data(), np.complex64), signal(1, 3_000_000)[0])
    assert source.counters == SampleCounters(sessions=1)


CHILD = """
import time
from gnuradio.semcom.sample_socket import SampleListener
listener = SampleListener("tcp://127.0.0.1:*")
print(listener.endpoint, flush=True)
while True:
    if listener.take() is not None:
        print("taken", flush=True)
"""


def test_a_receiver_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_socket, "_SILENCE_MS", 600)
    command = [sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        sender = SampleSender(receiver.stdout.readline().strip())
        try:
            until(lambda: sender.send(message(0)))
            assert receiver.stdout.readline() == "taken\n"
            receiver.send_signal(signals.SIGSTOP)
            # The system takes for it what would not fill a pipe for long.
            until(lambda: not sender.send(message(4)))
        finally:
            receiver.kill()
    sender.close()


def test_a_paced_sink_is_no_faster_than_its_rate(receiving: Receiving) -> None:
    flowgraph = gr.top_block()
    source, sink = (
        Sending(signal(1, 200), {}),
        SampleSink(receiving.source.endpoint, 1, RATE, pace=True),
    )
    sink._pace = SamplePace(1000.0)  # as if its rate were so low
    flowgraph.connect(source, sink)
    begun = time.monotonic()
    flowgraph.run()
    assert time.monotonic() - begun > 0.09  # 0.15 s of samples are ahead of the last ones
    until(lambda: receiving.count == 200)


def test_the_wrong_keys_are_told(tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    make_keys((tmp_path / "a", tmp_path / "b"))
    source = SampleSource("tcp://127.0.0.1:*", 1, RATE, str(tmp_path / "rx"))
    source.listen()
    receiver = gr.top_block()
    keep = blocks.vector_sink_c()
    receiver.connect(source, keep)
    receiver.start()
    for end in ("a", "tx"):
        flowgraph = gr.top_block()
        sending = Sending(signal(1, 1000), {})
        sink = SampleSink(source.endpoint, 1, RATE, str(tmp_path / end))
        flowgraph.connect(sending, sink)
        flowgraph.start()
        if end == "a":
            until(partial(getattr, sink, "refusal"))
            assert "does not take our key" in str(sink.refusal)
            assert len(keep.data()) == 0
            flowgraph.stop()
        flowgraph.wait()
    until(lambda: len(keep.data()) == 1000)
    receiver.stop()
    receiver.wait()


def test_endpoints_are_checked(tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    for kind in (SampleSink, SampleSource):
        with pytest.raises(ValueError, match="give both ends keys"):
            kind("tcp://0.0.0.0:5571")
    with pytest.raises(ValueError, match="say whom to call"):
        SampleSink("tcp://127.0.0.1:*")
    with pytest.raises(ValueError, match=r"cannot call tcp://host!:5571: "):
        SampleSender("tcp://host!:5571", load_keys(tmp_path / "tx"))
    source = SampleSource("tcp://127.0.0.1:*")
    source.listen()
    with pytest.raises(OSError, match=f"cannot listen for samples at {source.endpoint}"):
        SampleSource(source.endpoint).listen()
    source.close()
