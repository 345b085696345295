# SPDX-License-Identifier: GPL-3.0-or-later
"""Bjontegaard deltas of curves over the bandwidth ratio, against one of them."""

from __future__ import annotations

import difflib
import warnings

from pydantic import BaseModel, ConfigDict

from ota_runner.curves import Axis, Curve, Curves, Metric
from ota_runner.errors import UsageError
from ota_runner.record import Finite


class Delta(BaseModel):
    """A curve against the anchor.

    Attributes:
        label, anchor: of the curves.
        bd_rate_percent: channel uses that it takes more for the same PSNR, on average.
        bd_psnr_db: PSNR that it has more at the same channel uses, on average.
        note: why one of them is None, or to be taken with care.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    anchor: str
    bd_rate_percent: Finite | None
    bd_psnr_db: Finite | None
    note: str | None


def find_deltas(curves: Curves, metric: Metric, anchor: str | None = None) -> list[Delta]:
    """Deltas of every curve but the anchor; none over other axes, or in other metrics than PSNR.

    Args:
        curves: as compared.
        metric: in which.
        anchor: label of the curve to refer to; None for the first.

    Raises:
        UsageError: no curve of the anchor's name, or nothing that it could be the anchor of.
    """
    labels = [curve.label for curve in curves.curves]
    if anchor is not None and anchor not in labels:
        near = difflib.get_close_matches(anchor, labels, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"--anchor: no curve {anchor!r}: {hint}there are {', '.join(labels)}")
    if curves.axis is not Axis.CBR or metric not in (Metric.PSNR, Metric.PSNR_OF_MSE):
        if anchor is not None:
            raise UsageError(
                "--anchor: BD-rates compare PSNR over the CBR; these runs are compared in "
                f"{metric.heading} over {curves.axis.heading}"
            )
        return []
    base = curves.curves[0 if anchor is None else labels.index(anchor)]
    return [_delta(base, curve, metric) for curve in curves.curves if curve is not base]


def _delta(anchor: Curve, curve: Curve, metric: Metric) -> Delta:
    from semcom_models.bjontegaard_delta import bd_psnr_db, bd_rate_percent  # takes a while

    pair = _samples(anchor, metric), _samples(curve, metric)
    rate = psnr = note = None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            rate, psnr = bd_rate_percent(*pair), bd_psnr_db(*pair)
        except ValueError as error:
            note = str(error)
    if note is None and rate is None:
        note = "the curves have no PSNR in common"
    elif note is None and psnr is None:
        note = "the curves have no CBR in common"
    elif warned:
        note = "the curves share less than three quarters of their range"
    return Delta(
        label=curve.label, anchor=anchor.label, bd_rate_percent=rate, bd_psnr_db=psnr, note=note
    )


def _samples(curve: Curve, metric: Metric) -> list[tuple[float, float]]:
    """Bandwidth ratio as used, and PSNR."""
    found = ((point.cbr, metric.of(point)) for point in curve.points)
    return [(cbr, psnr) for cbr, psnr in found if cbr is not None and psnr is not None]
