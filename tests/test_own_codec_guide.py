# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide to a codec of one's own, followed to the letter."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

GUIDE = Path(__file__).parents[1] / "docs" / "your-own-codec.md"
BLOCKS = re.findall(
    r"(?:as `(?P<name>[\w.]+)`:\n\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", GUIDE.read_text(), re.S
)


def psnr_db(folder: Path) -> float:
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["completed"] == summary["images"] == 3
    return float(summary["psnr_db"])


@pytest.mark.timeout(300)
def test_the_guide_works_as_it_is_written(tmp_path: Path) -> None:
    commands = 0
    for name, _, text in BLOCKS:
        if name:
            (tmp_path / name).write_text(text)
            continue
        for line in text.splitlines():
            program, *words = line.split()
            assert program == "ota_runner"
            result = subprocess.run(
                [sys.executable, "-m", "ota_runner", *words],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
            assert result.returncode == 0, result.stderr
            commands += 1
    assert commands == 4
    assert psnr_db(tmp_path / "first") > 20
    assert psnr_db(tmp_path / "other") > psnr_db(tmp_path / "first")
    for page in ("first/report.html", "compared/compare.html", "curves/compare.html"):
        assert "thumbnail" in (tmp_path / page).read_text()
