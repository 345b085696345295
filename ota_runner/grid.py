# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep's YAML file: axes of options, and the runs that they span.

::

    schemes:
      - adjscc                        # by name,
      - scheme: bpg+ldpc              # or with options of its own
        label: BPG, 16QAM 2/3
        mcs: nr-16qam-2/3
    snr: {from: 0, to: 20, step: 2.5} # an axis; [0, 2.5, 5] is one too
    cbr: 0.16666667                   # the same in every run
    radio: ideal

All keys but ``schemes`` are options of the main job. Every run is resolved before the first one
begins, so that a mistake in the last line does not cost the hours before it.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ota_runner.choice import Choice, choose
from ota_runner.config import Layer, Settings, read_layer, resolve
from ota_runner.errors import UsageError
from ota_runner.numerology import numerology_label, numerology_options, read_numerology
from ota_runner.record import first_fault
from semcom_models.codecs.separate_mcs import HINDSIGHT, hindsight_candidates

MAX_RUNS = 10_000
"""Runs that a sweep may have; more is a slip of a step."""


class Span(BaseModel):
    """Values at even steps, both ends included."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: Annotated[float, Field(alias="from")]
    stop: Annotated[float, Field(alias="to")]
    step: Annotated[float, Field(gt=0)]

    def values(self) -> list[float]:
        """The values; ``to`` is one of them if steps lead there."""
        steps = (self.stop - self.start) / self.step + 1e-9
        if not 0 <= steps < MAX_RUNS:
            raise UsageError(
                f"from {self.start:g} to {self.stop:g} by {self.step:g}: `to` lies below `from`, "
                f"or there are more than {MAX_RUNS} values"
            )
        return [round(self.start + index * self.step, 9) for index in range(int(steps) + 1)]


class SchemeEntry(BaseModel):
    """An item of ``schemes``; what else it holds are options of its runs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    scheme: str
    label: Annotated[str | None, Field(min_length=1)] = None

    @model_validator(mode="before")
    @classmethod
    def _named_only(cls, value: Any) -> Any:
        return {"scheme": value} if isinstance(value, str) else value


class SweepFile(BaseModel):
    """A sweep as written; what else it holds are options of all runs."""

    model_config = ConfigDict(extra="allow", frozen=True)

    schemes: Annotated[list[SchemeEntry], Field(min_length=1)]


@dataclass(frozen=True)
class Point:
    """A run of a sweep.

    Attributes:
        label: of the curve that it is a point of.
        folder: of the run, below the sweep's.
        axes: option name to its value here, for those that vary.
        hindsight: option in which it differs from other runs at the same place, of which a
            comparison takes the best; None for a run that stands for itself.
        choice: radio and scheme.
        settings: of the run, without its output.
    """

    label: str
    folder: Path
    axes: dict[str, Any]
    hindsight: str | None
    choice: Choice
    settings: Settings


def read_sweep(path: Path) -> SweepFile:
    """Read a sweep's file.

    Raises:
        UsageError: unreadable, not YAML, or not a sweep.
    """
    values = read_layer(path).values
    if "schemes" not in values:
        raise UsageError(f"{path}: no `schemes`: list scheme names there, such as [adjscc, linear]")
    for name, why in (("scheme", "name it in `schemes`"), ("output", "give --output")):
        if name in values:
            raise UsageError(f"{path}: `{name}` is no option of a sweep: {why}")
    try:
        return SweepFile.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{path}: {first_fault(error)}") from error


def expand(sweep: SweepFile, place: str, typed: Mapping[str, Any]) -> list[Point]:
    """The runs of a sweep, scheme by scheme, resolved.

    Args:
        sweep: as read.
        place: the file's name, for messages.
        typed: options from the command line; they win.

    Raises:
        UsageError: an unknown scheme or option, a value out of range, or two runs that would have
            one folder.
        RadioUnavailable: a radio needs GNU Radio, which cannot be imported.
    """
    points = []
    for entry, label in zip(sweep.schemes, _labels(sweep.schemes), strict=True):
        own = _options(entry)
        common = {name: value for name, value in _options(sweep).items() if name not in own}
        for axes, values in _combinations(common | own):
            of_entry = {name: values[name] for name in own} | {"scheme": entry.scheme}
            layers = [
                Layer(place, {name: values[name] for name in common}),
                Layer(f"{place}: {label}", of_entry),
                Layer(None, typed),
            ]
            points += _points(layers, label, axes)
    _require_distinct(points)
    return points


