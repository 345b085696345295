# SPDX-License-Identifier: GPL-3.0-or-later
"""Antennas, streams and feedback of a run, on the symbol-level radio."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota_runner.cli import execute
from ota_runner.main_job import fades_anew
from ota_runner.radios import IdealOptions
from semcom_models.data import sample_pictures, save_picture

MIMO = ["--radio", "ideal", "--antennas", "2x2", "--channel", "rayleigh", "--snr", "12"]


def records(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "images.jsonl").read_text().splitlines()]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture.png"
    save_picture(path, sample_pictures()[0][1][:, :65, :63])  # odd: the last symbol is alone
    return str(path)


@pytest.mark.parametrize("scheme", ["linear", "jpeg+ldpc"])
def test_two_streams_take_half_the_channel_uses(scheme: str, picture: str, tmp_path: Path) -> None:
    uses: dict[int, int] = {}
    for streams in (1, 2):
        output = tmp_path / str(streams)
        words = ["--scheme", scheme, "--streams", str(streams), "--output", str(output)]
        assert execute([*MIMO, *words, "--images", picture]) == 0
        (record,) = records(output)
        uses[streams] = record["channel_uses"]
        assert record["cbr"] == pytest.approx(uses[streams] / (3 * 65 * 63))
    assert 0 <= 2 * uses[2] - uses[1] <= 2  # each section by itself


def test_cbr_counts_channel_uses(picture: str, tmp_path: Path) -> None:
    for streams in (1, 2):
        output = tmp_path / str(streams)
        words = ["--scheme", "jpeg+ldpc", "--cbr", "0.4", "--streams", str(streams)]
        assert execute([*MIMO, *words, "--images", picture, "--output", str(output)]) == 0
        (record,) = records(output)
        assert 0.3 < record["cbr"] <= 0.4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--antennas", "1x2", "--streams", "2"], "--streams 2 needs two antennas at both ends"),
        (["--antennas", "1x2", "--precoder", "svd"], "--precoder svd needs two transmit antennas"),
        (["--precoder", "pcen"], "--precoder pcen is made for two streams: use --streams 2"),
        (["--csi-error", "0.1"], "--csi-error goes with --precoder svd or pcen"),
        (["--precoder", "svd", "--csi-bits", "1"], "--csi-bits 1 is too few"),
        (
            ["--precoder", "pcen", "--streams", "2", "--scheme", "linear"],
            "linear has none: use --precoder svd",
        ),
        (
            ["--precoder", "pcen", "--streams", "2", "--scheme", "jpeg+ldpc"],
            "--mcs adaptive has many: name one",
        ),
        (
            ["--precoder", "pcen", "--streams", "2", "--scheme", "jpeg+ldpc", "--mcs", "table1:20"],
            "PCEN was trained for QPSK, 16QAM, not for 64QAM; choose another --mcs",
        ),
        (
            ["--streams", "2", "--scheme", "adjscc", "--cbr", "0.1667"],
            "--streams 2 asks it for as many symbols a channel use",
        ),
    ],
)
def test_what_does_not_fit_is_said_on_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute([*MIMO, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []


def test_the_channel_fed_back_is_used(picture: str, tmp_path: Path) -> None:
    """One stream from two antennas: beamforming gains what a second antenna can, 3 dB and more."""
    received = {}
    for precoder in ("none", "svd"):
        output = tmp_path / precoder
        words = ["--scheme", "linear", "--antennas", "2x1", "--channel-continues", "--count", "5"]
        words += ["--precoder", precoder, "--images", picture, "--output", str(output)]
        assert execute([*MIMO, *words]) == 0
        received[precoder] = [SimpleNamespace(**record) for record in records(output)]
    assert [record.csi_id for record in received["none"]] == 5 * [None]
    assert [record.csi_id for record in received["svd"]] == [None, 1, 2, 3, 4]
    assert all(0 < record.csi_age_s < 1 for record in received["svd"][1:])
    first = [runs[0].snr_estimated_db for runs in received.values()]
    assert first[0] == pytest.approx(first[1], abs=1e-6)
    for plain, formed in zip(received["none"][1:], received["svd"][1:], strict=True):
        assert formed.snr_estimated_db > plain.snr_estimated_db + 1


@pytest.mark.parametrize(
    ("channel", "continues", "anew"),
    [("rayleigh", False, True), ("rayleigh", True, False), ("awgn", False, False)],
)
def test_a_channel_of_each_pictures_own_is_told(channel: str, continues: bool, anew: bool) -> None:
    assert fades_anew(IdealOptions(channel=channel, channel_continues=continues)) == anew
