# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner tx`` and ``rx``: two programs, which may die and come back."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ota_runner.cli import execute
from semcom_models.data import sample_pictures, save_picture

PICTURES = 6


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        _, picture = sample_pictures()[number % 3]
        save_picture(folder / f"{number}.png", picture[:, 60:252, 80:336])
    return folder


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two that nobody listens at."""
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class Program:
    """One of the two, with what it says."""

    def __init__(self, log: Path, *words: object) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ota_runner", *map(str, words)], stdout=file, stderr=file
            )

    def wait(self, seconds: float = 120) -> int:
        return self.process.wait(seconds)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def started(*words: object) -> Program:
        programs.append(Program(tmp_path / f"{words[0]}.log", *words))
        return programs[-1]

    yield started
    for program in programs:
        program.process.kill()
        program.process.wait()


def lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "images.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_run_over_two_programs_is_that_of_one(
    pictures: Path, ports: tuple[int, int], start: Callable[..., Program], tmp_path: Path
) -> None:
    """With keys, over an endpoint that other machines could reach."""
    done = subprocess.run(
        [sys.executable, "-m", "ota_runner", "keys", "--output", str(tmp_path / "keys")], timeout=60
    )
    assert done.returncode == 0
    control, samples = ports
    rx = start(
        "rx",
        *("--radio", "zmq", "--endpoint", f"tcp://*:{samples}", "--snr", "12", "--seed", "3"),
        *("--listen", f"tcp://*:{control}", "--keys", tmp_path / "keys/rx"),
        *("--output", tmp_path / "received"),
    )
    tx = start(
        "tx",
        *("--radio", "zmq", "--endpoint", f"tcp://127.0.0.1:{samples}", "--images", pictures),
        *("--peer", f"tcp://127.0.0.1:{control}", "--keys", tmp_path / "keys/tx"),
        *("--scheme", "linear", "--encoder-snr", "12", "--output", tmp_path / "sent", "--json"),
    )
    words = ["--snr", "12", "--seed", "3", "--images", str(pictures), "--scheme", "linear"]
    assert execute(["--radio", "loopback", *words, "--output", str(tmp_path / "one")]) == 0
    assert (tx.wait(), rx.wait()) == (0, 0), tx.said + rx.said
    for file in sorted((tmp_path / "one" / "received").iterdir()):
        for run in ("sent", "received"):
            assert (tmp_path / run / "received" / file.name).read_bytes() == file.read_bytes()
    alone, over_two = lines(tmp_path / "one"), lines(tmp_path / "sent")
    for name in ("psnr_db", "snr_estimated_db", "frames", "samples", "fragments_received"):
        assert [line[name] for line in over_two] == [line[name] for line in alone]
    summaries = [
        json.loads((tmp_path / run / "summary.json").read_text()) for run in ("sent", "received")
    ]
    assert summaries[0] == summaries[1]
    assert summaries[0]["snr_db"]["set"] is None
    assert "picture 5 completed" in rx.said
    signals = [
        json.loads(line) for line in (tmp_path / "sent" / "signals.jsonl").read_text().splitlines()
    ]
    for name in ("symbols", "sent_db", "received_db"):
        assert any(line[name] for line in signals)


def test_either_end_may_be_killed_and_comes_back(
    pictures: Path, ports: tuple[int, int], start: Callable[..., Program], tmp_path: Path
) -> None:
    control, samples = ports
    radio = "--radio", "zmq", "--endpoint", f"tcp://127.0.0.1:{samples}"
    received, sent = tmp_path / "received", tmp_path / "sent"
    rx_words = *radio, "--listen", f"tcp://127.0.0.1:{control}", "--output", received
    tx_words = (
        *radio,
        *("--peer", f"tcp://127.0.0.1:{control}", "--images", pictures, "--count", "24"),
        *("--scheme", "linear", "--output", sent),
    )
    rx, tx = start("rx", *rx_words), start("tx", *tx_words)

    rx.until(lambda: len(lines(received)) >= 3)
    rx.process.kill()
    killed_at = time.monotonic()
    tx.until(lambda: "the receiver" in tx.said and "waiting for it to come back" in tx.said)
    assert time.monotonic() - killed_at < 5
    assert tx.process.poll() is None
    before = len(lines(sent))
    rx = start("rx", *rx_words)
    tx.until(lambda: len(lines(sent)) >= before + 3)

    tx.process.kill()
    killed_at = time.monotonic()
    rx.until(lambda: "waiting for it to come back" in rx.said.rpartition("is there")[2])
    assert time.monotonic() - killed_at < 5
    tx = start("tx", *tx_words, "--resume")
    assert (tx.wait(), rx.wait()) == (0, 0), tx.said + rx.said
    for folder in (sent, received):
        records = {line["picture"]: line for line in lines(folder)}
        assert sorted(records) == list(range(24))
        # Not one is what was left of an attempt that was cut short.
        assert all(record["status"] == "completed" for record in records.values())
        assert all(record["fragments_lost"] == [] for record in records.values())
        assert len(list((folder / "received").iterdir())) == 24
    assert (sent / "summary.json").read_bytes() == (received / "summary.json").read_bytes()


@pytest.mark.parametrize(
    ("host", "words", "code", "message"),
    [
        ("tx", ["--radio", "loopback"], 2, "--radio loopback is transmitter and receiver in one"),
        ("rx", ["--radio", "zmq", "--listen", "tcp://*:5570"], 2, "--listen: .*keys"),
        ("rx", ["--radio", "zmq", "--keys", "/no/such"], 2, "--keys /no/such"),
        ("tx", ["--radio", "zmq", "--peer", "nowhere"], 2, "--peer: .*nowhere"),
        ("tx", ["--radio", "zmq", "--patience", "-1"], 2, "--patience"),
    ],
)
def test_bad_input_is_one_line(
    host: str,
    words: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute([host, *words]) == code
    [line] = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert re.search(message, line)
    assert not list(tmp_path.rglob("run.json"))


def test_nobody_there_is_a_radio_that_is_not_available(
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("ota_runner.transmitting_host.FIRST_ANSWER_S", 0.5)
    words = ["--radio", "zmq", "--endpoint", "tcp://127.0.0.1:1", "--peer", "tcp://127.0.0.1:1"]
    output = ["--images", str(pictures), "--scheme", "linear", "--output", str(tmp_path / "run")]
    assert execute(["tx", *words, *output]) == 3
    assert "no receiver answers at tcp://127.0.0.1:1" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
