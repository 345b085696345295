# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner compare``: schemes next to each other, from the folders of their runs.

Leaves ``compare.html``, ``compare.svg``, ``compare.csv`` and ``compare.json``, an interface with
a version.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ota_runner.comparison import Comparison, compare
from ota_runner.comparison_table import comparison_table, deltas_table
from ota_runner.console import print_table
from ota_runner.curves import Curve, Metric, Point
from ota_runner.errors import UsageError
from ota_runner.record import new_default_folder, write_atomically


def command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN_OR_FOLDER...", help="runs, or folders above them")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="where to write; default: the folder given, or runs/DATE-compare"
        ),
    ] = None,
    metric: Annotated[Metric, typer.Option("--metric", help="what is compared")] = Metric.PSNR,
    anchor: Annotated[
        str | None,
        typer.Option("--anchor", help="curve that BD-rates refer to; default: the first"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print compare.json on stdout, nothing else")
    ] = False,
) -> None:
    """Compare runs: a table, a figure and a page, over SNR, CBR or along an SNR trace."""
    comparison = compare(runs, metric, anchor)
    if output is None:
        output = runs[0] if len(runs) == 1 else new_default_folder("compare")
    tell(comparison, output, as_json)


def tell(comparison: Comparison, output: Path, as_json: bool) -> None:
    """Write a comparison's files and print it.

    Args:
        comparison: as compared.
        output: folder, made if it is not there.
        as_json: print ``compare.json`` in place of the table.

    Raises:
        UsageError: the folder cannot be written.
    """
    from ota_runner.comparison_page import (  # with Matplotlib, which takes a while
        comparison_page,
        picture_rows,
    )
    from ota_runner.curve_figures import curves_svg

    located = _relative_to(output, comparison)
    text = located.model_dump_json(indent=1)
    figure = curves_svg(comparison, comparison.metric)
    files = {
        "compare.json": text + "\n",
        "compare.csv": _csv(located.curves),
        "compare.svg": figure,
        "compare.html": comparison_page(located, picture_rows(comparison), figure),
    }
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_atomically(output / name, content)
    except OSError as error:
        raise UsageError(f"cannot write to {output}: {error.strerror}; give --output") from error
    if as_json:
        print(text, flush=True)
        return
    print_table(comparison_table(comparison, comparison.metric))
    if comparison.deltas:
        print_table(deltas_table(comparison.deltas))
    print(f"comparison: {output / 'compare.html'}", flush=True)


def _relative_to(output: Path, comparison: Comparison) -> Comparison:
    """A comparison that names its runs as seen from the folder that it is written to."""
    curves = [
        curve.model_copy(
            update={
                "points": [
                    point.model_copy(update={"run": os.path.relpath(point.run, output)})
                    for point in curve.points
                ]
            }
        )
        for curve in comparison.curves
    ]
    return comparison.model_copy(update={"curves": curves})


def _csv(curves: Sequence[Curve]) -> str:
    """A row a point."""
    of_curve = [name for name in Curve.model_fields if name != "points"]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*of_curve, *Point.model_fields], lineterminator="\n")
    writer.writeheader()
    for curve in curves:
        for point in curve.points:
            writer.writerow(curve.model_dump(include=set(of_curve)) | point.model_dump())
    return buffer.getvalue()
