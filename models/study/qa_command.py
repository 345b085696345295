# SPDX-License-Identifier: GPL-3.0-or-later
import sys
from pathlib import Path

import pytest
from torch import Tensor

from semcom_models.data import save_picture
from semcom_models.study import __main__ as command
from semcom_models.study import factors, interval, mismatch


@pytest.fixture
def folder(pictures: list[Tensor], tmp_path: Path) -> Path:
    for number, picture in enumerate(pictures):
        save_picture(tmp_path / f"{number}.png", picture)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["study", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    return int(ended.value.code or 0)


def test_each_experiment_is_one_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interval, "RESAMPLES", 10)
    monkeypatch.setattr(mismatch, "SNRS_DB", (0.0, 10.0))
    monkeypatch.setattr(factors, "SNRS_DB", (1.0, 19.0))
    made = folder / "made"
    assert call(monkeypatch, "factors", made, "--images", folder) == 0
    assert "adjscc-cifar-small, 3 pictures" in capsys.readouterr().out
    assert call(monkeypatch, "mismatch", made, "--images", folder, "--pictures", 2) == 0
    printed = capsys.readouterr().out
    assert "adjscc-cifar-small, 2 pictures" in printed
    assert "BDJSCC, 10 dB" in printed
    picture = ("--picture", folder / "0.png", "--channel", 3)
    assert call(monkeypatch, "features", made, *picture) == 0
    assert "adjscc-photo-small, encoder-1, channel 3: factor 0." in capsys.readouterr().out
    names = {"factors.csv", "factors.svg", "features.png", "mismatch.csv", "mismatch.svg"}
    assert {file.name for file in made.iterdir()} == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("factors", "--preset", "adjscc-cifar"), "adjscc has no preset 'cifar': did you mean"),
        (("factors", "--preset", "bdjscc-cifar-small-10db"), "is ADJSCC without AF modules"),
        (("mismatch", "--preset", "linear-r6"), "linear-r6 is no ADJSCC"),
        (("factors", "--images", "nowhere"), "no picture file or folder nowhere"),
        (("factors", "--images", "0.png"), "has one picture"),
        (("features", "--picture", "text.png"), "cannot read picture text.png"),
        (("features", "--channel", "64"), "encoder-1 has channels 0 to 63: there is no 64"),
        (("features", "--module", "middle"), "there is no AF module 'middle'"),
    ],
)
def test_bad_input_is_one_line(
    words: tuple[str, ...],
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    Path("text.png").write_text("no picture")
    images = () if words[0] == "features" or "--images" in words else ("--images", ".")
    assert call(monkeypatch, words[0], "made", *words[1:], *images) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert said in printed
    assert printed.count("\n") == 1
    assert not Path("made").exists()
