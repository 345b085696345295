# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports: self-contained, bounded in size, safe against names."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ota_runner import thumbnails
from ota_runner.cli import execute
from ota_runner.figures import trace_figure
from ota_runner.frame_figures import (
    CHANNELS_SHOWN,
    FRAMES_SHOWN,
    channel_figure,
    estimates_figure,
)
from ota_runner.record import FrameRecords, PictureRecord, RunFolder
from ota_runner.report import SHOWN, choose_shown

LATENCY = "Latency by stage"


def shown_picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/webp;base64,"))))


def test_report_fetches_nothing(blocks: str, pictures: Path, tmp_path: Path) -> None:
    hostile = pictures / "<script>alert('x')<.png"
    Image.new("RGB", (20, 20), "red").save(hostile)
    output = tmp_path / "run"
    arguments = ["--radio", "ideal", "--scheme", blocks, "--images", str(pictures)]
    assert execute([*arguments, "--output", str(output)]) == 0
    page = (output / "report.html").read_text()
    body = page.partition("</main>")[0]
    assert "alert" in body
    assert "&lt;script&gt;" in body
    assert "<script" not in body
    assert page.count("<script") == page.count("</script>") == 4
    assert re.findall(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(?!data:)", body) == []
    assert body.count('src="data:image/webp;base64,') == 3 * 4
    for name in ("black", "more/odd size", "ramp"):
        assert name in body


def page_of(scheme: str, pictures: Path, output: Path, *options: str) -> str:
    """The body of a run's report."""
    arguments = ["--radio", "ideal", "--scheme", scheme, "--images", str(pictures)]
    assert execute([*arguments, "--output", str(output), *options]) in (0, 4)
    return (output / "report.html").read_text().partition("<script>")[0]


def test_sections_of_bits_have_columns_where_there_are_any(
    blocks: str, quantised: str, pictures: Path, tmp_path: Path
) -> None:
    digital = page_of(quantised, pictures, tmp_path / "digital", "--depth", "6")
    for heading in ("MCS", "sections failed", "quality"):
        assert f"<th>{heading}</th>" in digital
    assert digital.count("<td>qpsk-conv-1/3</td><td>0 of 1</td><td>6</td>") == 3
    assert "<td>0 of 3</td>" in digital
    lost = page_of(quantised, pictures, tmp_path / "lost", "--erase-fragments", "1")
    assert lost.count("<td>qpsk-conv-1/3</td><td>1 of 1</td>") == 3
    analogue = page_of(blocks, pictures, tmp_path / "analogue")
    assert "<th>MCS</th>" not in analogue
    assert "<th>quality</th>" not in analogue
    for page in (digital, lost, analogue):
        columns = [row.count("<th>") or row.count("<td>") for row in table_rows(page)]
        assert len(columns) == 1 + 3 + 1
        assert len(set(columns)) == 1


def test_a_picture_sent_as_its_mean_colour_says_so(pictures: Path, tmp_path: Path) -> None:
    said = "sent as its mean colour: no jpeg stream is small enough"
    assert page_of("jpeg+ldpc", pictures, tmp_path / "flat", "--cbr", "0.05").count(said) == 3
    assert page_of("jpeg+ldpc", pictures, tmp_path / "fits", "--cbr", "1").count(said) < 3


def test_a_trace_is_shown_frame_by_frame(
    blocks: str, quantised: str, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "trace").write_text("20\n-20\n20\n")
    trace = ["--snr-trace", str(tmp_path / "trace")]
    page = page_of(quantised, pictures, tmp_path / "digital", *trace)
    assert page.count("-20.0 to 20.0") == 2
    figure = figures_of(tmp_path / "digital")[0]
    titles = [figure["layout"][axis]["title"]["text"] for axis in ("yaxis", "yaxis2", "yaxis3")]
    assert titles == ["Es/N0 in dB", "PSNR in dB", "bits a symbol"]
    assert figure["layout"]["yaxis4"]["title"]["text"] == "quality"
    courses = {course["name"]: course["y"] for course in figure["data"]}
    assert courses["set"] == [20, -20, 20]
    assert courses["sent"] == pytest.approx([2 / 3] * 3)
    assert courses["not arrived whole"] == [None, pytest.approx(2 / 3), None]
    assert courses["quality"] == [8, 8, 8]
    page_of(blocks, pictures, tmp_path / "lost", *trace, "--erase-fragments", "1")
    figure = figures_of(tmp_path / "lost")[0]
    assert "yaxis3" not in figure["layout"]
    courses = {course["name"]: course["y"] for course in figure["data"]}
    assert "PSNR" not in courses
    assert courses["lost or failed"] == [0] * 3
    page_of(blocks, pictures, tmp_path / "fixed")
    assert "yaxis2" not in figures_of(tmp_path / "fixed")[0]["layout"]


def test_settings_that_are_words_are_in_the_order_of_their_numbers() -> None:
    noted = ["4:4:4 90", "4:2:0 8", "4:2:0 75", "4:4:4 90"]
    records = [
        PictureRecord(picture=i, name="a", status="completed", notes={"quality": quality})
        for i, quality in enumerate(noted)
    ]
    [course] = [c for c in trace_figure(records)["data"] if c["name"] == "quality"]
    assert course["y"] == noted
    axes = trace_figure(records)["layout"].values()
    [axis] = [a for a in axes if isinstance(a, dict) and a.get("type") == "category"]
    assert axis["categoryarray"] == ["4:2:0 8", "4:2:0 75", "4:4:4 90"]


def test_estimates_of_frames_are_drawn_where_there_are_any(
    blocks: str, pictures: Path, tmp_path: Path
) -> None:
    page_of(blocks, pictures, tmp_path / "run")
    before = titles_of(tmp_path / "run")
    assert before[:4] == ["SNR, set and measured", "PSNR by measured SNR", "Frames", LATENCY]
    folder = RunFolder.open(tmp_path / "run")
    for record in folder.records()[:2]:
        half = 2 + record.picture
        frames = FrameRecords(
            snr_db=(10.5 + record.picture, None),
            cfo_hz=(-99.25, None),
            gain_db=((tuple(float(k) for k in range(2 * half)), 2 * half * (0.0,)),),
        )
        folder.append(record.model_copy(update={"frames": frames}))
    assert execute(["report", str(tmp_path / "run")]) == 0
    assert titles_of(tmp_path / "run")[: len(before)] == before
    channel, estimates = figures_of(tmp_path / "run")[len(before) :]
    assert estimates["layout"]["yaxis2"]["title"]["text"] == "carrier offset in Hz"
    snr, offset = estimates["data"]
    assert snr["x"] == offset["x"] == [1, 2, 3, 4]
    assert snr["y"] == [10.5, None, 11.5, None]
    assert offset["y"] == [-99.25, None, -99.25, None]
    assert snr["text"][3] == "more/odd size, frame 2 of 2"
    names = [line["name"] for line in channel["data"]]
    assert names == [
        f"{name}, antenna {tx} to 1" for name in ("black", "more/odd size") for tx in (1, 2)
    ]
    assert channel["data"][0]["x"] == [-2, -1, 1, 2]
    assert channel["data"][0]["y"] == [0, 1, 2, 3]


def test_long_runs_draw_some_frames_and_channels() -> None:
    frames = FrameRecords(snr_db=7 * (3.0,), cfo_hz=7 * (0.0,), gain_db=(((1.0, 2.0),),))
    records = [
        PictureRecord(picture=i, name=str(i), status="completed", frames=frames)
        for i in range(2000)
    ]
    drawn = estimates_figure(records)["data"][0]["x"]
    assert len(drawn) <= FRAMES_SHOWN
    assert drawn[0] == 1
    assert drawn[-1] > 14_000 - 4
    names = [line["name"] for line in channel_figure(records)["data"]]
    assert names[0].startswith("0,")
    assert names[-1].startswith("1999,")
    assert len(names) == CHANNELS_SHOWN


def figures_of(output: Path) -> list[dict[str, Any]]:
    """The plots of a run's report."""
    page = (output / "report.html").read_text()
    [figures] = re.findall(r'<script type="application/json" id="figures">(.*)</script>', page)
    return list(json.loads(figures))


def titles_of(output: Path) -> list[str]:
    """Their titles."""
    return [figure["layout"]["title"]["text"] for figure in figures_of(output)]


def table_rows(page: str) -> list[str]:
    """Rows of the table of figures."""
    table = page.partition("<h2>Figures</h2>")[2].partition("</table>")[0]
    return re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)


