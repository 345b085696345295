# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs of a sweep, prepared and carried out by what carries out the main job."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ota_runner.config import Settings
from ota_runner.console import ProgressView, number, say
from ota_runner.errors import one_line
from ota_runner.grid import Point
from ota_runner.main_job import DONE, Invocation, open_codec, run_job, run_to_resume
from ota_runner.record import PictureRecord, RunFolder
from ota_runner.schedule import schedule
from ota_runner.sweep_record import SweepRecord, SweptRun
from semcom_models.codecs import registry

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec


@dataclass(frozen=True)
class Job:
    """A run of a sweep, with what it needs in hand.

    Attributes:
        point: of the grid.
        codec: open; jobs share it.
        pictures: names.
    """

    point: Point
    codec: Codec
    pictures: list[str]

    def settings(self, folder: Path) -> Settings:
        """Of the run, its output below the sweep's folder."""
        settings = self.point.settings
        run = settings.run.model_copy(update={"output": folder / self.point.folder})
        return replace(settings, run=run)

    def done(self, folder: Path) -> list[PictureRecord]:
        """Records of the pictures that need not be sent again."""
        run = RunFolder(folder / self.point.folder)
        if not run.holds_run:
            return []
        begun = run.manifest()
        same_weights = int(begun.weights_sha256 or "0", 16) == self.codec.label.weights
        same_file = begun.begun_with_file(registry.file_sha256(self.point.settings.run.scheme))
        if begun.pictures != self.pictures or not (same_weights and same_file):
            return []  # going on with it will say what is wrong
        return [record for record in run.records() if record.status in DONE]

    @property
    def entry(self) -> SweptRun:
        """Its entry in ``sweep.json`` before it has begun."""
        point = self.point
        return SweptRun(
            label=point.label,
            folder=point.folder.as_posix(),
            axes=point.axes,
            hindsight=point.hindsight,
            pictures=len(self.pictures),
        )


def prepare(points: Sequence[Point]) -> list[Job]:
    """Open codecs and list pictures, each once, before anything is run.

    Raises:
        UsageError: no such preset, weights or pictures.
    """
    codecs: dict[object, Codec] = {}
    pictures: dict[object, list[str]] = {}
    jobs = []
    for point in points:
        run = point.settings.run
        key = (run.scheme, run.preset, run.cbr, run.weights)
        if key not in codecs:
            codecs[key] = open_codec(point.settings)
        sent = (run.images, run.count, run.snr_trace, run.radio)
        if sent not in pictures:
            found = schedule(run, point.choice.radio).pictures
            pictures[sent] = [picture.name for picture in found]
        jobs.append(Job(point, codecs[key], pictures[sent]))
    return jobs


def carry_out(
    jobs: Sequence[Job], record: SweepRecord, folder: Path, invocation: Invocation
) -> bool:
    """Run what is not finished, one after the other; one that fails does not stop the next.

    Args:
        jobs: as prepared.
        record: its runs begin with those of the jobs; written after each.
        folder: of the sweep.
        invocation: of this call.

    Returns:
        Whether it was interrupted; what was finished is kept.

    Raises:
        UsageError: a run was begun with other options; nothing has been run then.
        OutputFailed: the folder cannot be written.
    """
    for job in jobs:
        run_to_resume(job.settings(folder), invocation)
    done = sum(len(job.done(folder)) for job in jobs)
    interrupted = False
    record.write(folder)
    with ProgressView(sum(len(job.pictures) for job in jobs), done, verbose=False) as progress:
        for place, (job, entry) in enumerate(zip(jobs, record.runs, strict=False), start=1):
            if len(job.done(folder)) < len(job.pictures):
                interrupted = _run(job, entry, folder, invocation, progress)
                say(f"{place} of {len(jobs)}, {entry.folder}: {_result(job.done(folder), entry)}")
            _take_note(entry, job.done(folder))
            record.write(folder)
            if interrupted:
                break
    return interrupted


def _run(
    job: Job, entry: SweptRun, folder: Path, invocation: Invocation, progress: ProgressView
) -> bool:
    """Run a job; whether it was interrupted."""
    settings, radio = job.settings(folder), job.point.choice.radio
    try:
        outcome = run_job(
            settings, job.codec, radio, invocation, lambda total, done: nullcontext(progress)
        )
    except KeyboardInterrupt:  # before the run had begun
        return True
    except Exception as error:  # one run's trouble is not the next one's
        entry.status, entry.error = "failed", one_line(error)
        return False
    return outcome.interrupted


def _take_note(entry: SweptRun, done: Sequence[PictureRecord]) -> None:
    entry.completed = sum(record.status == "completed" for record in done)
    if entry.status != "failed":
        entry.status = "finished" if len(done) == entry.pictures else "incomplete"


def _result(done: Sequence[PictureRecord], entry: SweptRun) -> str:
    """What became of a run, for the line on it."""
    psnrs = [record.psnr_db for record in done if record.psnr_db is not None]
    figure = number(statistics.fmean(psnrs) if psnrs else None, 2)
    return entry.error or f"{figure} dB, {len(psnrs)} of {entry.pictures} pictures"
