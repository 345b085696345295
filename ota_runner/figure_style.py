# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plots of a report have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

MEASURED, ASKED, TOLD, LOST = "#2f7ed8", "#e07b39", "#2a9d6f", "#c0392b"


def spread(count: int, most: int) -> list[int]:
    """Indices of ``count`` things, at most so many, evenly spread from the first to the last."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def whole_steps(largest: int) -> dict[str, Any]:
    """Axis ticks at whole numbers, ten of them at most."""
    return {"tick0": 0, "dtick": max(1, -(-largest // 10))}


def around(values: Sequence[float | None], margin: float) -> list[float] | None:
    """Axis range that holds all values and makes no cliffs of their last digits."""
    known = [value for value in values if value is not None]
    return [min(known) - margin, max(known) + margin] if known else None


def plain(figure: go.Figure, title: str, x: str, y: str, wide: bool = False) -> dict[str, Any]:
    """A figure of one pair of axes, as plain data.

    Args:
        figure: to be finished.
        title: of the figure.
        x: title of the axis.
        y: likewise.
        wide: it takes the whole width of a page.
    """
    figure.update_xaxes(title_text=x)
    figure.update_yaxes(title_text=y)
    return styled(figure, title, 320, wide)


def styled(figure: go.Figure, title: str, height: int, wide: bool = False) -> dict[str, Any]:
    """A figure of whatever axes as plain data, ``height`` pixels high."""
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True, title_standoff=8)
    figure.update_layout(
        meta={"wide": wide},
        template="none",
        title={"text": title, "x": 0.01, "font": {"size": 15}},
        margin={"l": 48, "r": 12, "t": 44, "b": 44},
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 0.01, "yanchor": "bottom"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
    )
    return dict(json.loads(figure.to_json()))
