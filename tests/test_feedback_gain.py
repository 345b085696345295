# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from scipy import stats

from benchmarks import feedback_gain
from ota_runner.cli import execute
from ota_runner.past_runs import find_runs

SWEEP = """
schemes:
  - {scheme: linear, label: frozen at 10 dB, encoder_snr: 10}
  - {scheme: linear, label: fed back, feedback_delay: 0}
  - {scheme: linear, label: late, feedback_delay: 3}
radio: ideal
snr_trace: walk
trace_step: 5
count: 6
seed: [1, 2]
"""


def test_runs_are_compared_seed_by_seed(
    small_samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "walk.yaml").write_text(SWEEP)
    words = ["sweep", str(tmp_path / "walk.yaml"), "--images", str(small_samples)]
    assert execute([*words, "--output", str(tmp_path / "sweep")]) == 0
    capsys.readouterr()
    figure = tmp_path / "gain.svg"
    assert feedback_gain.main([str(tmp_path / "sweep"), "--figure", str(figure)]) == 0
    assert figure.read_text().startswith("<?xml")
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == [
        "frozen at 10 dB",
        "fed back",
        "late",
    ]

    runs, _ = find_runs([tmp_path / "sweep"])
    psnr = {
        (run.swept.label, run.config["seed"]): statistics.fmean(r.psnr_db or 0 for r in run.records)
        for run in runs
        if run.swept is not None
    }
    frozen, fed_back = (
        [psnr[label, seed] for seed in (1, 2)] for label in ("frozen at 10 dB", "fed back")
    )
    interval = stats.ttest_rel(fed_back, frozen).confidence_interval()
    gain = feedback_gain.find_gains(runs)[1]
    assert (gain.label, gain.delay, gain.seeds) == ("fed back", 0, 2)
    assert gain.gain_db == pytest.approx((interval.low + interval.high) / 2)
    assert gain.interval_db == pytest.approx((interval.high - interval.low) / 2)
    # `linear` places its power by the SNR that it is told.
    assert gain.gain_db > 0


def test_a_sweep_without_a_frozen_encoder_is_refused(
    small_samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--radio", "ideal", "--scheme", "linear", "--images", str(small_samples)]
    assert execute([*words, "--output", str(tmp_path / "run")]) == 0
    with pytest.raises(SystemExit):
        feedback_gain.main([str(tmp_path / "run")])
    assert "no scheme is labelled 'frozen at 10 dB'" in capsys.readouterr().err
