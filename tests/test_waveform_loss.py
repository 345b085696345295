# SPDX-License-Identifier: GPL-3.0-or-later
"""What the waveform costs, from the runs of a sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy import stats

from benchmarks import waveform_loss
from ota_runner.cli import execute
from ota_runner.past_runs import find_runs

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

SWEEP = """
schemes: [linear]
radio: [ideal, loopback]
numerology: wide
channel: tdl-a
doppler: [5, 50]
"""


def psnrs(run: Path) -> list[float]:
    lines = (run / "images.jsonl").read_text().splitlines()
    return [json.loads(line)["psnr_db"] for line in lines]


def test_pictures_are_compared_in_pairs(
    small_samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loss.yaml").write_text(SWEEP)
    folder = tmp_path / "sweep"
    words = ["sweep", str(tmp_path / "loss.yaml"), "--images", str(small_samples)]
    assert execute([*words, "--output", str(folder)]) == 0
    capsys.readouterr()
    assert waveform_loss.main([str(folder)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    assert rows[2].startswith("| linear | doppler 5 | 3 | ")

    loss = waveform_loss.find_losses(find_runs([folder])[0])[1]
    ours, known = (
        psnrs(folder / "linear" / f"radio={radio}_doppler=50") for radio in ("loopback", "ideal")
    )
    interval = stats.ttest_rel(ours, known).confidence_interval()
    assert loss.place == "doppler 50"
    assert loss.difference_db == pytest.approx((interval.low + interval.high) / 2)
    assert loss.interval_db == pytest.approx((interval.high - interval.low) / 2)
    assert abs(loss.difference_db) < 1
    assert loss.reference_db == pytest.approx(sum(known) / 3)
    assert loss.frames_lost == 0 < loss.frames_sent


def test_runs_without_a_partner_are_refused(
    small_samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--radio", "ideal", "--scheme", "linear", "--images", str(small_samples)]
    assert execute([*words, "--output", str(tmp_path / "run")]) == 0
    with pytest.raises(SystemExit):
        waveform_loss.main([str(tmp_path / "run")])
    assert "no two runs differ in the radio alone" in capsys.readouterr().err
