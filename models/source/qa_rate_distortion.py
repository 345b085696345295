# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from semcom_models import source
from semcom_models.source.__main__ import app
from semcom_models.source.rate_distortion import measure


def test_means_over_the_pictures_that_fit() -> None:
    large, small = data.astronaut()[:128, :128], data.astronaut()[:8, :8]
    point = measure(source.get("jpeg2000"), [large, small], 1.0)
    assert point is not None
    assert point.fitting == 1  # eight bytes are no stream
    assert 0.95 < point.bits_per_pixel <= point.budget
    assert 20 < point.psnr_db < 50
    assert point.encode_s > point.decode_s > 0
    assert measure(source.get("jpeg2000"), [small], 1.0) is None


def test_prints_a_table(tmp_path: Path) -> None:
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "a.png")
    options = ["--codec", "jpeg", "--codec", "bpg", "--budget", "2", "--budget", "0.01"]
    result = CliRunner().invoke(app, [str(tmp_path), *options])
    assert result.exit_code == 0
    rows = [line.split("│")[1:-1] for line in result.stdout.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells[0][:2] == ["jpeg", "2.000"]
    assert 1.8 < float(cells[0][2]) <= 2
    assert float(cells[0][3]) > 20
    assert cells[1][2] == "none"
    assert "libjpeg-turbo" in result.stdout


@pytest.mark.parametrize("arguments", [["nowhere.png"], ["--codec", "gif", "."]])
def test_bad_input_is_one_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code != 0
    assert "Traceback" not in result.output
