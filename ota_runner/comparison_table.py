# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a comparison: a row a place on the axis, a column a curve, the best one marked."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from ota_runner.console import ROWS, number
from ota_runner.curves import Axis, Curves, Metric
from ota_runner.deltas import Delta

COLUMNS = 10
"""Curves, or places, that a terminal has room for side by side."""

_PLACE = {Axis.SNR: "SNR dB", Axis.CBR: "CBR", Axis.FRAME: "frame"}


@dataclass(frozen=True)
class Cell:
    """What a curve reached at a place.

    Attributes:
        text: its value and, if any, how many pictures did not arrive as they were sent.
        best: no other curve did better; bounds, and runs that are not alike, take no part.
        run: folder of the run behind it, None for none or several.
    """

    text: str
    best: bool
    run: str | None


@dataclass(frozen=True)
class Row:
    """A place on the axis, or the mean over all.

    Attributes:
        place: as written.
        cells: a curve each.
    """

    place: str
    cells: list[Cell]


@dataclass(frozen=True)
class _Entry:
    """What goes into a cell."""

    value: float | None = None
    fallen_back: int = 0
    pictures: int = 0
    run: str | None = None


def table_rows(curves: Curves, metric: Metric) -> list[Row]:
    """Rows of the table; along a trace, with a last one for the mean over its frames."""
    columns = [
        {p.x: _Entry(metric.of(p), p.fallen_back, p.pictures, p.run) for p in curve.points}
        for curve in curves.curves
    ]
    # Nor does a curve win over runs that are not alike.
    bounds = [curve.bound or bool(curves.differences) for curve in curves.curves]
    rows = [
        _row(f"{place:g}", [column.get(place, _Entry()) for column in columns], bounds, metric)
        for place in curves.places
    ]
    if curves.axis is Axis.FRAME:
        means = [_mean(list(column.values())) for column in columns]
        rows.append(_row("mean", means, bounds, metric))
    return rows


def comparison_table(curves: Curves, metric: Metric) -> Table:
    """The table for a terminal: of a long trace, or of many curves along one, the means alone.

    More curves than a terminal has room for become rows.
    """
    table = Table(title=metric.heading, title_justify="left", caption_justify="left")
    rows, many = table_rows(curves, metric), len(curves.curves) > COLUMNS
    if len(rows) > (COLUMNS if many else ROWS) and curves.axis is Axis.FRAME:
        rows = rows[-1:]
    labels = [escape(curve.label) for curve in curves.curves]
    marked = [
        [f"[bold]* {cell.text}[/]" if cell.best else cell.text for cell in row.cells]
        for row in rows
    ]
    if many:
        table.add_column(f"curve, {_PLACE[curves.axis]}", overflow="fold")
        for row in rows:
            table.add_column(row.place, justify="right")
        for label, cells in zip(labels, zip(*marked, strict=True), strict=True):
            table.add_row(label, *cells)
    else:
        table.add_column(_PLACE[curves.axis], justify="right", overflow="fold")
        for label in labels:
            table.add_column(label, justify="right", overflow="fold")
        for row, texts in zip(rows, marked, strict=True):
            table.add_row(row.place, *texts)
    table.caption = "* the best, bounds aside; (failed/sent) where pictures did not arrive as sent"
    return table


def deltas_table(deltas: Sequence[Delta]) -> Table:
    """Bjontegaard deltas for a terminal."""
    table = Table(title=f"against {escape(deltas[0].anchor)}", title_justify="left")
    table.add_column("curve", overflow="fold")
    for heading in ("BD-rate %", "BD-PSNR dB"):
        table.add_column(heading, justify="right")
    table.add_column("note", overflow="fold")
    for delta in deltas:
        figures = number(delta.bd_rate_percent, 2), number(delta.bd_psnr_db, 2)
        table.add_row(escape(delta.label), *figures, delta.note or "")
    return table


def _row(place: str, entries: Sequence[_Entry], bounds: Sequence[bool], metric: Metric) -> Row:
    rivals = [
        entry.value
        for entry, bound in zip(entries, bounds, strict=True)
        if entry.value is not None and not bound
    ]
    best = max(rivals) if len(rivals) > 1 else None
    cells = []
    for entry, bound in zip(entries, bounds, strict=True):
        failed = f" ({entry.fallen_back}/{entry.pictures})" if entry.fallen_back else ""
        is_best = best is not None and entry.value == best and not bound
        cells.append(Cell(number(entry.value, metric.digits) + failed, is_best, entry.run))
    return Row(place, cells)


def _mean(entries: Sequence[_Entry]) -> _Entry:
    known = [entry.value for entry in entries if entry.value is not None]
    return _Entry(
        statistics.fmean(known) if known else None,
        sum(entry.fallen_back for entry in entries),
        sum(entry.pictures for entry in entries),
    )
