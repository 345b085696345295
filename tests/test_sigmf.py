# SPDX-License-Identifier: GPL-3.0-or-later
"""A run decoded from its recording gives the same pictures, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

from ota_runner.cli import execute

LOSSY = {"channel_continues": True, "gap_length": 0.05, "gap_starts": [0.03, 0.13]}
"""Of three small pictures the first loses frames, and another one all."""


def records(output: Path) -> list[dict[str, Any]]:
    """Of each picture what a replay has in common with what it replays."""
    same = ("picture", "status", "psnr_db", "snr_estimated_db", "fragments_sent", "frames")
    lines = (output / "images.jsonl").read_text().splitlines()
    return [{key: json.loads(line)[key] for key in same} for line in lines]


def fields(iq: Path) -> set[str]:
    """Names in our namespace that recordings use, numerology and label included."""
    found = set()
    for path in iq.glob("*.sigmf-meta"):
        meta = json.loads(path.read_text())
        for item in (meta["global"], *meta["captures"], *meta["annotations"]):
            found |= {key.removeprefix("semcom:") for key in item if key.startswith("semcom:")}
        found |= meta["global"]["semcom:numerology"].keys()
        found |= meta["annotations"][0]["semcom:label"].keys()
    return found


def test_a_replay_gives_the_same_pictures(small_samples: Path, tmp_path: Path) -> None:
    config = tmp_path / "lossy.yaml"
    config.write_text(yaml.safe_dump(LOSSY))
    words = ["--scheme", "adjscc", "--images", str(small_samples)]
    run, replay = tmp_path / "run", tmp_path / "replay"
    over_loopback = ["--config", str(config), "--radio", "loopback", "--record-iq", "--snr", "12"]
    assert execute([*over_loopback, *words, "--output", str(run)]) == 4  # a picture is lost
    statuses = [record["status"] for record in records(run)]
    assert sorted(statuses) == ["completed", "completed", "lost"]
    from_recording = ["--radio", "sigmf", "--recording", str(run / "iq")]
    assert execute([*from_recording, *words, "--output", str(replay)]) == 4
    assert records(replay) == records(run)
    names = sorted(path.name for path in (run / "received").iterdir())
    assert len(names) == 2
    assert names == sorted(path.name for path in (replay / "received").iterdir())
    for name in names:
        assert (replay / "received" / name).read_bytes() == (run / "received" / name).read_bytes()
    documented = (Path(__file__).parents[1] / "docs" / "sigmf-extension.md").read_text()
    assert len(fields(run / "iq")) > 30
    assert [name for name in fields(run / "iq") if f"`{name}`" not in documented] == []


def test_a_closed_loop_of_two_antennas_is_replayed(small_samples: Path, tmp_path: Path) -> None:
    """What each frame was precoded for is what the receiver reports again."""
    run, replay = tmp_path / "run", tmp_path / "replay"
    words = ["--scheme", "linear", "--images", str(small_samples), "--antennas", "2x2"]
    words += ["--streams", "2", "--precoder", "svd"]
    fading = ["--channel", "rayleigh", "--channel-continues", "--snr", "20", "--record-iq"]
    assert execute(["--radio", "loopback", *words, *fading, "--output", str(run)]) == 0
    from_recording = ["--radio", "sigmf", "--recording", str(run / "iq")]
    assert execute([*from_recording, *words, "--output", str(replay)]) == 0
    assert records(replay) == records(run)
    for path in (run / "received").iterdir():
        assert (replay / "received" / path.name).read_bytes() == path.read_bytes()
    # A run that is complete is complete however it is asked to go on.
    assert execute(["--resume", "--output", str(replay)]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--recording", "nowhere"], "nowhere: name the folder of a recording"),
        ([], "--recording: field required"),
        (["--recording", "."], "holds no SigMF recording"),
    ],
)
def test_bad_recordings_are_told(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["--radio", "sigmf", "--scheme", "linear", *words, "--output", "run"]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "run").exists()
