# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs in one page: the same pictures next to each other, nothing fetched."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ota_runner import thumbnails
from ota_runner.console import number
from ota_runner.differences import find_differences
from ota_runner.pages import environment
from ota_runner.panes import SHOWN, Pane, received_pane, sent_pane, sizes
from ota_runner.past_runs import PastRun
from ota_runner.record import PictureRecord
from ota_runner.remains import Remains

_Sent = tuple[str, int]
"""What was sent, and how often before in its run."""


@dataclass(frozen=True)
class Scene:
    """A picture as sent, and as every run received it."""

    name: str
    panes: list[Pane]


def side_by_side_page(runs: Sequence[Remains], page: Path) -> str:
    """Make the page.

    Args:
        runs: one at least, whole or not.
        page: where it goes, for links to the runs.

    Returns:
        HTML.
    """
    labels = run_labels([run.folder.path for run in runs])
    known = {
        label: [PastRun.of(r.folder, r.config, r.manifest, r.records)]
        for label, r in zip(labels, runs, strict=True)
        if r.identified and r.config
    }
    links = [Path(os.path.relpath(run.folder.path / "report.html", page.parent)) for run in runs]
    scenes, left_out = _scenes(runs, labels)
    return (
        environment()
        .get_template("side_by_side.html.jinja")
        .render(
            runs=list(zip(labels, links, runs, strict=True)),
            differences=find_differences(known, along=()) if len(known) > 1 else [],
            scenes=scenes,
            left_out=left_out,
        )
    )


def run_labels(paths: Sequence[Path]) -> list[str]:
    """Names of folders, as short as tells them apart."""
    names = [path.resolve().name for path in paths]
    alone = Counter(names)
    return [
        name if alone[name] == 1 else str(path) for name, path in zip(names, paths, strict=True)
    ]


def _scenes(runs: Sequence[Remains], labels: Sequence[str]) -> tuple[list[Scene], int]:
    """Pictures that are shown, and how many others there are."""
    by_run = [_by_sent(run.records) for run in runs]
    sent = list(dict.fromkeys(key for records in by_run for key in records))
    shown = sent[:SHOWN]
    firsts = [next(records[key] for records in by_run if key in records) for key in shown]
    scale = thumbnails.display_scale(sizes(firsts), times=1 + len(runs))
    scenes = []
    for key, first in zip(shown, firsts, strict=True):
        holder = next(run for run, records in zip(runs, by_run, strict=True) if key in records)
        panes = [sent_pane(holder.folder, first, scale)]
        for run, label, records in zip(runs, labels, by_run, strict=True):
            panes.append(_received(run, label, records.get(key), scale))
        scenes.append(Scene(first.name, panes))
    return scenes, len(sent) - len(shown)


def _by_sent(records: Sequence[PictureRecord]) -> dict[_Sent, PictureRecord]:
    """Records that have a picture, by what it is."""
    before: Counter[str] = Counter()
    found = {}
    for record in records:
        what = record.sha256 or record.name
        if record.sent is not None:
            found[what, before[what]] = record
            before[what] += 1
    return found


def _received(run: Remains, label: str, record: PictureRecord | None, scale: float) -> Pane:
    if record is None:
        return Pane(label, None, "", absent="not sent here")
    pane = received_pane(run.folder, record, scale, label)
    if record.status != "completed":
        return pane
    lost = record.fragments_sent - record.fragments_received
    figures = (
        f"PSNR {pane.caption}, MS-SSIM {number(record.ms_ssim, 4)}, Es/N0 "
        f"{number(record.snr_estimated_db, 1)} dB, CBR {number(record.cbr, 4)}, "
        f"{lost} of {record.fragments_sent} frames lost"
    )
    return replace(pane, caption=figures)
