# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements as CSV and as sections of a Markdown page."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.waveform.measurement import Goal, Measurement

LONGEST_TABLE = 25
"""Rows of a table on the page; longer ones are in the CSV alone."""


def write_csv(measurement: Measurement, path: Path) -> None:
    """All curves, a column each.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((measurement.x_label, *measurement.curves))
        for x, *values in zip(measurement.x, *measurement.curves.values(), strict=True):
            writer.writerow((f"{x:g}", *(_cell(value) for value in values)))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def section(name: str, measurement: Measurement, figure: str) -> str:
    """Goals, figure and table as Markdown.

    Args:
        name: of the measurement, see ``--only``.
        measurement: to show.
        figure: path of its drawing, from the page.
    """
    parts = [f"## {measurement.title}", measurement.method]
    if measurement.goals:
        rows = [_goal_row(goal) for goal in measurement.goals]
        parts.append("\n".join(["| | measured | goal | |", "|---|---|---|---|", *rows]))
    parts.append(f"![{measurement.title}]({figure})")
    if len(measurement.x) <= LONGEST_TABLE:
        parts.append(_table(measurement))
    parts.append(f"    python -m benchmarks.waveform --only {name}")
    return "\n\n".join(parts)


def _goal_row(goal: Goal) -> str:
    sign = "at least" if goal.at_least else "at most"
    verdict = "met" if goal.met else "**not met**"
    unit = f" {goal.unit}" if goal.unit else ""
    return f"| {goal.what} | {goal.value:.3g}{unit} | {sign} {goal.limit:g}{unit} | {verdict} |"


def _table(measurement: Measurement) -> str:
    heading = [measurement.x_label, *measurement.curves]
    lines = [f"| {' | '.join(heading)} |", "|" + "---|" * len(heading)]
    for x, *values in zip(measurement.x, *measurement.curves.values(), strict=True):
        cells = [f"{x:g}", *("" if value is None else f"{value:.3g}" for value in values)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def put_section(page: str, name: str, text: str) -> str:
    """The page with a section put between its marks, ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no lines {begin} and {end}: put them where {name} belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"
