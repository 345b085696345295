# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a report, as Plotly figures in plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ota_runner.record import PictureRecord
from ota_runner.summary import Summary
from semcom_phy.digital import MCS

FRAMES_SHOWN = 5000
"""Frames whose estimates are drawn at most, evenly spread over a run."""

CHANNELS_SHOWN = 4
"""Pictures whose channel is drawn at most, evenly spread over a run."""

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


def trace_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """A run over an SNR that varies, frame by frame: SNR, below it PSNR.

    Where pictures were sent as bits there follow the efficiency of the modulation and coding of
    each one's longest section, and the quality setting if the codec notes one.
    """
    completed = [record.status == "completed" for record in records]
    rows = {
        "Es/N0 in dB": [
            *_course(records, [record.snr_set_db for record in records], "set", _ASKED, "dash"),
            *_course(records, [record.snr_estimated_db for record in records], "measured"),
        ],
        "PSNR in dB": [
            *_course(records, [record.psnr_db for record in records], "PSNR"),
            *_crosses(records, [None if there else 0.0 for there in completed], "lost or failed"),
        ],
        "bits a symbol": _efficiency(records),
        "quality": _course(records, [r.notes.get("quality") for r in records], "quality"),
    }
    shown = {title: courses for title, courses in rows.items() if courses}
    figure = make_subplots(rows=len(shown), cols=1, shared_xaxes=True, vertical_spacing=0.04)
    for row, (title, courses) in enumerate(shown.items(), start=1):
        for course in courses:
            figure.add_trace(course.update(showlegend=len(courses) > 1), row=row, col=1)
        figure.update_yaxes(title_text=title, automargin=True, row=row, col=1)
        if title == "quality":
            figure.update_yaxes(_categories(courses[0].y), row=row, col=1)
    figure.update_xaxes(_whole_steps(len(records)))
    figure.update_xaxes(title_text="picture", row=len(shown), col=1)
    return _styled(figure, "Frame by frame", 130 + 150 * len(shown), wide=True)


def _efficiency(records: Sequence[PictureRecord]) -> list[go.Scatter]:
    """Of each picture's longest section of bits, those of side information aside."""
    longest = [
        max((s for s in record.digital if s.mcs != MCS[0].name), key=lambda s: s.bits, default=None)
        for record in records
    ]
    failed = [s.efficiency if s and not s.ok else None for s in longest]
    return [
        *_course(records, [s.efficiency if s else None for s in longest], "sent"),
        *_crosses(records, failed, "not arrived whole"),
    ]


def _categories(values: Sequence[str | float | None]) -> dict[str, Any]:
    """Axis of settings that are words, in the order of the numbers in them."""
    words = {value for value in values if isinstance(value, str)}
    if not words:
        return {}
    order = sorted(words, key=lambda word: [float(n) for n in re.findall(r"\d+\.?\d*", word)])
    return {"type": "category", "categoryorder": "array", "categoryarray": order}


def _course(
    records: Sequence[PictureRecord],
    values: Sequence[str | float | None],
    name: str,
    colour: str = _MEASURED,
    dash: str = "solid",
) -> list[go.Scatter]:
    """A line over the pictures, with gaps where there is no value; none where there are none."""
    if all(value is None for value in values):
        return []
    line = go.Scatter(
        x=[record.picture for record in records],
        y=values,
        text=[record.name for record in records],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 1.5, "dash": dash},
        marker={"size": 5},
        hovertemplate=f"%{{text}}: %{{y:.4g}} {name}<extra></extra>",
    )
    return [line]


def _crosses(
    records: Sequence[PictureRecord], values: Sequence[float | None], name: str
) -> list[go.Scatter]:
    marker = {"symbol": "x", "size": 7, "color": _LOST}
    return [line.update(mode="markers", marker=marker) for line in _course(records, values, name)]


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


def estimates_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """SNR, and below it carrier offset, of every frame of a run, in the order of sending."""
    frames = [
        (record.name, record.frames, index)
        for record in records
        if record.frames is not None
        for index in range(len(record.frames.snr_db))
    ]
    numbers = range(0, len(frames), max(1, -(-len(frames) // FRAMES_SHOWN)))
    shown = [frames[number] for number in numbers]
    texts = [f"{name}, frame {index + 1} of {len(of.snr_db)}" for name, of, index in shown]
    rows = {
        "Es/N0 in dB": [of.snr_db[index] for _, of, index in shown],
        "carrier offset in Hz": [of.cfo_hz[index] for _, of, index in shown],
    }
    figure = make_subplots(rows=len(rows), cols=1, shared_xaxes=True, vertical_spacing=0.04)
    for row, (title, values) in enumerate(rows.items(), start=1):
        points = go.Scatter(
            x=[number + 1 for number in numbers],
            y=values,
            text=texts,
            mode="markers",
            name=title,
            marker={"color": _MEASURED, "size": 5},
            hovertemplate="%{text}: %{y}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(points, row=row, col=1)
        figure.update_yaxes(title_text=title, automargin=True, row=row, col=1)
    figure.update_yaxes(range=_around(rows["Es/N0 in dB"], 1), row=1, col=1)
    figure.update_xaxes(title_text="frame", row=len(rows), col=1)
    return _styled(figure, "SNR and carrier offset of each frame", 130 + 150 * len(rows), wide=True)


def channel_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Channel over the subcarriers, of the latest frames of some pictures of a run."""
    known = [(r.name, r.frames.gain_db) for r in records if r.frames and r.frames.gain_db]
    last = len(known) - 1
    picks = sorted({round(i * last / (CHANNELS_SHOWN - 1)) for i in range(CHANNELS_SHOWN)})
    lines = [
        (f"{known[pick][0]}, antenna {tx} to {rx}", gain)
        for pick in picks
        for rx, antenna in enumerate(known[pick][1], start=1)
        for tx, gain in enumerate(antenna, start=1)
    ]
    figure = go.Figure()
    for name, gain in lines:
        half = len(gain) // 2
        figure.add_scatter(
            x=[*range(-half, 0), *range(1, half + 1)],
            y=gain,
            mode="lines",
            name=name,
            line={"width": 1.5},
            hovertemplate="%{y:.1f} dB at %{x}<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(range=_around([level for _, gain in lines for level in gain], 1))
    figure.update_xaxes(title_text="subcarrier")
    figure.update_yaxes(title_text="|H|² in dB", automargin=True)
    return _styled(figure, "Channel at the end of pictures", 320, wide=True)


def _whole_steps(largest: int) -> dict[str, Any]:
    """Axis ticks at whole numbers, ten of them at most."""
    return {"tick0": 0, "dtick": max(1, -(-largest // 10))}


def _around(values: Sequence[float | None], margin: float) -> list[float] | None:
    """Axis range that holds all values and makes no cliffs of their last digits."""
    known = [value for value in values if value is not None]
    return [min(known) - margin, max(known) + margin] if known else None


def _plain(figure: go.Figure, title: str, x: str, y: str) -> dict[str, Any]:
    figure.update_xaxes(title_text=x, automargin=True)
    figure.update_yaxes(title_text=y, automargin=True)
    return _styled(figure, title, 320)


def _styled(figure: go.Figure, title: str, height: int, wide: bool = False) -> dict[str, Any]:
    figure.update_layout(
        meta={"wide": wide},
        template="none",
        title={"text": title, "x": 0.01, "font": {"size": 15}},
        margin={"l": 48, "r": 12, "t": 44, "b": 44},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.12},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
    )
    return dict(json.loads(figure.to_json()))
