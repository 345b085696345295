# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison of past runs, as data; ``compare.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ota_runner.console import say
from ota_runner.curves import Curves, Metric, draw_curves
from ota_runner.deltas import Delta, find_deltas
from ota_runner.errors import UsageError
from ota_runner.past_runs import find_runs


class Comparison(Curves):
    """What was compared; ``compare.json``.

    Attributes:
        format: version of this interface.
        metric: in which the best was marked.
        left_out: runs that were cut short or damaged; a line on each.
        deltas: Bjontegaard's, against the anchor; empty where the axis is not the CBR.
    """

    format: Literal[1] = 1
    metric: Metric
    left_out: list[str]
    deltas: list[Delta]


def compare(places: Sequence[Path], metric: Metric, anchor: str | None = None) -> Comparison:
    """Compare the runs in and below folders; says on stderr what is not alike, or left out.

    Args:
        places: folders.
        metric: what is compared.
        anchor: label of the curve that Bjontegaard deltas refer to; None for the first.

    Raises:
        UsageError: no whole run, or no curve of the anchor's name.
    """
    runs, left_out = find_runs(places)
    for line in left_out:
        say(f"left out: {line}")
    if not runs:
        raise UsageError("there is no whole run to compare; --resume finishes one")
    curves = draw_curves(runs)
    if curves.differences:
        say(f"the runs are not alike: {'; '.join(curves.differences)}")
    return Comparison(
        **dict(curves),
        metric=metric,
        left_out=left_out,
        deltas=find_deltas(curves, metric, anchor),
    )
