# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a report, as Plotly figures in plain data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from ota_runner.record import PictureRecord
from ota_runner.summary import Summary

_MEASURED, _ASKED, _LOST = "#2f7ed8", "#e07b39", "#c0392b"


def snr_figure(summary: Summary, records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Measured SNR of every picture against the one asked for."""
    shown = [record for record in records if record.snr_estimated_db is not None]
    figure = go.Figure(
        go.Scatter(
            x=[record.picture for record in shown],
            y=[record.snr_estimated_db for record in shown],
            text=[record.name for record in shown],
            mode="markers",
            name="measured",
            marker={"color": _MEASURED, "size": 8},
            hovertemplate="%{text}: %{y:.2f} dB<extra></extra>",
        )
    )
    if summary.snr_db.set is not None:
        figure.add_scatter(
            x=[record.picture for record in records],
            y=[summary.snr_db.set] * len(records),
            mode="lines" if len(records) > 1 else "markers",
            name="set",
            line={"color": _ASKED, "dash": "dash"},
            hovertemplate="set: %{y:.2f} dB<extra></extra>",
        )
    figure.update_xaxes(_whole_steps(len(records)))
    figure.update_yaxes(
        range=_around([*(r.snr_estimated_db for r in shown), summary.snr_db.set], 1)
    )
    return _plain(figure, "SNR, set and measured", "picture", "Es/N0 in dB")


def psnr_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """PSNR of every completed picture against its measured SNR."""
    shown = [record for record in records if record.status == "completed"]
    figure = go.Figure(
        go.Scatter(
            x=[record.snr_estimated_db for record in shown],
            y=[record.psnr_db for record in shown],
            text=[record.name for record in shown],
            mode="markers",
            marker={"color": _MEASURED, "size": 8},
            hovertemplate="%{text}: %{y:.2f} dB at %{x:.2f} dB<extra></extra>",
        )
    )
    figure.update_xaxes(range=_around([record.snr_estimated_db for record in shown], 1))
    figure.update_yaxes(range=_around([record.psnr_db for record in shown], 1))
    return _plain(figure, "PSNR by measured SNR", "measured Es/N0 in dB", "PSNR in dB")


def fragments_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Frames of every picture that arrived and that did not."""
    shown = [record for record in records if record.fragments_sent]
    numbers = [record.picture for record in shown]
    arrived = [record.fragments_received for record in shown]
    lost = [record.fragments_sent - record.fragments_received for record in shown]
    names = [record.name for record in shown]
    figure = go.Figure(layout={"barmode": "stack"})
    for name, counts, colour in (("arrived", arrived, _MEASURED), ("lost", lost, _LOST)):
        figure.add_bar(
            x=numbers,
            y=counts,
            text=names,
            name=name,
            marker={"color": colour},
            textposition="none",
            hovertemplate=f"%{{text}}: %{{y}} {name}<extra></extra>",
        )
    figure.update_xaxes(_whole_steps(len(records)))
    figure.update_yaxes(_whole_steps(max((r.fragments_sent for r in shown), default=0)))
    return _plain(figure, "Frames", "picture", "frames")


def _whole_steps(largest: int) -> dict[str, Any]:
    """Axis ticks at whole numbers, ten of them at most."""
    return {"tick0": 0, "dtick": max(1, -(-largest // 10))}


def _around(values: Sequence[float | None], margin: float) -> list[float] | None:
    """Axis range that holds all values and makes no cliffs of their last digits."""
    known = [value for value in values if value is not None]
    return [min(known) - margin, max(known) + margin] if known else None


def _plain(figure: go.Figure, title: str, x: str, y: str) -> dict[str, Any]:
    figure.update_layout(
        template="none",
        title={"text": title, "x": 0.01, "font": {"size": 15}},
        xaxis={"title": {"text": x}, "automargin": True},
        yaxis={"title": {"text": y}, "automargin": True},
        margin={"l": 48, "r": 12, "t": 44, "b": 44},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=320,
    )
    return dict(json.loads(figure.to_json()))
