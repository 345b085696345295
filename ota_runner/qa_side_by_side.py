# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs in one page: each picture once as sent and once of every run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from ota_runner.cli import execute
from ota_runner.panes import SHOWN
from ota_runner.record import PictureRecord, RunFolder
from ota_runner.remains import salvage
from ota_runner.side_by_side import run_labels, side_by_side_page


def send(scheme: str, pictures: Path, output: Path, *options: str) -> str:
    words = ["--radio", "ideal", "--scheme", scheme, "--images", str(pictures)]
    assert execute([*words, "--output", str(output), *options]) == 0
    return str(output)


def articles(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page.partition("</main>")[0], flags=re.DOTALL)


def captions(article: str) -> list[str]:
    found = re.findall(r"<figcaption>(.*?)</figcaption>", article, flags=re.DOTALL)
    return [re.sub(r"<.*?>", "", caption) for caption in found]


def test_the_same_picture_of_every_run(
    blocks: str, quantised: str, pictures: Path, tmp_path: Path
) -> None:
    """Also where one was sent in other company; links lead from the page to the runs."""
    first = send(blocks, pictures, tmp_path / "a & b", "--snr", "20")
    (pictures / "black.png").unlink()
    Image.new("RGB", (30, 30), "red").save(pictures / "red.png")
    second = send(quantised, pictures, tmp_path / "more" / "digital")
    output = tmp_path / "pages.html"
    assert execute(["report", first, second, "--output", str(output)]) == 0
    page = output.read_text()
    shown = articles(page)
    assert [re.search(r"<h3>(.*?)</h3>", article)[1] for article in shown] == [  # type: ignore[index]
        *("black", "more/odd size", "ramp", "red")
    ]
    black, _, ramp, red = map(captions, shown)
    assert black[0] == "sent"
    [record] = [r for r in RunFolder(Path(first)).records() if r.name == "ramp"]
    assert record.psnr_db is not None
    assert ramp[1].startswith(f"a &amp; b PSNR {record.psnr_db:.2f} dB, MS-SSIM –, Es/N0 ")
    assert (black[2], red[1]) == ("digital", "a &amp; b")
    assert all("not sent here" in article for article in (shown[0], shown[3]))
    assert page.count('src="data:image/webp;base64,') == 2 * 2 + 2 * 3
    assert 'href="a%20%26%20b/report.html"' in page
    assert 'href="more/digital/report.html"' in page
    assert "Not alike: snr: 20.0 (a &amp; b), 10.0 (digital)" in page
    outside = set(re.findall(r"(?:src|href)=\"(?!data:)([^\"]*)\"", page))
    assert outside == {"a%20%26%20b/report.html", "more/digital/report.html"}


def test_waveforms_differ_by_their_names(
    blocks: str, quantised: str, pictures: Path, tmp_path: Path
) -> None:
    """Not by all of their numbers."""
    options = [("--numerology", name, "--snr", "20") for name in ("narrow", "wide")]
    schemes = (blocks, quantised)
    runs = [
        send(scheme, pictures, tmp_path / words[1], *words)
        for scheme, words in zip(schemes, options, strict=True)
    ]
    assert execute(["report", *runs, "--output", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "Not alike: numerology: narrow (narrow), wide (wide)" in page


def test_rounds_are_told_apart_and_what_is_missing_is_said(
    blocks: str, pictures: Path, tmp_path: Path
) -> None:
    run = send(blocks, pictures, tmp_path / "twice", "--count", "5")
    (tmp_path / "twice" / "config.yaml").unlink()
    (tmp_path / "twice" / "received" / "00000-black.png").unlink()
    assert execute(["report", run, run, "--output", str(tmp_path / "a.html")]) == 0
    page = (tmp_path / "a.html").read_text()
    assert len(articles(page)) == 5
    assert page.count("received/00000-black.png") == 2
    assert "Not alike" not in page


def test_long_runs_show_some(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "long", "linear", "ideal")
    for number in range(SHOWN + 7):
        sent = f"sent/{number}.png"
        folder.append(PictureRecord(picture=number, name=sent, status="failed", sent=sent))
    page = side_by_side_page([salvage(folder)], tmp_path / "page.html")
    assert len(articles(page)) == SHOWN
    assert "7 further pictures" in page


def test_labels_tell_runs_apart() -> None:
    paths = [Path("x/a"), Path("y/a"), Path("y/b")]
    assert run_labels(paths) == ["x/a", "y/a", "b"]


def test_an_output_that_cannot_be_written(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = send(blocks, pictures, tmp_path / "run")
    assert execute(["report", run, "--output", str(tmp_path / "nowhere" / "a.html")]) == 2
    assert "cannot write to --output" in capsys.readouterr().err
    assert execute(["report", run, "--output", run]) == 2
    assert "Is a directory" in capsys.readouterr().err
