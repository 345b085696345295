# SPDX-License-Identifier: GPL-3.0-or-later
"""From runs to curves: what was measured, over SNR, bandwidth ratio or frame number.

Runs that differ in nothing but the axis are points of one curve. The axis is the SNR where it
varies within a curve, else the CBR; runs that follow an SNR trace are compared frame by frame.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from ota_runner.differences import common_facts, find_differences
from ota_runner.past_runs import PastRun
from ota_runner.record import Finite, PictureRecord
from ota_runner.summary import summarise
from semcom_models.codecs import registry

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V", bound=Hashable)


class Axis(StrEnum):
    """What curves go along."""

    SNR = "snr"
    CBR = "cbr"
    FRAME = "frame"

    @property
    def heading(self) -> str:
        """As figures and tables write it."""
        return _AXIS_TITLES[self]


_AXIS_TITLES = {
    Axis.SNR: "SNR (Es/N0) in dB",
    Axis.CBR: "CBR (channel uses per source dimension)",
    Axis.FRAME: "frame",
}


class Metric(StrEnum):
    """What is compared, by its name in ``summary.json``."""

    PSNR = "psnr_db"
    PSNR_OF_MSE = "psnr_of_mse_db"
    MS_SSIM = "ms_ssim"
    SSIM = "ssim"

    @property
    def heading(self) -> str:
        """As figures and tables write it."""
        return _METRIC_TITLES[self]

    @property
    def digits(self) -> int:
        """Decimals that mean something."""
        return 2 if self in (Metric.PSNR, Metric.PSNR_OF_MSE) else 4

    def of(self, point: Point) -> float | None:
        """Its value at a point."""
        value: float | None = getattr(point, self.value)
        return value


_METRIC_TITLES = {
    Metric.PSNR: "PSNR in dB",
    Metric.PSNR_OF_MSE: "PSNR of the mean MSE in dB",
    Metric.MS_SSIM: "MS-SSIM",
    Metric.SSIM: "SSIM",
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Point(_Strict):
    """What was measured at one place of the axis.

    Attributes:
        x: the place: SNR in dB as asked for, CBR as asked for, or frame number.
        snr_db: Es/N0 asked for.
        cbr: channel uses per source dimension, as used.
        psnr_db, psnr_of_mse_db, ssim, ms_ssim: as in ``summary.json``.
        pictures: how many.
        fallen_back: of them, those that did not arrive as sent, see
            :attr:`ota_runner.record.PictureRecord.fell_back`.
        mcs: that the encoder noted for its streams; None where it notes none, or they differ.
        efficiency: its information bits per channel symbol, mean.
        quality: setting of the source codec; None where it has none, or pictures differ.
        run: folder of the run.
    """

    x: Finite
    snr_db: Finite | None
    cbr: Finite | None
    psnr_db: Finite | None
    psnr_of_mse_db: Finite | None
    ssim: Finite | None
    ms_ssim: Finite | None
    pictures: int
    fallen_back: int
    mcs: str | float | None
    efficiency: Finite | None
    quality: str | float | None
    run: str


class Curve(_Strict):
    """Runs that differ in nothing but the axis.

    Attributes:
        label: distinct among the curves compared.
        scheme, preset, weights: as in ``run.json``.
        bound: what it reaches is a bound, with nothing that a radio could send.
        points: by their place on the axis.
    """

    label: str
    scheme: str
    preset: str
    weights: str | None
    bound: bool
    points: list[Point]


class Curves(_Strict):
    """What is compared.

    Attributes:
        axis: that all share.
        curves: in the order in which their runs were given.
        common: what is the same in all runs: radio, channel, seed, number of pictures, ...
        differences: what is not, beside the schemes; one line on each.
    """

    axis: Axis
    curves: list[Curve]
    common: dict[str, str]
    differences: list[str]

    @property
    def places(self) -> list[float]:
        """Places on the axis at which any curve has a point."""
        return sorted({point.x for curve in self.curves for point in curve.points})


def draw_curves(runs: Sequence[PastRun]) -> Curves:
    """Sort runs into curves.

    Of several runs at one place of a curve, the best counts where they were candidates of a
    choice in hindsight, else the one begun last.

    Args:
        runs: at least one.
    """
    axis = _axis(runs)
    groups = list(_grouped(runs, lambda run: _identity(run, _MOVED_ALONG[axis])).values())
    labels = _labels([group[0] for group in groups], axis)
    by_label = dict(zip(labels, groups, strict=True))
    return Curves(
        axis=axis,
        curves=[_curve(label, group, axis) for label, group in by_label.items()],
        common=common_facts(by_label, _MOVED_ALONG[axis]),
        differences=find_differences(by_label, _MOVED_ALONG[axis]),
    )


_MOVED_ALONG: dict[Axis, Collection[str]] = {
    Axis.SNR: {"snr"},
    Axis.CBR: {"cbr"},
    Axis.FRAME: {},
}
"""Options that change along an axis."""


def _axis(runs: Sequence[PastRun]) -> Axis:
    if all(run.follows_trace for run in runs):
        return Axis.FRAME
    alike = _grouped(runs, lambda run: _identity(run, {"snr", "cbr"})).values()
    varies = {
        axis: any(len({_place(run, axis) for run in group}) > 1 for group in alike)
        for axis in (Axis.SNR, Axis.CBR)
    }
    return Axis.CBR if varies[Axis.CBR] and not varies[Axis.SNR] else Axis.SNR


def _place(run: PastRun, axis: Axis) -> float:
    """Where on the axis a run is; a run along a trace is a whole curve."""
    if axis is Axis.CBR and run.cbr is not None:
        return round(run.cbr, 4)
    return run.snr_db if axis is Axis.SNR and run.snr_db is not None else 0.0


def _options(run: PastRun, without: Collection[str]) -> dict[str, Any]:
    """What makes a run another curve's."""
    chosen = run.swept.hindsight if run.swept else None
    ignored = {*without, chosen, "images", "record_iq"}
    options = run.config | {"weights": run.summary.weights}
    return {k: v for k, v in options.items() if k not in ignored and v is not None}


