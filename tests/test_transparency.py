# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform costs a picture nothing: loopback and the symbol-level channel agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ota_runner.cli import execute

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

TOLERANCE_DB = 0.3


def measure(radio: str, scheme: str, snr: float, images: Path, output: Path) -> dict[str, object]:
    words = ["--radio", radio, "--scheme", scheme, "--snr", str(snr), "--images", str(images)]
    assert execute([*words, "--output", str(output)]) == 0
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
