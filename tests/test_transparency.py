# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform costs a picture nothing: loopback and the symbol-level channel agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ota_runner.cli import execute

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

TOLERANCE_DB = 0.3


def measure(
    radio: str, scheme: str, snr: float, images: Path, output: Path, *more: str
) -> dict[str, object]:
    words = ["--radio", radio, "--scheme", scheme, "--snr", str(snr), "--images", str(images)]
    assert execute([*words, "--output", str(output), *more]) == 0
    summary = json.loads((output / "summary.json").read_text())
    assert isinstance(summary, dict)
    return summary


@pytest.mark.parametrize("snr", [0.0, 10.0, 20.0])
@pytest.mark.parametrize("scheme", ["linear", "adjscc"])
def test_loopback_and_ideal_agree(
    scheme: str, snr: float, small_samples: Path, tmp_path: Path
) -> None:
    ideal = measure("ideal", scheme, snr, small_samples, tmp_path / "ideal")
    loopback = measure("loopback", scheme, snr, small_samples, tmp_path / "loopback")
    difference = float(loopback["psnr_db"]) - float(ideal["psnr_db"])  # type: ignore[arg-type]
    assert abs(difference) <= TOLERANCE_DB  # a gain would be as wrong as a loss
    assert loopback["cbr"] == ideal["cbr"]
    assert loopback["snr_db"]["estimated_mean"] == pytest.approx(snr, abs=0.2)  # type: ignore[index]


@pytest.mark.parametrize("antennas", ["1x1", "1x2"])
def test_pictures_meet_the_same_fading_over_both(
    antennas: str, small_samples: Path, tmp_path: Path
) -> None:
    fading = ["--channel", "tdl-a", "--doppler", "5", "--numerology", "wide"]
    psnr = []
    for radio in ("ideal", "loopback"):
        output = tmp_path / radio
        measure(radio, "linear", 12.0, small_samples, output, *fading, "--antennas", antennas)
        lines = (output / "images.jsonl").read_text().splitlines()
        psnr.append([json.loads(line)["psnr_db"] for line in lines])
    assert psnr[1] == pytest.approx(psnr[0], abs=0.7)
    # The same pictures over other realisations are farther apart than that.
    other = [*fading, "--antennas", antennas, "--seed", "1"]
    measure("ideal", "linear", 12.0, small_samples, tmp_path / "other", *other)
    lines = (tmp_path / "other" / "images.jsonl").read_text().splitlines()
    elsewhere = [json.loads(line)["psnr_db"] for line in lines]
    assert max(abs(a - b) for a, b in zip(elsewhere, psnr[0], strict=True)) > 1
