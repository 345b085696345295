# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of ``bench.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Result:
    """A figure of ours.

    Attributes:
        name: of the figure; readers of ``bench.json`` know it by this name.
        ours: the median.
        unit: of ``ours`` and ``parts``.
        parts: of which ``ours`` is the sum.
    """

    name: str
    ours: float
    unit: str
    parts: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``bench.json``."""
        entry: dict[str, Any] = {"name": self.name, "ours": _rounded(self.ours), "unit": self.unit}
        if self.parts:
            entry["parts"] = {name: _rounded(part) for name, part in self.parts.items()}
        return entry


def _rounded(value: float) -> float:
    """Four digits: more than a shared machine is good for."""
    return float(f"{value:.4g}")
