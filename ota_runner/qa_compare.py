# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparisons of runs that were written by hand, so that their figures are known."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from ota_runner.cli import execute
from ota_runner.curve_figures import _styled, curves_svg
from ota_runner.curves import Axis, Metric, draw_curves
from ota_runner.numerology import numerology_label, numerology_options, read_numerology
from ota_runner.past_runs import find_runs
from ota_runner.record import DigitalRecord, Manifest, PictureRecord, RunFolder
from ota_runner.sweep_record import SweepRecord, SweptRun

RED, BLUE = "5" * 64, "b" * 64


def write_run(
    path: Path,
    psnr_db: Sequence[float | None],
    *,
    scheme: str = "linear",
    cbr: float = 0.25,
    sha256: str = RED,
    ok: bool | None = None,
    started: str = "2026-01-01T00:00:00+00:00",
    trace_db: list[float] | None = None,
    **options: Any,
) -> None:
    """A run over as many pictures as there are PSNRs; None for a picture that was lost."""
    snr = options.setdefault("snr", 10.0)
    config = {"scheme": scheme, "radio": "ideal", "cbr": cbr, "seed": 0, **options}
    manifest = Manifest(
        scheme=scheme,
        preset="plain",
        weights=None,
        weights_sha256=None,
        radio="ideal",
        channel={"channel": "awgn", "snr_db": snr},
        sample_rate=None,
        pictures=[f"picture {number}" for number in range(len(psnr_db))],
        snr_set_db=None if trace_db else snr,
        snr_trace_db=trace_db,
        versions={},
        machine={},
        command="by hand",
        started=started,
    )
    folder = RunFolder.create(path, scheme, "ideal")
    folder.begin(config, manifest)
    digital = () if ok is None else (stream(ok=ok), stream(bits=24, ok=True))
    for number, psnr in enumerate(psnr_db):
        name = f"{number}.png"
        Image.new("RGB", (30, 20), "red").save(path / "sent" / name)
        Image.new("RGB", (30, 20), "orange").save(path / "received" / name)
        folder.append(
            PictureRecord(
                picture=number,
                name=f"picture {number}",
                status="lost" if psnr is None else "completed",
                height=20,
                width=30,
                sha256=sha256,
                sent=f"sent/{name}",
                received=f"received/{name}",
                psnr_db=psnr,
                mse=None if psnr is None else 10 ** (-psnr / 10),
                snr_set_db=trace_db[number] if trace_db else snr,
                channel_uses=round(1800 * cbr),
                digital=digital,
                notes={"quality": 30.0 + number, "mcs": "nr-16qam-2/3"} if digital else {},
            )
        )


def stream(bits: int = 4000, *, ok: bool) -> DigitalRecord:
    return DigitalRecord(mcs="nr-16qam-2/3", efficiency=2.667, bits=bits, ok=ok)


def compared(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "compare.json").read_text())
    assert found["format"] == 1
    return dict(found)


def values(curve: dict[str, Any], metric: str = "psnr_db") -> dict[float, float | None]:
    return {point["x"]: point[metric] for point in curve["points"]}


