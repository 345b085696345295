# SPDX-License-Identifier: GPL-3.0-or-later
import stat
from pathlib import Path

import pytest
from gnuradio.semcom.curve_keys import load_keys

from ota_runner.cli import execute


def test_keys_of_two_hosts_fit_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    assert execute(["keys", "--output", str(keys)]) == 0
    assert capsys.readouterr().out == f"keys: {keys / 'tx'}\nkeys: {keys / 'rx'}\n"
    tx, rx = load_keys(keys / "tx"), load_keys(keys / "rx")
    assert (tx.peer, rx.peer) == (rx.public, tx.public)
    assert tx.secret not in (rx.secret, tx.public)
    assert repr(tx.secret) not in repr(tx)
    for end in ("tx", "rx"):
        files = sorted(file.name for file in (keys / end).iterdir())
        assert files == ["own.key_secret", "peer.key"]
        assert stat.S_IMODE((keys / end / "own.key_secret").stat().st_mode) == 0o600


def test_keys_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["keys", "--output", str(tmp_path)]
    assert execute(words) == 0
    before = load_keys(tmp_path / "tx")
    assert execute(words) == 2
    assert "holds keys already: give another --output" in capsys.readouterr().err
    assert load_keys(tmp_path / "tx") == before
    (tmp_path / "file").touch()
    assert execute(["keys", "--output", str(tmp_path / "file")]) == 2
    assert "cannot write to" in capsys.readouterr().err
