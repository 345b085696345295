# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves as SVG for papers and pages, by Matplotlib.

Backgrounds are transparent and letters of a grey that is read on white and on black. The same
curves give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ota_runner.curves import Axis, Curve, Curves, Metric, Point
from semcom_models.figure_style import COLOURS, INK, STYLE, svg

MARKERS = ("o", "s", "^", "D", "v", "p", "<", ">", "h")
DASHES = ("-", "--", ":", "-.")


def curves_svg(curves: Curves, metric: Metric) -> str:
    """Draw curves.

    Args:
        curves: at least one.
        metric: what is drawn over the axis.

    Returns:
        An SVG document: one panel over SNR or CBR, three along a trace (SNR; spectral efficiency
        and quality setting of the digital schemes; the metric), as in NTSCC+, Fig. 9.
    """
    with mpl.rc_context(STYLE):
        if curves.axis is Axis.FRAME:
            figure = _trace_figure(curves, metric)
        else:
            figure = _curve_figure(curves, metric)
        return svg(figure)


def _curve_figure(curves: Curves, metric: Metric) -> Figure:
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    panel = figure.add_subplot()
    styled = _styled(curves.curves)
    handles = [_draw(panel, curve, curves.axis, metric, look) for curve, look in styled]
    panel.set_xlabel(curves.axis.heading)
    panel.set_ylabel(metric.heading)
    _legend(figure, handles, curves)
    return figure


def _trace_figure(curves: Curves, metric: Metric) -> Figure:
    figure = Figure(figsize=(7.2, 8.0), layout="constrained")
    snr, modes, result = figure.subplots(3, 1, sharex=True)
    trace = curves.curves[0].points
    snr.plot([point.x for point in trace], [point.snr_db for point in trace], color=INK)
    snr.set_ylabel("SNR in dB")
    styled = _styled(curves.curves)
    _draw_modes(modes, styled)
    handles = [_draw(result, curve, curves.axis, metric, look) for curve, look in styled]
    result.set_ylabel(metric.heading)
    result.set_xlabel(Axis.FRAME.heading)
    result.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, handles, curves)
    return figure


def _draw_modes(panel: Axes, styled: Sequence[tuple[Curve, dict[str, Any]]]) -> None:
    """Spectral efficiency as steps and, where they are numbers, quality settings as dots."""
    panel.set_ylabel("bits a symbol (steps)")
    dots = {
        curve.label: [(p.x, p.quality) for p in curve.points if isinstance(p.quality, float)]
        for curve, _ in styled
    }
    settings = panel.twinx() if any(dots.values()) else None
    if settings is not None:
        settings.set_ylabel("quality setting (dots)")
        settings.grid(visible=False)
    for curve, look in styled:
        plain: dict[str, Any] = {"color": look["color"], "linestyle": look["linestyle"]}
        steps = [(p.x, p.efficiency) for p in curve.points if p.efficiency is not None]
        if steps:
            panel.step(*zip(*steps, strict=True), where="mid", **plain)
        if settings is not None and dots[curve.label]:
            alone = {**look, "linestyle": "none", "markersize": 4}
            settings.plot(*zip(*dots[curve.label], strict=True), **alone)


def _styled(curves: Sequence[Curve]) -> list[tuple[Curve, dict[str, Any]]]:
    """Colour, marker and dash of each curve; no two curves have all three alike."""
    looks = (
        {
            "color": COLOURS[n % len(COLOURS)],
            "marker": MARKERS[n % len(MARKERS)],
            "linestyle": DASHES[n // len(COLOURS) % len(DASHES)],
        }
        for n in range(len(curves))
    )
    return list(zip(curves, looks, strict=True))


def _draw(panel: Axes, curve: Curve, axis: Axis, metric: Metric, look: dict[str, Any]) -> Line2D:
    """A line, and its points: hollow where pictures did not arrive as they were sent."""
    found = [(_x(point, axis), metric.of(point), point.fallen_back) for point in curve.points]
    known = [(x, value, fallen) for x, value, fallen in found if value is not None]
    solid = [n for n, (_, _, fallen) in enumerate(known) if not fallen]
    hollow = [(x, value) for x, value, fallen in known if fallen]
    xs, values = [x for x, _, _ in known], [value for _, value, _ in known]
    [line] = panel.plot(xs, values, label=curve.label, markevery=solid, **look)
    xs, values = [x for x, _ in hollow], [value for _, value in hollow]
    panel.plot(xs, values, **look | {"linestyle": "none"}, markerfacecolor="none")
    return line


def _x(point: Point, axis: Axis) -> float:
    """Where a point is drawn: at the bandwidth ratio that was used, not at the one asked for."""
    return point.cbr if axis is Axis.CBR and point.cbr is not None else point.x


def _legend(figure: Figure, handles: list[Line2D], curves: Curves) -> None:
    if any(point.fallen_back for curve in curves.curves for point in curve.points):
        hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": "none", "linestyle": "none"}
        label = "hollow: pictures did not arrive as sent"
        handles = [*handles, Line2D([], [], color=INK, label=label, **hollow)]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
