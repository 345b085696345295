# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of the ablation as a table, as CSV and as a drawing."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure
from rich.table import Table

from semcom_models.precoding.ablation import Estimate, Result

_COLUMNS = ("modulation", "csi", "snr_db", "scheme", "power", "weak_share")
_ESTIMATES = ("errors", "errors_saved", "information", "information_gained")


def as_table(results: Sequence[Result]) -> Table:
    """One row a result; intervals are 95 %."""
    headings = (
        "symbols",
        "CSI",
        "SNR dB",
        "scheme",
        "SER",
        "saved",
        "bits/use",
        "gained",
        "weak mode",
    )
    table = Table(*headings)
    for result in results:
        table.add_row(
            result.modulation,
            result.csi,
            f"{result.snr_db:g}",
            result.scheme,
            *(_text(getattr(result, name)) for name in _ESTIMATES),
            f"{result.weak_share:.1%}",
        )
    return table


def _text(estimate: Estimate) -> str:
    return f"{estimate.mean:.4f} ± {estimate.half_width:.4f}"


def write_csv(results: Sequence[Result], path: Path) -> None:
    """All figures, with half the width of their intervals.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        half_widths = [f"{name}_half_width" for name in _ESTIMATES]
        writer.writerow((*_COLUMNS, *_ESTIMATES, *half_widths))
        for result in results:
            estimates = [getattr(result, name) for name in _ESTIMATES]
            values = [e.mean for e in estimates] + [e.half_width for e in estimates]
            values = [result.power, result.weak_share, *values]
            row = [getattr(result, name) for name in _COLUMNS[:-2]]
            writer.writerow((*row, *(f"{value:.5g}" for value in values)))


def draw(results: Sequence[Result], path: Path) -> None:
    """Symbol error rate over SNR: a row of panels a modulation, a column a kind of CSI.

    Raises:
        OSError: it cannot be written.
    """
    rows = list(dict.fromkeys(result.modulation for result in results))
    columns = list(dict.fromkeys(result.csi for result in results))
    figure = Figure(figsize=(3.6 * len(columns), 3.2 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey="row")
    for (row, modulation), (column, csi) in product(enumerate(rows), enumerate(columns)):
        panel = panels[row][column]
        shown = [r for r in results if (r.modulation, r.csi) == (modulation, csi)]
        for scheme in dict.fromkeys(result.scheme for result in shown):
            points = [r for r in shown if r.scheme == scheme]
            panel.errorbar(
                [p.snr_db for p in points],
                [p.errors.mean for p in points],
                [p.errors.half_width for p in points],
                label=scheme,
                marker=".",
                linewidth=1,
            )
        panel.set(title=f"{modulation}, {csi} CSI", yscale="log", xlabel="SNR (dB)")
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.label_outer()
    for row in panels:
        row[0].set_ylabel("symbol error rate")
    panels[0][0].legend(fontsize="x-small")
    figure.savefig(path)