def test_pictures_keep_within_the_budget() -> None:
    sizes = [(2160, 3840)] * 3
    scale = thumbnails.display_scale(sizes, times=3)
    pixels = 3 * sum(h * w for h, w in sizes) * scale**2
    assert pixels == pytest.approx(thumbnails.PIXEL_BUDGET)
    assert thumbnails.display_scale([(400, 600)], times=3) == 1
    assert thumbnails.display_scale([(2, 40_000)], times=3) < 16_383 / 40_000
    assert thumbnails.display_scale([], times=3) == 1
    uri = thumbnails.picture_uri(Image.new("RGB", (100, 60)), 0.5)
    assert shown_picture(uri).size == (50, 30)


def test_error_map_is_brighter_where_the_error_is_larger() -> None:
    sent = np.zeros((4, 6, 3), np.uint8)
    received = sent.copy()
    received[:, :, 1] = np.arange(6) * 8  # 0 to beyond full scale
    uri = thumbnails.error_map_uri(Image.fromarray(sent), Image.fromarray(received), 1)
    row = np.asarray(shown_picture(uri).convert("L"), dtype=int)[0]
    assert (np.diff(row[:5]) > 0).all()
    assert row[5] == row[4]
    assert row[0] < 5


def test_half_written_pictures_are_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    assert thumbnails.open_rgb(tmp_path / "a.png") is None
    assert thumbnails.open_rgb(tmp_path / "b.png") is None


