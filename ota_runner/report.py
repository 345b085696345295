# SPDX-License-Identifier: GPL-3.0-or-later
"""``report.html`` of a run: one file, nothing fetched; and ``ota_runner report``."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer
from plotly.offline import get_plotlyjs

from ota_runner import thumbnails
from ota_runner.console import number, say, snr_set
from ota_runner.errors import OutputFailed, UsageError
from ota_runner.figure_style import spread
from ota_runner.figures import (
    fragments_figure,
    latency_figure,
    psnr_figure,
    snr_figure,
    trace_figure,
)
from ota_runner.fragment_strip import Strip, strips
from ota_runner.frame_figures import channel_figure, estimates_figure
from ota_runner.pages import environment
from ota_runner.panes import SHOWN, Pane, error_pane, received_pane, sent_pane, sizes
from ota_runner.record import DigitalRecord, PictureRecord, RunFolder, write_atomically
from ota_runner.remains import Remains, salvage
from ota_runner.side_by_side import side_by_side_page
from ota_runner.signal_figures import signal_figures
from ota_runner.signal_records import SignalRecord
from ota_runner.summary import Summary

ROWS = 500
"""Rows that its table has at most."""


@dataclass(frozen=True)
class PictureView:
    """A picture as a report shows it.

    Attributes:
        record: of the picture.
        panes: sent, received, and where they differ.
        strip: of its frames, None where it is not known which arrived.
        failed_sections: a line on each section of bits that did not arrive whole.
    """

    record: PictureRecord
    panes: list[Pane]
    strip: Strip | None
    failed_sections: list[str]


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="a page of all of these runs side by side, as in all.html"),
    ] = None,
) -> None:
    """Make report.html and summary.json of runs anew, also of runs that were cut short.

    With --output also one page that shows the same pictures of all runs next to each other.
    """
    remains = [salvage(RunFolder.open(path)) for path in runs]
    for run in remains:
        _report(run)
    if output is not None:
        try:
            write_atomically(output, side_by_side_page(remains, output))
        except OSError as error:
            raise UsageError(f"cannot write to --output {output}: {error.strerror}") from error
        print(f"side by side: {output}")


def _report(run: Remains) -> None:
    """Sum up and report what is left of a run, and say what is missing."""
    path = run.folder.path
    unfinished = [] if run.folder.has_summary else ["there was no summary.json"]
    for line in (*unfinished, *run.missing):
        say(f"{path}: {line}")
    try:
        if run.identified:
            run.folder.write_summary(run.summary)
        print(f"report: {write_report(run.folder)}")
    except OutputFailed as error:
        raise UsageError(f"cannot write to {path}: {error.__cause__}") from error


def write_report(folder: RunFolder) -> Path:
    """Make a run's ``report.html`` from its folder.

    Args:
        folder: holds a run, whole, cut short or damaged; the report says what is missing.

    Returns:
        Path of the report.

    Raises:
        OutputFailed: it cannot be written.
    """
    remains = salvage(folder)
    records, summary, missing = remains.records, remains.summary, list(remains.missing)
    shown = choose_shown(records)
    signals = _signals(folder, shown, missing)
    page = (
        environment()
        .get_template("report.html.jinja")
        .render(
            manifest=remains.manifest,
            summary=summary,
            config=remains.config,
            missing=missing,
            records=records[:ROWS],
            noted_quality=any("quality" in record.notes for record in records),
            hidden_rows=max(0, len(records) - ROWS),
            views=_views(folder, shown),
            shown_of=len(records),
            tiles=_tiles(summary, records),
            snr_set=snr_set(summary, records),
            figures=_figures(remains, signals),
            error_full_scale=thumbnails.ERROR_FULL_SCALE,
            packed_plotly=_packed_plotly(),
        )
    )
    return folder.write_report(page)


def choose_shown(records: Sequence[PictureRecord]) -> list[PictureRecord]:
    """Records that a report shows: all, or :data:`SHOWN` spread from the worst PSNR to the best."""
    ranked = sorted(records, key=lambda r: -1.0 if r.psnr_db is None else r.psnr_db)
    picks = [ranked[pick] for pick in spread(len(ranked), SHOWN)]
    return sorted(picks, key=lambda r: r.picture)


def _signals(
    folder: RunFolder, shown: Sequence[PictureRecord], missing: list[str]
) -> dict[int, SignalRecord]:
    """Of the pictures shown; adds what is wrong with their file to what is missing."""
    faults: list[str] = []
    try:
        signals = folder.signals({record.picture for record in shown}, faults)
    except OSError as error:
        missing.append(f"cannot read {error.filename}: {error.strerror}")
        return {}
    missing += faults[:1]  # of lines that nothing but two figures is drawn from
    return signals


def _views(folder: RunFolder, records: Sequence[PictureRecord]) -> list[PictureView]:
    shown = [record for record in records if record.sent or record.received]
    scale = thumbnails.display_scale(sizes(shown), times=3)
    found = strips(shown)
    return [
        PictureView(
            record,
            _panes(folder, record, scale),
            found.get(record.picture),
            [
                _failure(section, index, len(record.digital))
                for index, section in enumerate(record.digital, start=1)
                if not section.ok
            ],
        )
        for record in shown
    ]


def _panes(folder: RunFolder, record: PictureRecord, scale: float) -> list[Pane]:
    sent = replace(sent_pane(folder, record, scale), file=record.sent)
    received = received_pane(folder, record, scale, "received")
    error = error_pane(folder, record, scale)
    panes = [sent, replace(received, caption="", file=record.received)]
    return panes if error is None else [*panes, error]


def _failure(section: DigitalRecord, number: int, sections: int) -> str:
    """A line on a section of bits that did not arrive whole."""
    held = (
        f"the first {section.valid_bits} of its {section.bits} bits hold"
        if section.valid_bits
        else f"none of its {section.bits} bits hold"
    )
    which = f"section {number} of {sections}" if sections > 1 else "its section of bits"
    return f"{which} ({section.mcs}) did not arrive whole: {held}"


def _tiles(summary: Summary, records: Sequence[PictureRecord]) -> list[tuple[str, str, str]]:
    """What a reader looks at first: name, figure, unit."""
    snr, digital = summary.snr_db, summary.digital
    tiles = [
        ("PSNR", number(summary.psnr_db, 2), "dB"),
        ("MS-SSIM", number(summary.ms_ssim, 4), ""),
        ("CBR", number(summary.cbr, 4), ""),
        ("air CBR", number(summary.air_cbr, 4), ""),
        ("SNR set", snr_set(summary, records), "dB"),
        ("SNR measured", number(snr.estimated_mean, 2), "dB"),
        ("frames lost", f"{summary.frames.lost} of {summary.frames.sent}", ""),
        ("speed", number(summary.throughput.images_per_s, 2), "images/s"),
    ]
    if digital.sections:
        tiles.append(("sections failed", f"{digital.failed} of {digital.sections}", ""))
    if digital.crc_false_passes:
        tiles.append(("wrong, CRC holds", str(digital.crc_false_passes), "sections"))
    return tiles


def _figures(remains: Remains, signals: Mapping[int, SignalRecord]) -> list[dict[str, Any]]:
    manifest, records = remains.manifest, remains.records
    if not any(record.fragments_sent for record in records):
        return []
    fixed = manifest.snr_trace_db is None
    snr = snr_figure(remains.summary, records) if fixed else trace_figure(records)
    figures = [
        snr,
        psnr_figure(records),
        fragments_figure(records),
        latency_figure(records),
        *signal_figures(records, signals, manifest.sample_rate),
    ]
    if any(record.frames and record.frames.gain_db for record in records):
        figures.append(channel_figure(records))
    if any(record.frames for record in records):
        figures.append(estimates_figure(records))
    return figures


@cache
def _packed_plotly() -> str:
    """The library that draws the figures, as Base64 of gzip: 2 MB in place of 5."""
    packed = gzip.compress(get_plotlyjs().encode(), mtime=0)
    return base64.b64encode(packed).decode("ascii")