def _identity(run: PastRun, without: Collection[str]) -> str:
    return json.dumps([_name(run), _options(run, without)], sort_keys=True, default=str)


def _labels(runs: Sequence[PastRun], axis: Axis) -> list[str]:
    """Names of curves, given one run of each: scheme or label, and in what namesakes differ."""
    names = [_name(run) for run in runs]
    options = [_options(run, _MOVED_ALONG[axis]) for run in runs]
    labels = []
    for name, own in zip(names, options, strict=True):
        namesakes = [other for its, other in zip(names, options, strict=True) if its == name]
        differing = (k for k in own if any(other.get(k) != own[k] for other in namesakes))
        labels.append(", ".join([name, *(f"{key} {own[key]}" for key in differing)]))
    return labels


def _name(run: PastRun) -> str:
    return run.swept.label if run.swept else run.manifest.scheme


def _grouped(runs: Iterable[PastRun], key: Callable[[PastRun], _K]) -> dict[_K, list[PastRun]]:
    groups: dict[_K, list[PastRun]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return groups


def _curve(label: str, runs: Sequence[PastRun], axis: Axis) -> Curve:
    by_place = sorted(_grouped(runs, lambda run: _place(run, axis)).items())
    chosen = {x: _choose(candidates) for x, candidates in by_place}
    if axis is Axis.FRAME:
        points = [_point(r.picture, run, [r]) for run in chosen.values() for r in run.records]
    else:
        points = [_point(x, run, run.records) for x, run in chosen.items()]
    manifest = runs[0].manifest
    return Curve(
        label=label,
        scheme=manifest.scheme,
        preset=manifest.preset,
        weights=runs[0].summary.weights,
        bound=_is_bound(manifest.scheme),
        points=points,
    )


def _choose(candidates: Sequence[PastRun]) -> PastRun:
    """The best of several runs if they were made to choose in hindsight, else the latest."""
    if candidates[0].swept and candidates[0].swept.hindsight:
        return max(candidates, key=lambda run: (run.summary.completed, run.summary.psnr_db or 0.0))
    return max(candidates, key=lambda run: run.manifest.started)


def _point(x: float, run: PastRun, records: Sequence[PictureRecord]) -> Point:
    summary = summarise(run.manifest, records)
    modes = [
        section.efficiency
        for record in records
        for section in record.digital
        if section.mcs == record.notes.get("mcs")
    ]
    return Point(
        x=x,
        snr_db=_same(record.snr_set_db for record in records),
        cbr=summary.cbr,
        psnr_db=summary.psnr_db,
        psnr_of_mse_db=summary.psnr_of_mse_db,
        ssim=summary.ssim,
        ms_ssim=summary.ms_ssim,
        pictures=len(records),
        fallen_back=sum(record.fell_back for record in records),
        mcs=_same(record.notes.get("mcs") for record in records),
        efficiency=statistics.fmean(modes) if modes else None,
        quality=_same(record.notes.get("quality") for record in records),
        run=str(run.path),
    )


def _same(values: Iterable[_V]) -> _V | None:
    """The value that all have, or None."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _is_bound(scheme: str) -> bool:
    try:
        return registry.scheme_info(scheme).bound
    except registry.UnknownScheme:  # of somebody's own, not registered here
        return False
