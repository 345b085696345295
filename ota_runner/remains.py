# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a run, however it ended: as much as its folder tells, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ota_runner.errors import UsageError
from ota_runner.record import Manifest, PictureRecord, RunFolder
from ota_runner.summary import Summary, summarise

_NAMED = 3
"""Things of a kind that are missing by name; the rest are counted."""

_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Remains:
    """A run as its folder tells of it.

    Attributes:
        folder: of the run.
        manifest: what made it, or what the options say of that.
        config: its options, empty where they are gone.
        records: of its pictures, as far as they can be read.
        summary: over them.
        missing: a line on each thing that is not there or damaged; empty for a whole run.
        identified: ``run.json`` is whole, so that the summary can be relied upon.
    """

    folder: RunFolder
    manifest: Manifest
    config: dict[str, Any]
    records: list[PictureRecord]
    summary: Summary
    missing: list[str]
    identified: bool


def salvage(folder: RunFolder) -> Remains:
    """Read what there is of a run."""
    missing: list[str] = []
    try:
        config = folder.config()
    except UsageError as error:
        missing.append(str(error))
        config = {}
    records = _records(folder, missing)
    identified = True
    try:
        manifest = folder.manifest()
    except UsageError as error:
        missing.append(str(error))
        manifest, identified = _told_by(config, records), False
    untried = len(manifest.pictures) - len(records)
    if untried > 0:
        missing.append(
            f"the run was cut short: {untried} of {len(manifest.pictures)} pictures have no record"
        )
    for kind in ("sent", "received"):
        files = [name for record in records if (name := getattr(record, kind)) is not None]
        missing += _absent(folder.path, files)
    summary = summarise(manifest, records)
    return Remains(folder, manifest, config, records, summary, missing, identified)


def _records(folder: RunFolder, missing: list[str]) -> list[PictureRecord]:
    faults: list[str] = []
    try:
        records = folder.records(faults)
    except OSError as error:
        missing.append(f"cannot read {error.filename}: {error.strerror}")
        return []
    missing += faults[:_NAMED]
    if len(faults) > _NAMED:
        missing.append(f"so are {len(faults) - _NAMED} further lines of images.jsonl")
    return records


def _told_by(config: Mapping[str, Any], records: Sequence[PictureRecord]) -> Manifest:
    """A run of which only options and records are known."""
    return Manifest(
        scheme=str(config.get("scheme", f"{_UNKNOWN} scheme")),
        preset=str(config.get("preset") or _UNKNOWN),
        weights=None,
        weights_sha256=None,
        radio=str(config.get("radio", f"{_UNKNOWN} radio")),
        channel={},
        sample_rate=None,
        pictures=[record.name for record in records],
        snr_set_db=None,
        versions={},
        machine={},
        command="",
        started="",
    )


def _absent(path: Path, files: Sequence[str]) -> list[str]:
    """A line on the files that are not in a run's folder, if there are any."""
    absent = [name for name in files if not (path / name).is_file()]
    if not absent:
        return []
    rest = len(absent) - _NAMED
    names = ", ".join(absent[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return [f"pictures that are not there: {names}"]
