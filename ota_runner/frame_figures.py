# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots of what the receiver measured frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ota_runner.figure_style import MEASURED, around, spread, styled
from ota_runner.record import PictureRecord

FRAMES_SHOWN = 5000
"""Frames whose estimates are drawn at most, evenly spread over a run."""

CHANNELS_SHOWN = 4
"""Pictures whose channel is drawn at most, evenly spread over a run."""


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
            marker={"color": MEASURED, "size": 5},
            hovertemplate="%{text}: %{y}<extra></extra>",
            showlegend=False,
        )
        figure.add_trace(points, row=row, col=1)
        figure.update_yaxes(title_text=title, row=row, col=1)
    figure.update_yaxes(range=around(rows["Es/N0 in dB"], 1), row=1, col=1)
    figure.update_xaxes(title_text="frame", row=len(rows), col=1)
    return styled(figure, "SNR and carrier offset of each frame", 130 + 150 * len(rows), wide=True)


def channel_figure(records: Sequence[PictureRecord]) -> dict[str, Any]:
    """Channel over the subcarriers, of the latest frames of some pictures of a run."""
    known = [(r.name, r.frames.gain_db) for r in records if r.frames and r.frames.gain_db]
    lines = [
        (f"{known[pick][0]}, antenna {tx} to {rx}", gain)
        for pick in spread(len(known), CHANNELS_SHOWN)
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
    figure.update_yaxes(range=around([level for _, gain in lines for level in gain], 1))
    figure.update_xaxes(title_text="subcarrier")
    figure.update_yaxes(title_text="|H|² in dB")
    return styled(figure, "Channel at the end of pictures", 320, wide=True)
