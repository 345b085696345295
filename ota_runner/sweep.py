# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner sweep``: a grid of runs, each like the main job's, and their comparison.

Leaves a folder of run folders, ``sweep.json`` that says where they are and what became of them,
and the files of ``ota_runner compare``.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ota_runner.compare import tell
from ota_runner.comparison import compare
from ota_runner.console import say
from ota_runner.curves import Metric
from ota_runner.errors import ExitCode, UsageError
from ota_runner.grid import expand, read_sweep
from ota_runner.main_job import Invocation, interrupted_once
from ota_runner.record import new_default_folder
from ota_runner.sweep_jobs import carry_out, prepare
from ota_runner.sweep_record import FILE, SweepRecord, SweptRun, read_sweep_record


def command(
    file: Annotated[Path, typer.Argument(metavar="SWEEP.YAML", help="schemes and axes")],
    images: Annotated[
        Path | None,
        typer.Option("--images", help="picture or folder of pictures, in place of the file's"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="folder of the sweep; default: runs/DATE-sweep-NAME"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with the sweep in --output, or begin it")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print compare.json on stdout, nothing else")
    ] = False,
) -> None:
    """Run a grid over schemes, SNRs, bandwidth ratios or other options, and compare them."""
    if resume and output is None:
        raise UsageError("--resume needs --output, the folder of the sweep to go on with")
    typed = {} if images is None else {"images": images}
    words = [str(file), *(f"--{name}={value}" for name, value in typed.items())]
    invocation = Invocation(
        resume=True, json=False, verbose=False, command=shlex.join(["ota_runner", "sweep", *words])
    )
    with interrupted_once():
        jobs = prepare(expand(read_sweep(file), str(file), typed))
        folder = _folder(output, file.stem, resume)
        entries = [job.entry for job in jobs]
        runs = [*entries, *_earlier(folder, entries)]
        record = SweepRecord(command=invocation.command, runs=runs)
        interrupted = carry_out(jobs, record, folder, invocation)
    if interrupted:
        say(f"interrupted; go on with --resume --output {folder}")
        raise typer.Exit(ExitCode.INTERRUPTED)
    try:
        comparison = compare([folder], Metric.PSNR)
    except UsageError as error:  # every run failed, and has been told of
        say(f"nothing to compare: {error}")
        raise typer.Exit(ExitCode.INCOMPLETE) from error
    tell(comparison, folder, as_json)
    whole = all(run.completed == run.pictures for run in record.runs)
    raise typer.Exit(ExitCode.DONE if whole else ExitCode.INCOMPLETE)


def _folder(output: Path | None, name: str, resume: bool) -> Path:
    """Make the folder of a sweep, or find the one to go on with."""
    if output is None:
        return new_default_folder(f"sweep-{name}")
    if (output / FILE).exists() and not resume:
        raise UsageError(
            f"{output} holds a sweep already: give --resume to go on with it, or another --output"
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot write to {output}: {error.strerror}; give another --output"
        ) from error
    return output


def _earlier(folder: Path, entries: Sequence[SweptRun]) -> list[SweptRun]:
    """Runs of an earlier call that this one does not ask for."""
    if not (folder / FILE).exists():
        return []
    asked = {entry.folder for entry in entries}
    return [entry for entry in read_sweep_record(folder).runs if entry.folder not in asked]