def test_curves_over_snr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for snr in (0.0, 10.0):
        write_run(tmp_path / f"a{snr}", [20 + snr, 22 + snr], snr=snr)
        write_run(tmp_path / f"b{snr}", [25.0, 25.0], scheme="jpeg+ldpc", ok=snr > 0, snr=snr)
    assert execute(["compare", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = compared(tmp_path)
    assert (found["axis"], found["metric"], found["differences"]) == ("snr", "psnr_db", [])
    assert found["common"] == {"radio": "ideal", "seed": "0", "channel": "awgn", "pictures": "2"}
    linear, jpeg = found["curves"]
    assert (linear["label"], values(linear)) == ("linear", {0: 21, 10: 31})
    assert values(linear, "psnr_of_mse_db")[0] == pytest.approx(20.886, abs=1e-3)
    assert values(jpeg, "fallen_back") == {0: 2, 10: 0}
    assert values(jpeg, "efficiency") == {0: 2.667, 10: 2.667}
    assert {point["mcs"] for point in jpeg["points"]} == {"nr-16qam-2/3"}
    rows = [line.split("│") for line in said.out.splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row[1:-1]] for row in rows] == [
        ["0", "21.00", "* 25.00 (2/2)"],
        ["10", "* 31.00", "25.00"],
    ]
    with (tmp_path / "compare.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["label"], line["x"], line["psnr_db"]) for line in lines] == [
        ("linear", "0.0", "21.0"),
        ("linear", "10.0", "31.0"),
        ("jpeg+ldpc", "0.0", "25.0"),
        ("jpeg+ldpc", "10.0", "25.0"),
    ]


def test_the_page_fetches_nothing_and_the_figure_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "<script>alert(1)</script> & $x$ [b]"
    runs = []
    for snr in (0.0, 10.0, 20.0):
        write_run(tmp_path / f"{snr:g}", [20.0 + snr], snr=snr)
        axes = {"snr": snr}
        runs.append(SweptRun(label=hostile, folder=f"{snr:g}", axes=axes, pictures=1))
    SweepRecord(command="by hand", runs=runs).write(tmp_path)
    assert execute(["compare", str(tmp_path)]) == 0
    page, figure = ((tmp_path / f"compare.{kind}").read_text() for kind in ("html", "svg"))
    assert "alert" in page
    assert "<script" not in page.partition("</main>")[0]
    # what is referred to lies in the page (data, or glyphs of the figure) or in the folder
    assert "[b]" in capsys.readouterr().out
    targets = set(re.findall(r"(?:src|href)=\"([^\"]*)\"", page))
    outside = {t for t in targets if not t.startswith(("data:image/webp;base64,", "#"))}
    assert outside == {"0/report.html", "10/report.html", "20/report.html"}
    assert "url(http" not in page
    assert "@import" not in page
    assert page.count("data:image/webp;base64,") == 3 * 2
    ElementTree.fromstring(figure)
    assert execute(["compare", str(tmp_path), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "compare.svg").read_text() == figure
    assert "2026" not in figure.partition("<defs>")[0]  # no date


def test_pictures_seeds_and_rates_are_not_compared_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "a", [20.0, 20.0], numerology="narrow")
    write_run(
        *(tmp_path / "b", [30.0]),
        scheme="jpeg+ldpc",
        sha256=BLUE,
        cbr=0.5,
        seed=3,
        numerology="wide",
    )
    assert execute(["compare", str(tmp_path)]) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "ota_runner: the runs are not alike: numerology: narrow (linear), wide (jpeg+ldpc); "
        "seed: 0 (linear), 3 (jpeg+ldpc); cbr: 0.25 (linear), 0.5 (jpeg+ldpc); "
        "pictures, which are not the same: 2 (linear), 1 (jpeg+ldpc)"
    )
    assert len(compared(tmp_path)["differences"]) == 4
    page = (tmp_path / "compare.html").read_text()
    assert "Not alike: seed: 0 (linear), 3 (jpeg+ldpc)" in page
    assert "another picture" in page


def test_curves_over_several_waveforms_are_named_briefly(tmp_path: Path) -> None:
    waveforms = [read_numerology("narrow"), read_numerology({"cyclic_prefix": 32, "name": "long"})]
    for number, numerology in enumerate(map(numerology_options, waveforms)):
        for snr in (0.0, 10.0):
            path = tmp_path / f"{number} {snr}"
            write_run(path, [20 + snr], snr=snr, numerology=numerology)
    assert execute(["compare", str(tmp_path)]) == 0
    label = numerology_label(numerology_options(waveforms[1]))
    assert re.fullmatch(r"long [0-9a-f]{8}", label)
    assert [curve["label"] for curve in compared(tmp_path)["curves"]] == [
        "linear, numerology narrow",
        f"linear, numerology {label}",
    ]
    assert "pilot_carriers" not in (tmp_path / "compare.html").read_text()


