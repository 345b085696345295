# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure of ``bench.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class PeerMissing(Exception):
    """What a figure is compared with is not on this machine."""


@dataclass(frozen=True)
class Result:
    """A figure of ours, and a peer's beside it.

    Attributes:
        name: of the figure; readers of ``bench.json`` know it by this name.
        ours: the median.
        unit: of ``ours``, ``parts`` and ``theirs``.
        parts: of which ``ours`` is the sum.
        peer: whom ours is compared with.
        theirs: the peer's median, from the same run.
        details: what a reader needs to judge the figure: rates of detection, sizes, other cases.
    """

    name: str
    ours: float
    unit: str
    parts: Mapping[str, float] = field(default_factory=dict)
    peer: str | None = None
    theirs: float | None = None
    details: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """``ours / theirs``."""
        return None if self.theirs is None else self.ours / self.theirs

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``bench.json``."""
        entry: dict[str, Any] = {"name": self.name, "ours": _rounded(self.ours), "unit": self.unit}
        if self.theirs is not None and self.ratio is not None:
            entry |= {"peer": self.peer, "theirs": _rounded(self.theirs)}
            entry["ratio"] = _rounded(self.ratio)
        if self.parts:
            entry["parts"] = {name: _rounded(part) for name, part in self.parts.items()}
        if self.details:
            entry["details"] = {
                name: detail if isinstance(detail, str) else _rounded(detail)
                for name, detail in self.details.items()
            }
        return entry


def _rounded(value: float) -> float:
    """Four digits: more than a shared machine is good for."""
    return float(f"{value:.4g}")
