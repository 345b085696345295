# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling factors as CSV, as Markdown and as a figure."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semcom_models.figure_style import STYLE, svg
from semcom_models.study.factors import Factors, rises

SHOWN = 64
"""Channels in the figure, the first ones, as in Fig. 7."""

_COLOURS = mpl.colormaps["viridis"]
_RANGE = (0.35, 0.85)
"""Of the colours, lowest to highest SNR: what is seen on white and on black."""


def write_csv(results: Sequence[Factors], path: Path) -> None:
    """Mean and standard deviation of every channel's factor; channels count from 0.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("module", "snr_db", "channel", "mean", "deviation"))
        for result in results:
            mean, deviation = result.mean, result.deviation
            for (row, channel), value in np.ndenumerate(mean):
                spread = deviation[row, channel]
                where = (result.module, f"{result.snrs_db[row]:g}", channel)
                writer.writerow((*where, f"{value:.4f}", f"{spread:.4f}"))


def markdown(results: Sequence[Factors]) -> str:
    """Variance over the channels by SNR, and how far the mean factors move."""
    snrs_db = results[0].snrs_db
    rows = [
        f"| module | {' | '.join(f'{snr:g} dB' for snr in snrs_db)} | "
        f"variance gained | change of a factor, {snrs_db[0]:g} to {snrs_db[-1]:g} dB |",
        "| --- " * (len(snrs_db) + 3) + "|",
    ]
    for result in results:
        gained, change = result.variance_gained, result.change
        variances = " | ".join(f"{value:.4f}" for value in result.variance)
        rows.append(
            f"| {result.module} | {variances} | "
            f"{gained.value:+.4f} ({gained.low:+.4f} to {gained.high:+.4f}) | "
            f"{change.value:.4f} ({change.low:.4f} to {change.high:.4f}) |"
        )
    return "\n".join([*rows, "", *observations(results)])


def observations(results: Sequence[Factors]) -> Iterator[str]:
    """The two of Sec. IV-A, held against these factors; a line each and side."""
    for side, modules in groupby(results, key=lambda result: result.module.partition("-")[0]):
        of_side = list(modules)
        gaining = [result.module for result in of_side if result.variance_gained.low > 0]
        steadily = [result.module for result in of_side if rises(result.variance)]
        yield (
            f"- {side}: the factors vary more at the highest SNR than at the lowest in "
            f"{_named(gaining)}; with every step of the SNR in {_named(steadily)}."
        )
        changes = [result.change.value for result in of_side]
        answer = "does" if rises(changes[::-1]) else "does not"
        listed = ", ".join(f"{change:.3f}" for change in changes)
        yield (
            f"- {side}: the change of a factor over the SNRs {answer} fall from module to "
            f"module: {listed}."
        )


def _named(modules: Sequence[str]) -> str:
    return ", ".join(modules) or "none"


def draw(results: Sequence[Factors]) -> str:
    """An SVG document: a panel a module, encoder on the left and decoder on the right."""
    rows = len(results) // 2
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 2.4 * rows), layout="constrained")
        panels = figure.subplots(rows, 2, squeeze=False, sharey=True).T.ravel()
        for panel, result in zip(panels, results, strict=True):
            _panel(panel, result)
        for panel in panels[[rows - 1, -1]]:
            panel.set_xlabel("channel")
        for panel in panels[:rows]:
            panel.set_ylabel("scaling factor")
        handles = panels[0].get_lines()
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        return svg(figure)


def _panel(panel: Axes, result: Factors) -> None:
    mean, deviation = result.mean[:, :SHOWN], result.deviation[:, :SHOWN]
    channels = np.arange(mean.shape[1])
    colours = _COLOURS(np.linspace(*_RANGE, len(result.snrs_db)))
    for row, (snr_db, colour) in enumerate(zip(result.snrs_db, colours, strict=True)):
        panel.plot(channels, mean[row], color=colour, linewidth=1.2, label=f"{snr_db:g} dB")
        low, high = mean[row] - deviation[row], mean[row] + deviation[row]
        panel.fill_between(channels, low, high, color=colour, alpha=0.25, linewidth=0)
    low, high = result.variance[[0, -1]]
    ends = f"{result.snrs_db[0]:g} to {result.snrs_db[-1]:g} dB"
    panel.set_title(f"{result.module}, var {low:.3f} to {high:.3f} ({ends})", fontsize="medium")
    panel.set(ylim=(0, 1), xlim=(0, mean.shape[1] - 1))
