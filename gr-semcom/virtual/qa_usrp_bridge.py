# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual USRPs' socket, without UHD: who may have what, and what it makes of nonsense."""

import os
import socket
import stat

import numpy as np
import pytest

from semcom_virtual.air import Air, AirConfig
from semcom_virtual.usrp_bridge import UsrpBridge
from semcom_virtual.usrp_device import VirtualUsrp
from semcom_virtual.usrp_protocol import HEADER, NOW, Disconnected, Flag, Kind, receive, send


@pytest.fixture
def usrp():
    air = Air(AirConfig())
    yield VirtualUsrp(air, "SERIAL", "bench")
    air.close()


@pytest.fixture
def bridge(usrp):
    bridge = UsrpBridge([usrp])
    yield bridge
    bridge.close()


class Client:
    def __init__(self, bridge):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(30)
        self.socket.connect(bridge.address)

    def send(self, kind, body=b"", **header):
        send(self.socket, kind, body, **header)

    def receive(self):
        return receive(self.socket, bytearray(1 << 20))

    def ask(self, kind, body=b"", **header):
        self.send(kind, body, **header)
        return self.receive()


def refusal(message):
    assert message.kind == Kind.REFUSED
    return bytes(message.body).decode()


def claimed(bridge):
    client = Client(bridge)
    answer = client.ask(Kind.CLAIM, b"SERIAL")
    assert answer.kind == Kind.DONE
    return client, answer.time


def stream(bridge, kind, key, channels=b"\0", packet=1000.0):
    client = Client(bridge)
    return client, client.ask(kind, channels, time=key, value=packet)


def test_devices_are_found_until_they_vanish(bridge, usrp):
    client = Client(bridge)
    summary = bytes(client.ask(Kind.FIND).body).decode()
    assert "serial=SERIAL" in summary
    assert "name=bench" in summary
    usrp.vanish()
    assert not client.ask(Kind.FIND).body
    assert refusal(client.ask(Kind.CLAIM, b"SERIAL")) == "there is no SERIAL"
    usrp.appear()
    claimed(bridge)


def test_one_program_has_a_device_until_it_ends(bridge):
    assert refusal(Client(bridge).ask(Kind.CLAIM, b"other")) == "there is no other"
    first, key = claimed(bridge)
    second = Client(bridge)
    assert refusal(second.ask(Kind.CLAIM, b"SERIAL")).startswith("SERIAL is busy")
    assert stream(bridge, Kind.TRANSMIT, key)[1].kind == Kind.DONE
    assert refusal(stream(bridge, Kind.TRANSMIT, key + 1)[1]) == "the device is not open"
    assert first.ask(Kind.RELEASE).kind == Kind.DONE
    assert refusal(stream(bridge, Kind.TRANSMIT, key)[1]) == "the device is not open"
    killed, _ = claimed(bridge)
    killed.socket.close()
    claimed(bridge)


def test_settings_are_read_back_and_nonsense_is_refused(bridge, usrp):
    client, _ = claimed(bridge)
    assert client.ask(Kind.SET, b"rate", value=2e6).value == 2e6
    assert client.ask(Kind.GET, b"rate").value == 2e6
    client.ask(Kind.SET, b"rx_gain", time=1, value=30.0)
    assert usrp.port.settings.rx_gain_db == [0.0, 30.0]
    before = client.ask(Kind.GET, b"now").time
    assert client.ask(Kind.GET, b"now").time >= before
    for kind, body, header in (
        (Kind.SET, b"rate", {"value": 0.0}),
        (Kind.SET, b"rate", {"value": np.inf}),
        (Kind.SET, b"tx_gain", {"time": 2, "value": 1.0}),
        (Kind.SET, b"colour", {"value": 1.0}),
        (Kind.GET, b"colour", {}),
        (Kind.GET, b"rssi", {"time": -1}),
        (Kind.START, b"", {}),
    ):
        refusal(client.ask(kind, body, **header))
    assert client.ask(Kind.GET, b"rate").value == 2e6