def test_runs_of_one_scheme_are_named_for_what_differs(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [20.0], mcs="adaptive")
    write_run(tmp_path / "b", [21.0], mcs="table1:3")
    assert execute(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--output", "x"]) == 0
    found = compared(Path("x"))
    assert [curve["label"] for curve in found["curves"]] == [
        "linear, mcs adaptive",
        "linear, mcs table1:3",
    ]
    assert [values(curve) for curve in found["curves"]] == [{10: 20}, {10: 21}]  # one point each
    assert found["curves"][0]["points"][0]["run"] == "../a"


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_of_equal_runs_the_latest_counts(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [20.0], started="2026-02-01T00:00:00+00:00")
    write_run(tmp_path / "b", [30.0], started="2026-01-01T00:00:00+00:00")
    [curve] = draw_curves(find_runs([tmp_path])[0]).curves
    assert [point.psnr_db for point in curve.points] == [20]


def test_no_curve_hides_another(tmp_path: Path) -> None:
    """A run beside a sweep joins its curve; one of nearly the same rate does not."""
    write_run(tmp_path / "swept", [20.0], snr=0.0)
    swept = SweptRun(label="linear", folder="swept", axes={"snr": 0.0}, pictures=1)
    SweepRecord(command="by hand", runs=[swept]).write(tmp_path)
    write_run(tmp_path / "loose", [25.0], snr=5.0, count=None)
    write_run(tmp_path / "near", [21.0], snr=0.0, cbr=0.25001)
    curves = draw_curves(find_runs([tmp_path])[0]).curves
    assert {curve.label: [point.psnr_db for point in curve.points] for curve in curves} == {
        "linear, cbr 0.25": [20, 25],
        "linear, cbr 0.25001": [21],
    }


def test_the_best_of_a_choice_in_hindsight_counts(tmp_path: Path) -> None:
    runs = []
    for snr, psnrs in ((0.0, {"low": 20.0, "high": 12.0}), (9.0, {"low": 21.0, "high": 30.0})):
        for mcs, psnr in psnrs.items():
            write_run(tmp_path / f"{snr:g}{mcs}", [psnr], snr=snr, mcs=mcs)
            runs.append(
                SweptRun(
                    label="jpeg+ldpc (hindsight)",
                    folder=f"{snr:g}{mcs}",
                    axes={"snr": snr, "mcs": mcs},
                    hindsight="mcs",
                    pictures=1,
                )
            )
    SweepRecord(command="by hand", runs=runs).write(tmp_path)
    curves = draw_curves(find_runs([tmp_path])[0])
    [curve] = curves.curves
    assert curve.label == "jpeg+ldpc (hindsight)"
    assert [(Path(p.run).name, p.psnr_db) for p in curve.points] == [("0low", 20), ("9high", 30)]


def test_a_bound_wins_nothing_and_a_sweep_keeps_its_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "c", [40.0], scheme="jpeg+capacity")
    write_run(tmp_path / "b", [30.0], scheme="jpeg+ldpc", ok=True)
    write_run(tmp_path / "a", [20.0])
    runs = [SweptRun(label=f"as {x}", folder=x, axes={}, pictures=1) for x in ("c", "b", "a")]
    SweepRecord(command="by hand", runs=runs).write(tmp_path)
    assert execute(["compare", str(tmp_path)]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["10", "40.00", "* 30.00", "20.00"]
    curves = compared(tmp_path)["curves"]
    assert [(curve["label"], curve["bound"]) for curve in curves] == [
        *(("as c", True), ("as b", False), ("as a", False))
    ]


def test_bjontegaard_deltas_over_the_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scheme that takes a tenth less of the channel for the same PSNR, 5 dB a factor of two."""
    for step in range(4):
        cbr, psnr = 0.05 * 2**step, 25.0 + 5 * step
        write_run(tmp_path / f"a{step}", [psnr], cbr=cbr)
        write_run(tmp_path / f"b{step}", [psnr], scheme="jpeg+ldpc", cbr=0.9 * cbr)
        write_run(tmp_path / f"c{step}", [psnr - 20], scheme="linear", cbr=cbr, seed=1)
    write_run(tmp_path / "d", [28.0], scheme="webp+ldpc", cbr=0.05)
    assert execute(["compare", str(tmp_path)]) == 0
    assert "-10.00" in capsys.readouterr().out
    found = compared(tmp_path)
    assert found["axis"] == "cbr"
    jpeg, poor, webp = found["deltas"]
    assert (jpeg["anchor"], jpeg["label"]) == ("linear, seed 0", "jpeg+ldpc")
    assert (poor["bd_rate_percent"], poor["note"]) == (None, "the curves have no PSNR in common")
    assert poor["bd_psnr_db"] == pytest.approx(-20)
    assert jpeg["bd_rate_percent"] == pytest.approx(-10, abs=0.2)
    assert jpeg["bd_psnr_db"] == pytest.approx(0.76, abs=0.02)  # 5 log2(1 / 0.9)
    assert webp["bd_rate_percent"] is webp["bd_psnr_db"] is None
    assert "a curve of 1 points" in webp["note"]
    assert execute(["compare", str(tmp_path), "--anchor", "jpeg+ldpc"]) == 0
    assert compared(tmp_path)["deltas"][0]["bd_rate_percent"] == pytest.approx(11.1, abs=0.2)


def test_frame_by_frame_along_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace: dict[str, Any] = {"trace_db": [3.0, 12.0, 7.0], "snr_trace": "/elsewhere/t.csv"}
    write_run(tmp_path / "a", [20.0, None, 25.0], **trace)
    write_run(tmp_path / "b", [12.0, 30.0, 24.0], scheme="jpeg+ldpc", ok=True, **trace)
    assert execute(["compare", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = compared(tmp_path)
    assert found["axis"] == "frame"
    linear, jpeg = found["curves"]
    assert values(linear) == {0: 20, 1: None, 2: 25}
    assert values(linear, "snr_db") == {0: 3, 1: 12, 2: 7}
    assert values(linear, "fallen_back") == {0: 0, 1: 1, 2: 0}
    assert values(jpeg, "quality") == {0: 30, 1: 31, 2: 32}
    [mean] = [line for line in said.out.splitlines() if "mean" in line]
    assert "* 22.50 (1/3)" in mean
    figure = (tmp_path / "compare.svg").read_text()
    assert len(re.findall(r"<g id=\"axes_\d\">", figure)) == 4  # three panels, one of two scales
    write_run(tmp_path / "c", [20.0, 20.0, 20.0], trace_db=[1.0, 2.0, 3.0])
    assert execute(["compare", str(tmp_path)]) == 0
    assert re.search(r"snr_trace: t\.csv \w{8} \(linear, .*\), None \w{8}", capsys.readouterr().err)


def test_broken_runs_are_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("whole", "short", "torn", "damaged", "unset"):
        write_run(tmp_path / name, [20.0, 21.0])
    lines = (tmp_path / "short" / "images.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "short" / "images.jsonl").write_text(lines[0] + lines[1][:30])
    (tmp_path / "torn" / "run.json").unlink()
    (tmp_path / "damaged" / "run.json").write_text("{}")
    (tmp_path / "unset" / "config.yaml").write_text("")
    assert execute(["compare", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert f"left out: {tmp_path / 'short'} was cut short, with 1 of 2 pictures" in said
    assert f"left out: cannot read {tmp_path / 'torn' / 'run.json'}" in said
    assert f"left out: {tmp_path / 'damaged' / 'run.json'} is damaged" in said
    assert f"left out: {tmp_path / 'unset' / 'config.yaml'} is damaged" in said
    found = compared(tmp_path)
    assert len(found["left_out"]) == 4
    assert [len(curve["points"]) for curve in found["curves"]] == [1]
    assert execute(["compare", str(tmp_path / "short")]) == 2
    assert "no whole run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], ["nowhere holds no run"]),
        (["a", "--anchor", "liner"], ["no curve 'liner'", "did you mean 'linear'"]),
        (["a", "--anchor", "linear"], ["BD-rates compare PSNR over the CBR"]),
        (["a", "--metric", "psnr"], ["psnr", "psnr_db"]),
        (["a", "--output", "a/run.json"], ["cannot write to a/run.json"]),
        (["bad"], ["bad/sweep.json is damaged"]),
    ],
)
def test_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    write_run(tmp_path / "a", [20.0])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "sweep.json").write_text("{")
    assert execute(["compare", *words]) == 2
    line = capsys.readouterr().err.strip()
    assert all(part in line for part in said), line
    assert "\n" not in line


def test_what_counts_as_arrived() -> None:
    picture = PictureRecord(picture=0, name="", status="completed")
    side_information_lost = (stream(ok=True), stream(bits=24, ok=False))
    stream_lost = (stream(ok=False), stream(bits=24, ok=True))
    assert not picture.fell_back
    assert not picture.model_copy(update={"digital": side_information_lost}).fell_back
    assert picture.model_copy(update={"digital": stream_lost}).fell_back
    assert picture.model_copy(update={"notes": {"flat": "no stream is small enough"}}).fell_back
    assert picture.model_copy(update={"status": "lost"}).fell_back


def test_curves_look_different(tmp_path: Path) -> None:
    """Twenty curves: no two of the same colour, marker and dash."""
    for number in range(20):
        write_run(tmp_path / f"{number:02}", [20.0 + number], depth=number)
    curves = draw_curves(find_runs([tmp_path])[0])
    assert curves.axis is Axis.SNR
    assert len({tuple(look.values()) for _, look in _styled(curves.curves)}) == 20
    assert curves_svg(curves, Metric.PSNR) == curves_svg(curves, Metric.PSNR)