def test_pictures_with_a_huge_header_are_left_out(tmp_path: Path) -> None:
    """A few bytes that would be gigabytes of pixels."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    png = bytearray((tmp_path / "a.png").read_bytes())
    png[16:24] = struct.pack(">II", 1 << 16, 1 << 16)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "a.png")
    assert thumbnails.open_rgb(tmp_path / "a.png") is None


def test_the_signal_is_drawn(blocks: str, quantised: str, pictures: Path, tmp_path: Path) -> None:
    """Analogue symbols as a cloud, those of bits beside the points that were sent."""
    page_of(blocks, pictures, tmp_path / "analogue")
    [cloud] = [f for f in figures_of(tmp_path / "analogue") if "Constellation" in title(f)]
    assert [trace["name"] for trace in cloud["data"]] == ["black", "more/odd size", "ramp"]
    assert title(cloud) == "Constellation, analogue symbols"
    page_of(quantised, pictures, tmp_path / "digital", "--snr", "25")
    [qpsk] = [f for f in figures_of(tmp_path / "digital") if "Constellation" in title(f)]
    *received, sent = qpsk["data"]
    assert title(qpsk) == "Constellation, qpsk-conv-1/3"
    assert sent["name"] == "as sent"
    assert sorted(np.abs([*sent["x"], *sent["y"]])) == pytest.approx([0.5**0.5] * 8)
    for trace in received:
        assert np.abs(trace["x"]) == pytest.approx(np.full(len(trace["x"]), 0.5**0.5), abs=0.25)


def title(figure: dict[str, Any]) -> str:
    return str(figure["layout"]["title"]["text"])


def test_latency_is_stacked_by_stage(blocks: str, pictures: Path, tmp_path: Path) -> None:
    page_of(blocks, pictures, tmp_path / "run")
    [bars] = [f for f in figures_of(tmp_path / "run") if title(f) == LATENCY]
    assert bars["layout"]["barmode"] == "stack"
    [first, *_] = RunFolder.open(tmp_path / "run").records()
    stages = first.latency_s.model_dump()
    assert {trace["name"]: trace["y"][0] for trace in bars["data"]} == stages


def test_lost_frames_and_sections_are_on_the_picture(
    blocks: str, quantised: str, pictures: Path, tmp_path: Path
) -> None:
    options = ["--erase-fragments", "0.4", "--seed", "1"]
    Image.new("RGB", (800, 600), "teal").save(pictures / "large.png")
    page = page_of(blocks, pictures, tmp_path / "analogue", *options)
    records = RunFolder.open(tmp_path / "analogue").records()
    lost = [index for record in records for index in record.fragments_lost or ()]
    assert 0 < len(lost) < sum(record.fragments_sent for record in records)
    assert page.count('class="lost"') == len(lost)
    assert page.count("<rect") == sum(record.fragments_sent for record in records)
    failed = page_of(quantised, pictures, tmp_path / "digital", "--snr", "-20")
    said = "its section of bits (qpsk-conv-1/3) did not arrive whole: none of its"
    assert failed.count(said) == 4


def test_many_pictures_show_worst_and_best() -> None:
    records = [
        PictureRecord(picture=i, name=str(i), status="completed", psnr_db=float(i * 37 % 1000))
        for i in range(1000)
    ]
    shown = choose_shown(records)
    assert len(shown) == SHOWN
    levels = [record.psnr_db for record in shown if record.psnr_db is not None]
    assert (min(levels), max(levels)) == (0, 999)
    assert shown == sorted(shown, key=lambda record: record.picture)
    assert choose_shown(records[:5]) == records[:5]
