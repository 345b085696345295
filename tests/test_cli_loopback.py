# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job through GNU Radio, as a user calls it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from PIL import Image

from semcom_models.data import load_picture

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

LOOPBACK = ["--radio", "loopback", "--scheme", "linear", "--snr", "12"]


def start(*arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "ota_runner", *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def statuses(output: Path) -> list[str]:
    lines = (output / "images.jsonl").read_text().splitlines()
    return [json.loads(line)["status"] for line in lines]


def wait_for_first_record(process: subprocess.Popen[str], output: Path) -> None:
    file = output / "images.jsonl"
    wait_for(lambda: file.exists() and b"\n" in file.read_bytes(), process)


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def many(small_samples: Path, tmp_path: Path) -> Path:
    """The sample pictures over and over: long enough to be cut short."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        for picture in small_samples.iterdir():
            (folder / f"{number:02d}-{picture.name}").symlink_to(picture)
    return folder


def test_pictures_cross(small_samples: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    channel = ["--cfo", "1500", "--delay", "30.5", "--sco", "3"]
    images = ["--images", str(small_samples), "--record-iq", "--json"]
    ended = call(*LOOPBACK, *channel, *images, "--output", str(output))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    summary: dict[str, Any] = json.loads(ended.stdout)  # nothing else is on stdout
    assert summary == json.loads((output / "summary.json").read_text())
    assert summary["completed"] == 3
    assert summary["frames"]["lost"] == 0
    assert summary["radio_events"] == dict.fromkeys(
        ("underflow", "overflow", "late", "lost_device"), 0
    )
    assert 0.8 < summary["transmit_duty"] < 1
    assert summary["psnr_db"] > 29
    assert summary["snr_db"]["estimated_mean"] == pytest.approx(12, abs=0.2)
    assert summary["cbr"] == pytest.approx(1 / 6, rel=0.01)
    assert summary["air_cbr"] > 1.3 * summary["cbr"]
    assert summary["throughput"]["real_time_factor"] > 0
    assert summary["channel"]["cfo_hz"] == 1500
    assert len(list((output / "iq").glob("*.sigmf-meta"))) == 2
    assert len(list((output / "received").glob("*.png"))) == 3
    for record in map(json.loads, (output / "images.jsonl").read_text().splitlines()):
        assert len(record["frames"]["snr_db"]) == record["fragments_sent"]
        assert record["frames"]["cfo_hz"] == pytest.approx(
            [1500] * record["fragments_sent"], abs=20
        )
        assert np.shape(record["frames"]["gain_db"]) == (1, 1, 100)
    versions = json.loads((output / "run.json").read_text())["versions"]
    assert versions["gnuradio"].startswith("3.")


def test_misspelt_radio_option(tmp_path: Path) -> None:
    ended = call(*LOOPBACK, "--cfoo", "3", "--output", str(tmp_path / "run"))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "--cfoo" in ended.stderr
    assert "--cfo" in ended.stderr.replace("--cfoo", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_ends_whole(many: Path, tmp_path: Path, how: signal.Signals) -> None:
    output = tmp_path / "run"
    with start(*LOOPBACK, "--images", str(many), "--output", str(output)) as process:
        wait_for_first_record(process, output)
        os.kill(process.pid, how)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "go on with --resume" in err
    summary = json.loads((output / "summary.json").read_text())
    assert 0 < summary["completed"] == len(statuses(output)) < summary["images"] == 120
    assert (output / "report.html").exists()


def test_signals_that_come_twice_end_a_run_in_the_middle_of_a_picture(
    small_samples: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.png"
    with Image.open(sorted(small_samples.iterdir())[0]) as picture:
        picture.resize((2400, 1600)).save(large)
    output = tmp_path / "run"
    images = ["--images", str(large), "--record-iq"]
    with start(*LOOPBACK, *images, "--output", str(output)) as process:
        recorded = output / "iq" / "sent-0.sigmf-data"
        wait_for(lambda: recorded.exists() and recorded.stat().st_size > 0, process)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("\n") == 1, err
    assert "go on with --resume" in err
    assert json.loads((output / "summary.json").read_text())["completed"] == 0
    for name in ("sent-0", "received-0"):
        recording = output / "iq" / f"{name}.sigmf-meta"
        assert json.loads(recording.read_text())["global"]["core:datatype"] == "cf32_le"
        if recording.with_suffix(".sigmf-data").stat().st_size:  # the library maps no empty file
            sigmf.fromfile(str(recording)).validate()


def test_killed_run_is_gone_on_with(many: Path, tmp_path: Path) -> None:
    for picture in sorted(many.iterdir())[6:]:
        picture.unlink()
    output = tmp_path / "run"
    with start(*LOOPBACK, "--images", str(many), "--output", str(output)) as process:
        wait_for_first_record(process, output)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    ended = call("--resume", "--output", str(output))
    assert ended.returncode == 0, ended.stderr
    assert statuses(output) == ["completed"] * 6
    assert json.loads((output / "summary.json").read_text())["completed"] == 6
    whole = tmp_path / "whole"
    assert call(*LOOPBACK, "--images", str(many), "--output", str(whole)).returncode == 0
    for name in (path.name for path in (whole / "received").iterdir()):
        resumed, uninterrupted = (load_picture(run / "received" / name) for run in (output, whole))
        assert (resumed - uninterrupted).abs().max() < 1.5 / 255, name


@pytest.mark.parametrize(
    "words",
    [
        ["--scheme", "linear", "--precoder", "svd"],
        ["--scheme", "jpeg+ldpc", "--mcs", "nr-qpsk-1/2", "--precoder", "pcen"],
    ],
)
def test_two_antennas_with_feedback(words: list[str], small_samples: Path, tmp_path: Path) -> None:
    """Each frame is precoded for what the receiver reported of the one before."""
    output = tmp_path / "run"
    antennas = ["--antennas", "2x2", "--streams", "2", "--channel", "rayleigh", "--snr", "20"]
    more = ["--channel-continues", "--images", str(small_samples), "--output", str(output)]
    result = call("--radio", "loopback", *words, *antennas, *more)
    assert result.returncode == 0, result.stderr
    lines = (output / "images.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    frames = [record["fragments_sent"] for record in records]
    assert max(frames) > 1
    assert [record["csi_id"] for record in records] == [None, *accumulate(frames[:-1])]
    assert [record["feedback"]["used"] for record in records] == [count + 1 for count in frames]
    for record in records:
        assert record["fragments_received"] == record["fragments_sent"]
        assert record["psnr_db"] > 20
    for record in records[1:]:
        assert 0 < record["csi_age_s"] < 0.2