def _options(model: SweepFile | SchemeEntry) -> dict[str, Any]:
    """What a part of the file holds besides its own fields."""
    return {name.replace("-", "_"): value for name, value in (model.model_extra or {}).items()}


def _labels(entries: Sequence[SchemeEntry]) -> list[str]:
    """A name for each curve: as given, or the scheme's with its own options where needed."""
    often = Counter(entry.scheme for entry in entries if entry.label is None)
    labels = []
    for entry in entries:
        own = [str(value) for value in _options(entry).values() if _names_a_curve(value)]
        default = " ".join([entry.scheme, *own]) if often[entry.scheme] > 1 else entry.scheme
        labels.append(entry.label or default)
    return labels


def _names_a_curve(value: Any) -> bool:
    """Axes do not, and a choice in hindsight is named once it is made."""
    return not isinstance(value, list | dict) and value != HINDSIGHT


def _combinations(options: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every choice of a value for each option that has several: those, and all options."""
    axes = {name: _values(name, value) for name, value in options.items()}
    several = {name: values for name, values in axes.items() if values is not None}
    if math.prod(len(values) for values in several.values()) > MAX_RUNS:
        raise UsageError(f"more than {MAX_RUNS} runs of a scheme: make larger steps")
    for chosen in itertools.product(*several.values()):
        here = dict(zip(several, chosen, strict=True))
        yield here, {**options, **here}


def _values(name: str, value: Any) -> list[Any] | None:
    """The values of an axis; None for an option that has one value."""
    if isinstance(value, dict) and {"from", "to", "step"} & set(value):
        try:
            return Span.model_validate(value).values()
        except ValidationError as error:
            raise UsageError(f"axis `{name}`: {first_fault(error)}") from error
    if value == []:
        raise UsageError(f"axis `{name}` has no values")
    return value if isinstance(value, list) else None


def _points(layers: Sequence[Layer], label: str, axes: Mapping[str, Any]) -> list[Point]:
    """The run at one place of the grid, or one for each candidate of a choice in hindsight."""
    choice = choose(layers)
    settings = resolve(layers, choice.radio.options, choice.scheme.options)
    if getattr(settings.scheme, "mcs", None) != HINDSIGHT:
        return [Point(label, _folder(label, axes), dict(axes), None, choice, settings)]
    if settings.run.snr_trace is not None:
        raise UsageError(
            f"{label}: the best MCS for an SNR is chosen in hindsight, and a trace has many: "
            "choose mcs adaptive"
        )
    label = f"{label} ({HINDSIGHT})"
    points = []
    for candidate in hindsight_candidates(settings.run.snr):
        here = {**axes, "mcs": candidate}
        fixed = resolve(
            [*layers, Layer(None, {"mcs": candidate})], choice.radio.options, choice.scheme.options
        )
        points.append(Point(label, _folder(label, here), here, "mcs", choice, fixed))
    return points


def _folder(label: str, axes: Mapping[str, Any]) -> Path:
    """``label/snr=10_cbr=0.0833``, in letters that every file system takes."""
    written = "_".join(f"{name}={_short(value)}" for name, value in axes.items())
    return Path(_file_name(label), _file_name(written)) if axes else Path(_file_name(label))


def _short(value: Any) -> str:
    if isinstance(value, Mapping):  # of all options only a numerology is one
        return numerology_label(numerology_options(read_numerology(value)))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.+=-]+", "-", text).strip("-.") or "run"


def _require_distinct(points: Sequence[Point]) -> None:
    """Two runs in one folder would be one."""
    ((folder, count),) = Counter(point.folder for point in points).most_common(1)
    if count > 1:
        labels = sorted({point.label for point in points if point.folder == folder})
        raise UsageError(
            f"{count} runs of {', '.join(map(repr, labels))} would share the folder {folder}: "
            "give the schemes different labels, and no value twice"
        )
