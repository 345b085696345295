# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in files, and who is admitted with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import zmq
from gnuradio.semcom.curve_keys import keys_or_none, load_keys, make_keys
from gnuradio.semcom.endpoints import require_endpoint
from zmq.utils.monitor import recv_monitor_message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    return tmp_path / "tx"


def test_an_option_may_name_no_keys(folder: Path) -> None:
    assert keys_or_none("") is None
    assert keys_or_none(str(folder)) == load_keys(folder)


def readable(folder: Path) -> None:
    (folder / "own.key_secret").chmod(0o640)


def gone(folder: Path) -> None:
    (folder / "own.key_secret").unlink()


def alone(folder: Path) -> None:
    (folder / "peer.key").unlink()


def public(folder: Path) -> None:
    secret = folder / "own.key_secret"
    secret.write_bytes((folder / "peer.key").read_bytes())
    secret.chmod(0o600)


def empty(folder: Path) -> None:
    (folder / "peer.key").write_text("")


def short(folder: Path) -> None:
    (folder / "peer.key").write_text('    public-key = "abc"\n')


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (readable, r"can be read by others \(mode 0640\): chmod 600"),
        (gone, "own.key_secret: there is no such file; make keys with"),
        (alone, "peer.key: there is no such file; make keys with"),
        (public, "holds no secret key"),
        (empty, "cannot read the key .*peer.key"),
        (short, "is damaged"),
    ],
)
def test_keys_that_are_not_as_made_are_told(
    damage: Callable[[Path], None], problem: str, folder: Path
) -> None:
    damage(folder)
    with pytest.raises(ValueError, match=problem) as caught:
        load_keys(folder)
    assert "\n" not in str(caught.value)


def test_with_keys_other_hosts_may_call() -> None:
    for endpoint in ("tcp://*:5560", "tcp://192.168.1.2:5560", "tcp://127.0.0.1:*"):
        require_endpoint(endpoint, has_keys=True)
    for endpoint in ("udp://192.168.1.2:5560", "192.168.1.2:5560", "tcp://host", "tcp://"):
        with pytest.raises(ValueError, match="no ZMQ endpoint"):
            require_endpoint(endpoint, has_keys=True)


@pytest.mark.parametrize("port", ["", "abc", "0", "65536", "99999", "-1", "5560/x", "٥٥", "5 5"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(ValueError, match="a port is a number from 1 to 65535"):
        require_endpoint(f"tcp://127.0.0.1:{port}")


def test_whom_to_call_must_be_said() -> None:
    for endpoint in ("tcp://127.0.0.1:*", "tcp://*:5560"):
        with pytest.raises(ValueError, match="say whom to call"):
            require_endpoint(endpoint, has_keys=True, calls=True)
    require_endpoint("tcp://[::1]:65535", calls=True)


def test_nobody_is_admitted_where_nobody_asks_for_keys(folder: Path) -> None:
    with (
        zmq.Context() as context,
        context.socket(zmq.PULL) as pull,
        context.socket(zmq.PUSH) as push,
    ):
        load_keys(folder.parent / "rx").bind(pull)
        port = pull.bind_to_random_port("tcp://127.0.0.1")
        push.setsockopt(zmq.LINGER, 0)
        load_keys(folder).connect(push)
        monitor = push.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        push.connect(f"tcp://127.0.0.1:{port}")
        assert monitor.poll(20_000)
        assert recv_monitor_message(monitor)["event"] == zmq.EVENT_DISCONNECTED
        push.disable_monitor()
        monitor.close()
