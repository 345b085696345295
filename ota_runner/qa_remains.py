# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of runs that were cut short or damaged: they come out, and say what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ota_runner.cli import execute
from ota_runner.record import RunFolder
from ota_runner.remains import salvage


@pytest.fixture
def run(blocks: str, pictures: Path, tmp_path: Path) -> Path:
    """A whole run of three pictures."""
    arguments = ["--radio", "ideal", "--scheme", blocks, "--images", str(pictures)]
    assert execute([*arguments, "--output", str(tmp_path / "run")]) == 0
    (tmp_path / "run" / "report.html").unlink()
    return tmp_path / "run"


def truncate(run: Path) -> None:
    size = (run / "images.jsonl").stat().st_size
    os.truncate(run / "images.jsonl", size - 20)


def scribble(run: Path) -> None:
    lines = (run / "images.jsonl").read_bytes().splitlines(keepends=True)
    (run / "images.jsonl").write_bytes(b"".join([lines[0], b'\xff\xfe{"picture":\n', lines[2]]))


def cut_picture(run: Path) -> None:
    os.truncate(next((run / "received").iterdir()), 50)


def put_a_folder_there(run: Path) -> None:
    (run / "images.jsonl").unlink()
    (run / "images.jsonl").mkdir()


def empty_received(run: Path) -> None:
    for file in (run / "received").iterdir():
        file.unlink()


DAMAGES: dict[str, tuple[Callable[[Path], object], str, int]] = {
    "half a line": (truncate, "the last line of {run}/images.jsonl was left half written", 2),
    "a damaged line": (scribble, "line 2 of {run}/images.jsonl is damaged", 2),
    "no records": (
        lambda run: (run / "images.jsonl").unlink(),
        "the run was cut short: 3 of 3 pictures have no record",
        0,
    ),
    "a folder for records": (
        put_a_folder_there,
        "cannot read {run}/images.jsonl: Is a directory",
        0,
    ),
    "no pictures": (
        empty_received,
        "pictures that are not there: received/00000-black.png, received/00001-more-odd-size.png",
        3,
    ),
    "half a picture": (cut_picture, ">damaged<", 3),
    "no options": (lambda run: (run / "config.yaml").unlink(), "cannot read {run}/config.yaml", 3),
    "no manifest": (lambda run: (run / "run.json").unlink(), "cannot read {run}/run.json", 3),
    "a strange manifest": (
        lambda run: (run / "run.json").write_text("[]"),
        "{run}/run.json is damaged",
        3,
    ),
    "damaged signals": (
        lambda run: (run / "signals.jsonl").write_text('{"picture": 0, "symbols": 3}\n'),
        "line 1 of {run}/signals.jsonl is damaged: symbols",
        3,
    ),
    "signals of before": (lambda run: (run / "signals.jsonl").unlink(), "PSNR", 3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_left_is_reported(run: Path, damage: str) -> None:
    do, said, shown = DAMAGES[damage]
    do(run)
    assert execute(["report", str(run)]) == 0
    page = (run / "report.html").read_text().partition("</main>")[0]
    assert said.format(run=run) in page
    assert page.count("<article") == shown
    assert ("what is left" in page) == ("half a picture" != damage != "signals of before")


def test_a_whole_run_misses_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["report", str(run)]) == 0
    assert capsys.readouterr().err == ""
    assert "what is left" not in (run / "report.html").read_text()


def test_a_run_is_summed_up_only_where_it_is_known_what_it_was(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "summary.json").unlink()
    (run / "config.yaml").unlink()
    assert execute(["report", str(run)]) == 0
    assert f"{run}: there was no summary.json" in capsys.readouterr().err
    assert json.loads((run / "summary.json").read_text())["completed"] == 3
    (run / "summary.json").unlink()
    (run / "run.json").unlink()
    assert execute(["report", str(run)]) == 0
    assert not (run / "summary.json").exists()
    remains = salvage(RunFolder.open(run))
    assert remains.manifest.scheme == "unknown scheme"
    assert remains.summary.completed == 3
