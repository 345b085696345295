# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots of a run picture by picture, as Plotly figures in plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ota_runner.figure_style import ASKED, LOST, MEASURED, TOLD, around, plain, styled, whole_steps
from ota_runner.record import Latency, PictureRecord
from ota_runner.summary import Summary
from semcom_phy.digital import MCS


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
            marker={"color": MEASURED, "size": 8},
            hovertemplate="%{text}: %{y:.2f} dB<extra></extra>",
        )
    )
    if summary.snr_db.set is not None:
        figure.add_scatter(
            x=[record.picture for record in records],
            y=[summary.snr_db.set] * len(records),
            mode="lines" if len(records) > 1 else "markers",
            name="set",
            line={"color": ASKED, "dash": "dash"},
            hovertemplate="set: %{y:.2f} dB<extra></extra>",
        )
    figure.update_xaxes(whole_steps(len(records)))
    figure.update_yaxes(range=around([*(r.snr_estimated_db for r in shown), summary.snr_db.set], 1))
    return plain(figure, "SNR, set and measured", "picture", "Es/N0 in dB")


def trace_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """A run over an SNR that varies, frame by frame: SNR, below it PSNR.

    Where pictures were sent as bits there follow the efficiency of the modulation and coding of
    each one's longest section, and the quality setting if the codec notes one.
    """
    completed = [record.status == "completed" for record in records]
    rows = {
        "Es/N0 in dB": [
            *_course(records, [record.snr_set_db for record in records], "set", ASKED, "dash"),
            *_course(records, [record.snr_estimated_db for record in records], "measured"),
            *_course(records, _told(records), "told to the encoder", TOLD, "dot"),
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
        figure.update_yaxes(title_text=title, row=row, col=1)
        if title == "quality":
            figure.update_yaxes(_categories(courses[0].y), row=row, col=1)
    figure.update_xaxes(whole_steps(len(records)))
    figure.update_xaxes(title_text="picture", row=len(shown), col=1)
    return styled(figure, "Frame by frame", 130 + 150 * len(shown), wide=True)


def _told(records: Sequence[PictureRecord]) -> list[float | None]:
    """What the encoder was told, if that is not what was set."""
    told = [record.snr_told_db for record in records]
    return told if told != [record.snr_set_db for record in records] else [None] * len(told)


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
    colour: str = MEASURED,
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
    marker = {"symbol": "x", "size": 7, "color": LOST}
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
            marker={"color": MEASURED, "size": 8},
            hovertemplate="%{text}: %{y:.2f} dB at %{x:.2f} dB<extra></extra>",
        )
    )
    figure.update_xaxes(range=around([record.snr_estimated_db for record in shown], 1))
    figure.update_yaxes(range=around([record.psnr_db for record in shown], 1))
    return plain(figure, "PSNR by measured SNR", "measured Es/N0 in dB", "PSNR in dB")


def fragments_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Frames of every picture that arrived and that did not."""
    shown = [record for record in records if record.fragments_sent]
    numbers = [record.picture for record in shown]
    arrived = [record.fragments_received for record in shown]
    lost = [record.fragments_sent - record.fragments_received for record in shown]
    names = [record.name for record in shown]
    figure = go.Figure(layout={"barmode": "stack"})
    for name, counts, colour in (("arrived", arrived, MEASURED), ("lost", lost, LOST)):
        figure.add_bar(
            x=numbers,
            y=counts,
            text=names,
            name=name,
            marker={"color": colour},
            textposition="none",
            hovertemplate=f"%{{text}}: %{{y}} {name}<extra></extra>",
        )
    figure.update_xaxes(whole_steps(len(records)))
    figure.update_yaxes(whole_steps(max((r.fragments_sent for r in shown), default=0)))
    return plain(figure, "Frames", "picture", "frames")


def latency_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Seconds that every picture took, stage on stage."""
    figure = go.Figure(layout={"barmode": "stack"})
    colours = (ASKED, MEASURED, TOLD)
    for stage, colour in zip(Latency.model_fields, colours, strict=True):
        figure.add_bar(
            x=[record.picture for record in records],
            y=[getattr(record.latency_s, stage) for record in records],
            text=[record.name for record in records],
            name=stage,
            marker={"color": colour},
            textposition="none",
            hovertemplate=f"%{{text}}: %{{y:.3f}} s {stage}<extra></extra>",
        )
    figure.update_xaxes(whole_steps(len(records)))
    return plain(figure, "Latency by stage", "picture", "seconds")
