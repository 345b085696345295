# SPDX-License-Identifier: GPL-3.0-or-later
"""``report.html`` of a run: one file, nothing fetched; and ``ota_runner report``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from plotly.offline import get_plotlyjs

from ota_runner import thumbnails
from ota_runner.console import number
from ota_runner.errors import OutputFailed, UsageError
from ota_runner.figures import (
    channel_figure,
    estimates_figure,
    fragments_figure,
    psnr_figure,
    snr_figure,
    trace_figure,
)
from ota_runner.pages import environment
from ota_runner.record import Manifest, PictureRecord, RunFolder
from ota_runner.summary import Summary, summarise

SHOWN = 48
"""Pictures that a report shows at most, spread from the worst to the best."""

ROWS = 500
"""Rows that its table has at most."""


@dataclass(frozen=True)
class PictureView:
    """A picture as a report shows it; data URIs, None for what is not there."""

    record: PictureRecord
    sent: str | None
    received: str | None
    error_map: str | None


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")],
) -> None:
    """Make report.html and summary.json of runs anew, also of runs that were cut short."""
    for path in runs:
        folder = RunFolder.open(path)
        try:
            folder.write_summary(summarise(folder.manifest(), folder.records()))
            print(f"report: {write_report(folder)}")
        except OutputFailed as error:
            raise UsageError(f"cannot write to {path}: {error.__cause__}") from error


def write_report(folder: RunFolder) -> Path:
    """Make a run's ``report.html`` from its folder.

    Args:
        folder: holds a run, whole or cut short.

    Returns:
        Path of the report.

    Raises:
        UsageError: damaged files.
        OutputFailed: it cannot be written.
    """
    manifest, records = folder.manifest(), folder.records()
    summary = summarise(manifest, records)
    page = (
        environment()
        .get_template("report.html.jinja")
        .render(
            manifest=manifest,
            summary=summary,
            config=folder.config(),
            records=records[:ROWS],
            noted_quality=any("quality" in record.notes for record in records),
            hidden_rows=max(0, len(records) - ROWS),
            views=_views(folder, records),
            shown_of=len(records),
            tiles=_tiles(summary),
            figures=_figures(manifest, summary, records),
            error_full_scale=thumbnails.ERROR_FULL_SCALE,
            plotly_js=get_plotlyjs(),
        )
    )
    return folder.write_report(page)


def choose_shown(records: Sequence[PictureRecord]) -> list[PictureRecord]:
    """Records that a report shows: all, or :data:`SHOWN` spread from the worst PSNR to the best."""
    if len(records) <= SHOWN:
        return list(records)
    ranked = sorted(records, key=lambda r: -1.0 if r.psnr_db is None else r.psnr_db)
    picks = {round(i * (len(ranked) - 1) / (SHOWN - 1)) for i in range(SHOWN)}
    return sorted((ranked[pick] for pick in picks), key=lambda r: r.picture)


def _views(folder: RunFolder, records: Sequence[PictureRecord]) -> list[PictureView]:
    shown = [record for record in choose_shown(records) if record.sent]
    scale = thumbnails.display_scale([(r.height or 0, r.width or 0) for r in shown])
    return [_view(folder, record, scale) for record in shown]


def _view(folder: RunFolder, record: PictureRecord, scale: float) -> PictureView:
    sent = thumbnails.open_rgb(folder.path / record.sent) if record.sent else None
    received = thumbnails.open_rgb(folder.path / record.received) if record.received else None
    comparable = sent is not None and received is not None and sent.size == received.size
    return PictureView(
        record,
        thumbnails.picture_uri(sent, scale) if sent else None,
        thumbnails.picture_uri(received, scale) if received else None,
        thumbnails.error_map_uri(sent, received, scale)
        if comparable and sent and received
        else None,
    )


def _tiles(summary: Summary) -> list[tuple[str, str, str]]:
    """What a reader looks at first: name, figure, unit."""
    snr, digital = summary.snr_db, summary.digital
    tiles = [
        ("PSNR", number(summary.psnr_db, 2), "dB"),
        ("MS-SSIM", number(summary.ms_ssim, 4), ""),
        ("CBR", number(summary.cbr, 4), ""),
        ("air CBR", number(summary.air_cbr, 4), ""),
        ("SNR set", number(snr.set, 1), "dB"),
        ("SNR measured", number(snr.estimated_mean, 2), "dB"),
        ("frames lost", f"{summary.frames.lost} of {summary.frames.sent}", ""),
        ("speed", number(summary.throughput.images_per_s, 2), "images/s"),
    ]
    if digital.sections:
        tiles.append(("sections failed", f"{digital.failed} of {digital.sections}", ""))
    if digital.crc_false_passes:
        tiles.append(("wrong, CRC holds", str(digital.crc_false_passes), "sections"))
    return tiles


def _figures(
    manifest: Manifest, summary: Summary, records: Sequence[PictureRecord]
) -> list[dict[str, Any]]:
    if not any(record.fragments_sent for record in records):
        return []
    fixed = manifest.snr_trace_db is None
    snr = snr_figure(summary, records) if fixed else trace_figure(records)
    figures = [snr, psnr_figure(records), fragments_figure(records)]
    if any(record.frames for record in records):
        figures += [channel_figure(records), estimates_figure(records)]
    return figures