def test_impossible_streams_are_refused(bridge):
    _control, key = claimed(bridge)
    for channels, packet in ((b"", 1000), (b"\2", 1000), (b"\0\0", 1000), (b"\0", 1e9)):
        for kind in (Kind.RECEIVE, Kind.TRANSMIT):
            refusal(stream(bridge, kind, key, channels, packet)[1])
    refusal(stream(bridge, Kind.RECEIVE, key, packet=np.nan)[1])


def test_a_connection_that_talks_nonsense_is_closed_alone(bridge):
    control, key = claimed(bridge)
    receiver, _ = stream(bridge, Kind.RECEIVE, key)
    transmitter, _ = stream(bridge, Kind.TRANSMIT, key)
    stranger = Client(bridge)
    for client, header in (
        (stranger, HEADER.pack(999, 0, 0, 0, 0.0)),
        (receiver, HEADER.pack(Kind.START, 0, 1 << 31, 0, 0.0)),
        (transmitter, HEADER.pack(Kind.SAMPLES, 0, 7, 0, 0.0) + bytes(7)),
    ):
        client.socket.sendall(header)
        with pytest.raises(Disconnected):
            client.receive()
    assert control.ask(Kind.GET, b"rate").kind == Kind.DONE


def test_samples_cross_at_their_time(bridge):
    control, key = claimed(bridge)
    transmitter, _ = stream(bridge, Kind.TRANSMIT, key)
    receiver, _ = stream(bridge, Kind.RECEIVE, key)
    control.ask(Kind.SET, b"tx_gain", value=80.0)
    control.ask(Kind.SET, b"rx_gain", value=40.0)
    for direction in (b"tx_freq", b"rx_freq"):
        control.ask(Kind.SET, direction, value=1e9)
    begin = control.ask(Kind.GET, b"now").time + 1_000_000
    receiver.send(Kind.START, time=begin - 500, value=1500.0)
    rng = np.random.default_rng(0)
    sent = rng.choice([-0.5, 0.5], 1000).astype(np.complex64)
    flags = Flag.FIRST | Flag.LAST | Flag.TIMED
    transmitter.send(Kind.SAMPLES, sent.tobytes(), flags=flags, time=begin)
    assert transmitter.receive().kind == Kind.BURST_ACK
    pieces, first, last = [], None, Flag(0)
    while not last:
        message = receiver.receive()
        first = message.time if first is None else first
        pieces.append(np.frombuffer(bytes(message.body), np.complex64))
        last = message.flags & Flag.LAST
    received = np.concatenate(pieces)
    assert received.size == 1500
    likeness = np.abs(np.correlate(received, sent, "valid"))
    assert first + int(likeness.argmax()) == begin


def test_a_stopped_receiver_starts_again(bridge):
    _control, key = claimed(bridge)
    receiver, _ = stream(bridge, Kind.RECEIVE, key)
    for _ in range(2):
        receiver.send(Kind.START, time=NOW)
        while Flag.FIRST not in receiver.receive().flags:
            pass  # samples that were under way at the stop
        receiver.send(Kind.STOP)


def test_the_socket_is_its_owners_and_takes_over_from_a_killed_process(tmp_path, usrp):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as killed:
        killed.bind(path)
    bridge = UsrpBridge([usrp], path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(OSError, match="in use"):
        UsrpBridge([usrp], path)
    bridge.close()
    assert not os.path.exists(path)


def test_other_machines_are_refused(usrp):
    for address in ("tcp://0.0.0.0:1", "tcp://127.0.0.1", "tcp://host:80"):
        with pytest.raises(ValueError, match="choose tcp"):
            UsrpBridge([usrp], address)
    bridge = UsrpBridge([usrp], "tcp://127.0.0.1:0")
    host, port = bridge.address.removeprefix("tcp://").split(":")
    socket.create_connection((host, int(port))).close()
    bridge.close()
