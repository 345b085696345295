# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ota_runner.cli import execute

IDEAL = ["--radio", "ideal", "--scheme", "linear"]


@pytest.fixture
def runs(pictures: Path, tmp_path: Path) -> list[str]:
    made = []
    for snr in ("0", "20"):
        output = tmp_path / f"run{snr}"
        words = [*IDEAL, "--snr", snr, "--images", str(pictures), "--output", str(output)]
        assert execute(words) == 0
        made.append(str(output))
    return made


def test_pictures_of_runs_stand_side_by_side(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheets = {}
    for count in (1, 3):
        file = tmp_path / f"{count}.png"
        assert execute(["sheet", *runs, "--output", str(file), "--count", str(count)]) == 0
        assert f"sheet: {file}" in capsys.readouterr().out
        with Image.open(file) as sheet:
            sheets[count] = np.asarray(sheet.convert("L"), float)
    assert sheets[1].shape[1] == sheets[3].shape[1] > 3 * 200
    assert sheets[3].shape[0] > 2 * sheets[1].shape[0]
    # The first of them is black: three black panels in a row.
    black = (sheets[1] < 8).mean(axis=0) > 0.5
    assert np.count_nonzero(np.diff(black.astype(int)) == 1) == 3


@pytest.mark.parametrize("damage", ["sent", "received"])
def test_a_picture_that_is_gone_is_told(
    damage: str, runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    next((Path(runs[0]) / damage).glob("*.png")).write_bytes(b"half")
    assert execute(["sheet", *runs, "--output", str(tmp_path / "sheet.png")]) == 2
    assert "cannot be read: make the run anew" in capsys.readouterr().err


def test_what_cannot_be_drawn_is_one_line(
    runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    picture = tmp_path / "else.png"
    Image.new("RGB", (40, 40), "red").save(picture)
    assert execute([*IDEAL, "--images", str(picture), "--output", str(other)]) == 0
    for words, said in (
        ([runs[0], str(other), "--output", "x.png"], "no picture in common"),
        ([runs[0], "--output", str(tmp_path / "sheet.xyz")], "cannot write --output"),
        ([runs[0], "--output", str(tmp_path / "none" / "x.png")], "cannot write --output"),
        ([str(tmp_path / "nothing"), "--output", "x.png"], "nothing"),
    ):
        capsys.readouterr()
        assert execute(["sheet", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
