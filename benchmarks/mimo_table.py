# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of ``python -m benchmarks.mimo`` as a table: ``python -m benchmarks.mimo_table CSV``.

Precoders are compared with none channel by channel; what is stale with none over the channel that
moves. Intervals are 95 %, over channels.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import TypeAlias

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.mimo import MOVING, STALE, UNUSED

Row: TypeAlias = dict[str, str]
Key: TypeAlias = tuple[str, str, str, str]

_LOST_PSNR_DB = 0.0
"""Of a picture of which no frame arrived."""


def interval(values: NDArray[np.float64], sign: str = "") -> str:
    """Mean and 95 % interval."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(values.size)
    return f"{values.mean():{sign}.2f} ± {half:.2f}"


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["scheme"], row["precoder"], row["powers"], row["csi"]].append(row)
    lines = [
        "| scheme | precoder | CSI | PSNR (dB) | to none | SNR (dB) | to none | arrived |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (scheme, precoder, powers, csi), own in groups.items():
        without = groups[scheme, "none", "", MOVING if csi in (STALE, MOVING) else UNUSED]
        cells = [scheme, f"{precoder} {powers}".strip(), csi]
        for column in ("psnr_db", "snr_db"):
            values, others = (_numbers(part, column) for part in (own, without))
            same = precoder == "none"
            cells += [interval(values), "" if same else interval(values - others, "+")]
        arrived = np.mean([row["ok"] == "1" for row in own])
        lines.append(f"| {' | '.join(cells)} | {arrived:.0%} |")
    return "\n".join(lines)


def _numbers(rows: list[Row], column: str) -> NDArray[np.float64]:
    return np.array([float(row[column] or _LOST_PSNR_DB) for row in rows])


def main(source: Path) -> None:
    """Print the table of a file of rows."""
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    draws = {row["channel"] for row in rows if row["csi"] == STALE}
    print(table([row for row in rows if row["channel"] in draws]))


if __name__ == "__main__":
    typer.run(main)
