# SPDX-License-Identifier: GPL-3.0-or-later
"""How figures look: readable on white and on black, the same bytes for the same figures."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
"""Of Okabe and Ito, "Color Universal Design", 2008, without black and yellow, which vanish."""

INK = "#767c85"
"""Letters and lines: a grey that is read on white and on black."""

STYLE: Any = {
    "svg.hashsalt": "gr-semcom",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.25,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "legend.frameon": False,
    "savefig.transparent": True,
}
"""For :func:`matplotlib.rc_context`."""


def svg(figure: Figure) -> str:
    """An SVG document without a date; to be called within :data:`STYLE`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    return buffer.getvalue()
