# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person at a terminal sees: progress on stderr, a table on stdout."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ota_runner.record import PictureRecord
from ota_runner.summary import Summary

ROWS = 30
"""A table of more pictures than this shows only the line for all of them."""


def say(text: str) -> None:
    """Print a line on stderr, as ``ota_runner: text``."""
    print(f"ota_runner: {text}", file=sys.stderr, flush=True)


class ProgressView:
    """A progress bar on a terminal; lines on pictures that failed, everywhere.

    Args:
        total: pictures of the run.
        done: of them, already there.
        verbose: print tracebacks.
    """

    def __init__(self, total: int, done: int, verbose: bool) -> None:
        self._verbose = verbose
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("sending"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[latest]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, completed=done, latest="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __call__(self, record: PictureRecord, error: Exception | None) -> None:
        """Show a record, see :class:`ota_runner.run.Observer`."""
        if record.status == "failed":
            say(f"picture {record.name} failed: {record.error}")
        elif record.status == "lost":
            say(f"picture {record.name} is lost: none of {record.fragments_sent} frames arrived")
        if error is not None and self._verbose:
            traceback.print_exception(error)
        latest = "" if record.psnr_db is None else f"{record.name} {record.psnr_db:.2f} dB"
        self._progress.update(self._task, advance=1, latest=latest)


def result_table(summary: Summary, records: Sequence[PictureRecord]) -> Table:
    """The table that a run ends with: a row a picture, and one for all of them."""
    table = Table(title=f"{summary.scheme} over {summary.radio}", title_justify="left")
    table.add_column("picture", overflow="fold")
    for heading in ("PSNR dB", "MS-SSIM", "CBR", "air CBR", "SNR set", "measured", "lost frames"):
        table.add_column(heading, justify="right")
    for record in records if len(records) <= ROWS else ():
        table.add_row(
            _named(record),
            number(record.psnr_db, 2),
            number(record.ms_ssim, 4),
            number(record.cbr, 4),
            number(record.air_cbr, 4),
            number(record.snr_set_db, 1),
            number(record.snr_estimated_db, 2),
            f"{record.fragments_sent - record.fragments_received}/{record.fragments_sent}",
        )
    if records:
        table.add_section()
    table.add_row(
        _counted(summary),
        number(summary.psnr_db, 2),
        number(summary.ms_ssim, 4),
        number(summary.cbr, 4),
        number(summary.air_cbr, 4),
        snr_set(summary, records),
        number(summary.snr_db.estimated_mean, 2),
        f"{summary.frames.lost}/{summary.frames.sent}",
        style="bold",
    )
    speed = summary.throughput
    table.caption = f"{number(speed.images_per_s, 2)} images/s" + (
        f", {speed.samples_per_s / 1e6:.2f} MS/s through the link" if speed.samples_per_s else ""
    )
    table.caption_justify = "left"
    return table


def _named(record: PictureRecord) -> str:
    """A picture's name and, if it is not what was sent, what became of it."""
    name = escape(record.name)
    if record.status != "completed":
        return f"{name} ({record.status})"
    return f"{name} (fell back)" if record.fell_back else name


def _counted(summary: Summary) -> str:
    text = f"{summary.completed} of {summary.images}"
    fallen_back = summary.digital.fallen_back
    return f"{text}, {fallen_back} fell back" if fallen_back else text


def snr_set(summary: Summary, records: Sequence[PictureRecord]) -> str:
    """The SNR asked for, or along a trace its range."""
    asked = [record.snr_set_db for record in records if record.snr_set_db is not None]
    if not asked or min(asked) == max(asked):
        return number(asked[0] if asked else summary.snr_db.set, 1)
    return f"{min(asked):.1f} to {max(asked):.1f}"


def print_table(table: Table) -> None:
    """Print on stdout; wide enough for every column where stdout is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=100)
    console.print(table)


def number(value: float | None, digits: int) -> str:
    """A figure for a table, or a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"
