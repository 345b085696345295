# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in files, and who is admitted with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gnuradio.semcom.curve_keys import keys_or_none, load_keys, make_keys
from gnuradio.semcom.endpoints import require_endpoint


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
    for endpoint in ("udp://192.168.1.2:5560", "192.168.1.2:5560", "tcp://host"):
        with pytest.raises(ValueError, match="no ZMQ endpoint"):
            require_endpoint(endpoint, has_keys=True)
