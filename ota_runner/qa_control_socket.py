# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts over sockets: death, silence, return, strangers."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
from gnuradio.semcom.curve_keys import load_keys, make_keys

from ota_runner.control_messages import PictureNext, Report, Stop, Trouble, Well
from ota_runner.control_peer import PeerBack, PeerGone
from ota_runner.control_socket import ControlClient, ControlEvent, ControlServer, Received

QUICK: dict[str, Any] = {"heartbeat_s": 0.05, "silence_s": 0.4}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(300_000)
LONG_S = 20.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def report(picture: int) -> Report:
    return Report(run="r", picture=picture, status="completed")


def event(end: ControlServer | ControlClient) -> ControlEvent:
    found = end.receive(LONG_S)
    assert found is not None
    return found


def pictures(end: ControlServer | ControlClient, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        came = event(end)
        if isinstance(came, Received):
            assert isinstance(came.message, Report | PictureNext)
            found.append(came.message.picture)
    return found


class Cable(threading.Thread):
    """A TCP connection to be cut: bytes go nowhere, and nobody is told."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.whole = threading.Event()
        self.whole.set()
        self._sockets = [self._listener]
        self.start()

    def run(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if self.whole.is_set():
                    target.sendall(data)
                else:
                    target.close()  # its other end hears of it when it writes
            source.close()
            target.close()

    def cut(self) -> None:
        self.whole.clear()

    def mend(self) -> None:
        self.whole.set()

    def close(self) -> None:
        for each in self._sockets:
            each.close()


@pytest.fixture
def server() -> Iterator[ControlServer]:
    with ControlServer("tcp://127.0.0.1:*", **QUICK) as server:
        yield server
    server.close()


def port(server: ControlServer) -> int:
    return int(server.endpoint.rpartition(":")[2])


def test_messages_go_both_ways_and_the_end_is_told(server: ControlServer) -> None:
    client = ControlClient(server.endpoint, **QUICK)
    assert client.send(PictureNext(run="r1", picture=1, name="early"))  # before anybody is there
    assert event(client) == PeerBack(new_session=True)
    assert event(server) == PeerBack(new_session=True)
    assert event(server) == Received(PictureNext(run="r1", picture=1, name="early"))
    assert client.peer_alive
    assert client.obstacle is None
    server.send(report(1), PNG)
    server.send(Trouble(reason="disk full"))
    assert event(client) == Received(report(1), (PNG,))
    assert event(client) == Received(Trouble(reason="disk full"))
    assert client.receive(0.01) is None
    client.send(Stop(run="r1", reason=""))
    client.close()
    assert event(server) == Received(Stop(run="r1", reason=""))
    assert event(server) == PeerGone(closed=True)
    assert not server.peer_alive


def test_nothing_is_lost_while_the_network_is_cut(server: ControlServer) -> None:
    cable = Cable(port(server))
    with ControlClient(cable.endpoint, **QUICK) as client:
        assert event(client) == PeerBack(new_session=True)
        assert event(server) == PeerBack(new_session=True)
        server.send(report(0), PNG)
        assert pictures(client, 1) == [0]
        cable.cut()
        for picture in range(1, 4):
            server.send(report(picture), PNG)
        assert event(client) == PeerGone(closed=False)
        assert event(server) == PeerGone(closed=False)
        cable.mend()
        assert event(client) == PeerBack(new_session=False)
        assert pictures(client, 3) == [1, 2, 3]
        assert event(server) == PeerBack(new_session=False)
        assert client.receive(0.2) is None
    assert server.resent > 0
    cable.close()


def test_one_who_comes_back_after_another_begins_anew_as_the_other_end_does(
    server: ControlServer,
) -> None:
    cable = Cable(port(server))
    with ControlClient(cable.endpoint, **QUICK) as first:
        assert event(first) == event(server) == PeerBack(new_session=True)
        for picture in range(5):
            first.send(report(picture), PNG)
        assert pictures(server, 5) == list(range(5))
        for picture in range(3):
            server.send(report(picture), PNG)
        assert pictures(first, 3) == list(range(3))
        cable.cut()
        assert event(first) == event(server) == PeerGone(closed=False)
        with ControlClient(server.endpoint, **QUICK) as second:
            assert event(second) == event(server) == PeerBack(new_session=True)
        assert event(server) == PeerGone(closed=True)
        cable.mend()
        assert event(first) == event(server) == PeerBack(new_session=True)
        first.send(report(77), PNG)
        server.send(report(78), PNG)
        assert pictures(server, 1) == [77]
        assert pictures(first, 1) == [78]
    cable.close()


def test_a_receiver_that_is_started_anew_is_met_at_once() -> None:
    with ControlServer("tcp://127.0.0.1:*", **QUICK) as first:
        client = ControlClient(first.endpoint, **QUICK)
        assert event(client) == event(first) == PeerBack(new_session=True)
    assert isinstance(event(client), PeerGone)
    with client, ControlServer(first.endpoint, **QUICK) as second:
        assert event(second) == event(client) == PeerBack(new_session=True)
        client.send(report(1), PNG)
        assert pictures(second, 1) == [1]
        # Neither end waited for the session that the other one gave up to fall silent.
        assert second.counters.foreign == client.counters.foreign == 0


CHILD = """
import sys
from ota_runner.control_messages import PictureNext
from ota_runner.control_socket import ControlClient, Received
client = ControlClient(sys.argv[1], heartbeat_s=0.05, silence_s=0.4)
client.receive(20)
client.send(PictureNext(run="r1", picture=int(sys.argv[2]), name="x"))
while True:
    came = client.receive(None)
    if isinstance(came, Received):
        print(came.message.picture, flush=True)
        if sys.argv[3] == "once":
            import threading
            threading.Event().wait()
"""


def test_a_transmitter_that_is_killed_and_started_anew(server: ControlServer) -> None:
    def start(picture: int, mode: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CHILD, server.endpoint, str(picture), mode]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    first = start(5, "once")
    assert event(server) == PeerBack(new_session=True)
    assert event(server) == Received(PictureNext(run="r1", picture=5, name="x"))
    server.send(report(1), PNG)
    server.send(report(2), PNG)
    server.send(Well())
    assert first.stdout is not None
    assert first.stdout.readline() == "1\n"
    first.kill()
    first.wait()
    first.stdout.close()
    assert event(server) == PeerGone(closed=False)
    second = start(6, "all")
    assert event(server) == PeerBack(new_session=True)
    assert event(server) == Received(PictureNext(run="r1", picture=6, name="x"))
    server.send(report(3), PNG)
    assert second.stdout is not None
    assert second.stdout.readline() == "3\n"  # what the first one was told is not said again
    second.kill()
    second.wait()
    second.stdout.close()


def test_strangers_are_not_heard(server: ControlServer) -> None:
    with ControlClient(server.endpoint, **QUICK) as client:
        assert event(server) == PeerBack(new_session=True)
        with ControlClient(server.endpoint, **QUICK) as second:
            second.send(Stop(run="r1", reason=""))
            until(lambda: server.counters.foreign > 3)
            assert not second.peer_alive
        context = zmq.Context()
        garbage = context.socket(zmq.DEALER)
        garbage.connect(server.endpoint)
        for parts in ([b""], [b"x" * 5000, b""], [b"{}", b"y", b"z"]):
            garbage.send_multipart(parts)
        until(lambda: server.counters.unreadable == 3)
        for _ in range(1000):
            garbage.send(b"flood")
        client.send(PictureNext(run="r1", picture=9, name="x"))
        assert pictures(server, 1) == [9]
        until(lambda: server.counters.unreadable == 1003)
        assert server.counters.throttled > 0
        context.destroy(linger=0)


def test_nobody_asks_and_memory_stays_bounded(server: ControlServer) -> None:
    with ControlClient(server.endpoint, **QUICK) as client:
        for picture in range(600):
            client.send(PictureNext(run="r1", picture=picture, name="x"))
        until(lambda: server._events.qsize() >= 256)
        time.sleep(0.2)
        assert server._events.qsize() <= 257
        assert pictures(server, 600) == list(range(600))


def test_keys_open_and_others_do_not(tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    make_keys((tmp_path / "a", tmp_path / "b"))
    ours, theirs = load_keys(tmp_path / "rx"), load_keys(tmp_path / "tx")
    wrong = load_keys(tmp_path / "a")
    with ControlServer("tcp://127.0.0.1:*", ours, **QUICK) as server:
        # One that knows the receiver's public key, but is not who is expected, is no better.
        knowing = replace(wrong, peer=theirs.peer)
        for keys, problem in (
            (wrong, "does not take our key"),
            (knowing, "does not take our key"),
            (None, "without keys"),
        ):
            with ControlClient(server.endpoint, keys, **QUICK) as stranger:
                until(partial(getattr, stranger, "refusal"))
                assert problem in str(stranger.obstacle)
                assert not stranger.peer_alive
        until(lambda: server.obstacle)
        assert "right key" in str(server.obstacle)
        with ControlClient(server.endpoint, theirs, **QUICK) as client:
            assert event(client) == PeerBack(new_session=True)
            client.send(Well())
            assert event(server) == PeerBack(new_session=True)
            assert event(server) == Received(Well())
            assert client.obstacle is None


def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with ControlClient(endpoint, **QUICK) as client:
        until(lambda: client.obstacle)
        assert client.obstacle == f"nobody listens at {endpoint}"
        assert client.refusal is None


def test_what_cannot_be_called_is_told(tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    for endpoint, problem in (
        ("tcp://127.0.0.1:*", "say whom to call"),
        ("tcp://127.0.0.1:abc", "a port is a number"),
        ("tcp://host!:5560", "cannot call tcp://host"),
    ):
        with pytest.raises(ValueError, match=problem):
            ControlClient(endpoint, load_keys(tmp_path / "tx"))


def test_an_endpoint_beyond_this_machine_needs_keys(server: ControlServer) -> None:
    kinds: list[Any] = [ControlServer, ControlClient]
    for kind in kinds:
        with pytest.raises(ValueError, match="give both ends keys"):
            kind("tcp://0.0.0.0:5560")
    with pytest.raises(OSError, match=f"cannot listen at {server.endpoint}"):
        ControlServer(server.endpoint)
