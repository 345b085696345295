# SPDX-License-Identifier: GPL-3.0-or-later
"""What the encoder is told: the SNR set, the one fed back, or a number."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota_runner.cli import execute
from ota_runner.config import RunConfig
from ota_runner.errors import UsageError
from ota_runner.feedback_loop import feedback_loop
from semcom_models.data import sample_pictures, save_picture

TRACE = [4.0, 12.0, 8.0, 16.0, 6.0]
IDEAL = ["--radio", "ideal", "--scheme", "linear"]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture.png"
    save_picture(path, sample_pictures()[0][1][:, :64, :64])
    return str(path)


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = tmp_path / "trace.csv"
    path.write_text("\n".join(map(str, TRACE)))
    return str(path)


def records(output: Path) -> list[Any]:
    lines = (output / "images.jsonl").read_text().splitlines()
    return [SimpleNamespace(**json.loads(line)) for line in lines]


def run(words: list[str], output: Path) -> list[Any]:
    assert execute([*words, "--output", str(output)]) == 0
    return records(output)


@pytest.mark.parametrize("radio", ["ideal", "loopback"])
@pytest.mark.parametrize("delay", [0, 1])
def test_the_encoder_is_told_what_came_back(
    radio: str, delay: int, picture: str, trace: str, tmp_path: Path
) -> None:
    words = ["--radio", radio, "--scheme", "linear", "--images", picture, "--snr-trace", trace]
    words += ["--snr", "7", "--feedback-delay", str(delay)]
    got = run(words, tmp_path / "run")
    measured = [record.snr_estimated_db for record in got]
    assert [record.snr_told_db for record in got[: delay + 1]] == [7.0] * (delay + 1)
    told = [record.snr_told_db for record in got[delay + 1 :]]
    assert told == pytest.approx(measured[: len(told)], abs=1e-5)
    assert measured == pytest.approx(TRACE, abs=0.4)
    assert [record.feedback["used"] for record in got] == [1] * 5
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["feedback"] == {**got[0].feedback, "used": 5}


def test_the_channels_own_snr_or_a_number_can_be_told(
    picture: str, trace: str, tmp_path: Path
) -> None:
    words = [*IDEAL, "--images", picture, "--snr-trace", trace]
    for asked, told in (
        ([], TRACE),
        (["--encoder-snr", "set"], TRACE),
        (["--encoder-snr=-2.5"], [-2.5] * 5),
    ):
        got = run([*words, *asked], tmp_path / "-".join(["run", *asked]))
        assert [record.snr_told_db for record in got] == told
        assert all(record.feedback is None for record in got)
    config = (tmp_path / "run---encoder-snr=-2.5" / "config.yaml").read_text()
    assert "encoder_snr: '-2.5'" in config


def test_a_file_may_hold_the_number(picture: str, tmp_path: Path) -> None:
    options = tmp_path / "options.yaml"
    options.write_text("encoder_snr: 3\nradio: ideal\nscheme: linear\n")
    got = run(["--config", str(options), "--images", picture], tmp_path / "run")
    assert got[0].snr_told_db == 3.0


def test_a_run_that_is_resumed_is_told_the_same(picture: str, trace: str, tmp_path: Path) -> None:
    words = [*IDEAL, "--images", picture, "--snr-trace", trace, "--feedback-delay", "1"]
    whole = run(words, tmp_path / "whole")
    cut = tmp_path / "cut"
    run(words, cut)
    lines = (cut / "images.jsonl").read_text().splitlines(keepends=True)
    (cut / "images.jsonl").write_text("".join(lines[:3]))
    resumed = run([*words, "--resume"], cut)
    assert [r.snr_told_db for r in resumed] == [r.snr_told_db for r in whole]
    assert [r.psnr_db for r in resumed] == [r.psnr_db for r in whole]
    assert [r.feedback for r in resumed] == [r.feedback for r in whole]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--encoder-snr", "loud"], "choose set, feedback, or a number of dB from -30 to 60"),
        (["--encoder-snr", "61"], "choose set, feedback, or a number of dB from -30 to 60"),
        (["--encoder-snr", "nan"], "choose set, feedback, or a number of dB from -30 to 60"),
        (["--encoder-snr", "5", "--feedback-delay", "1"], "nothing is fed back"),
        (["--feedback-delay", "-1"], "--feedback-delay"),
    ],
)
def test_nonsense_is_one_clear_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute([*IDEAL, *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_over_a_radio_with_a_channel_of_its_own_the_snr_is_fed_back() -> None:
    assert feedback_loop(RunConfig(), simulated=False).encoder_snr == "feedback"
    assert feedback_loop(RunConfig(), simulated=True).encoder_snr == "set"
    with pytest.raises(UsageError, match="--encoder-snr set: the SNR of --radio loopback cannot"):
        feedback_loop(RunConfig(encoder_snr="set"), simulated=False)
