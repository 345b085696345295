# SPDX-License-Identifier: GPL-3.0-or-later
"""What a measurement of the waveform asks for and gives back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        share: of the trials that the published figures take; less is quicker and coarser.
        images: folder of pictures to send; None for the sample pictures.
    """

    share: float = 1.0
    images: Path | None = None

    def trials(self, published: int, least: int = 2) -> int:
        """Trials to make where ``published`` ones make the published figure."""
        return max(least, round(self.share * published))


@dataclass(frozen=True)
class Goal:
    """A figure and what it should be.

    Attributes:
        what: is measured.
        value: measured.
        limit: of ``value``: at most, or at least.
        unit: of both.
        at_least: the limit is a lower one.
    """

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the value keeps the limit."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Measurement:
    """Curves over one axis.

    Attributes:
        title: of figure and section.
        method: what was sent and counted, in a sentence or two.
        x_label, y_label: of the axes, with units.
        x: ``[n]``.
        curves: ``[n]`` values by label, None where nothing was measured.
        bounds: labels of curves that are theory, drawn dashed.
        goals: figures with limits that they should keep.
        log_y: the axis of the curves is logarithmic.
    """

    title: str
    method: str
    x_label: str
    y_label: str
    x: Sequence[float]
    curves: Mapping[str, Sequence[float | None]]
    bounds: Collection[str] = field(default_factory=frozenset)
    goals: Sequence[Goal] = ()
    log_y: bool = False
