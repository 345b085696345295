# SPDX-License-Identifier: GPL-3.0-or-later
"""A measurement as SVG, by Matplotlib; the same measurement gives the same bytes."""

from __future__ import annotations

import io

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.waveform.measurement import Measurement
from ota_runner.curve_figures import MARKERS
from semcom_models.figure_style import COLOURS


def draw(measurement: Measurement) -> str:
    """An SVG document."""
    with mpl.rc_context({"svg.hashsalt": "gr-semcom"}):
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        panel = figure.add_subplot()
        for number, (label, values) in enumerate(measurement.curves.items()):
            shown = [
                (x, y)
                for x, y in zip(measurement.x, values, strict=True)
                if y is not None and (y > 0 or not measurement.log_y)
            ]
            theory = label in measurement.bounds
            panel.plot(
                [x for x, _ in shown],
                [y for _, y in shown],
                label=label,
                color=COLOURS[number % len(COLOURS)],
                linestyle="--" if theory else "-",
                marker="" if theory or len(shown) > 25 else MARKERS[number % len(MARKERS)],
                markersize=5,
                linewidth=1.5,
            )
        panel.set(title=measurement.title, xlabel=measurement.x_label, ylabel=measurement.y_label)
        panel.set_yscale("log" if measurement.log_y else "linear")
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.legend(fontsize="small")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # Trailing blanks are no part of a drawing.
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
