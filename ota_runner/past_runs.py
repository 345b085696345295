# SPDX-License-Identifier: GPL-3.0-or-later
"""Run folders below given folders, read for a comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ota_runner import sweep_record
from ota_runner.errors import UsageError
from ota_runner.numerology import numerology_label
from ota_runner.record import Manifest, PictureRecord, RunFolder
from ota_runner.summary import Summary, summarise
from ota_runner.sweep_record import SweptRun, read_sweep_record


@dataclass(frozen=True)
class PastRun:
    """A run that has a record of every picture.

    Attributes:
        path: of its folder.
        config: its options, resolved; the numerology by its label.
        manifest: what made it.
        records: of its pictures.
        summary: over them.
        swept: its entry in the ``sweep.json`` that lists it, if one does.
    """

    path: Path
    config: dict[str, Any]
    manifest: Manifest
    records: list[PictureRecord]
    summary: Summary
    swept: SweptRun | None

    @classmethod
    def of(
        cls,
        folder: RunFolder,
        config: Mapping[str, Any],
        manifest: Manifest,
        records: list[PictureRecord],
        swept: SweptRun | None = None,
    ) -> Self:
        """A run from what its folder holds, the options as written."""
        options = dict(config)
        if "numerology" in options:
            options["numerology"] = numerology_label(options["numerology"])
        summary = summarise(manifest, records)
        return cls(folder.path, options, manifest, records, summary, swept)

    @property
    def snr_db(self) -> float | None:
        """Es/N0 asked for, in dB."""
        return self.summary.snr_db.set

    @property
    def cbr(self) -> float | None:
        """Bandwidth ratio asked for, or as used where none was."""
        asked: float | None = self.config.get("cbr")
        return self.summary.cbr if asked is None else asked

    @property
    def follows_trace(self) -> bool:
        """Each picture met an SNR of its own."""
        return self.manifest.snr_trace_db is not None


def find_runs(places: Sequence[Path]) -> tuple[list[PastRun], list[str]]:
    """Read every run in folders and below them.

    Args:
        places: folders of runs, of sweeps, or above them.

    Returns:
        The whole runs, and a line on each that was left out: cut short or damaged; and on
        how many of a sweep have not begun.

    Raises:
        UsageError: a place is no folder, or holds no run; a damaged ``sweep.json``.
    """
    runs: dict[Path, PastRun] = {}
    left_out = []
    for place in places:
        swept = _swept(place)
        folders = _run_folders(place, swept)
        if not folders:
            raise UsageError(f"{place} holds no run: give folders that `ota_runner` wrote")
        for folder in folders:
            try:
                runs[folder.resolve()] = _read(folder, swept.get(folder.resolve()))
            except UsageError as error:
                left_out.append(str(error))
        begun = {folder.resolve() for folder in folders}
        missing = [path for path in swept if path not in begun]
        if missing:
            left_out.append(f"{len(missing)} of {len(swept)} runs of {place} have not begun")
    return list(runs.values()), left_out


def _run_folders(place: Path, swept: Iterable[Path]) -> list[Path]:
    """Folders of runs: those of a sweep in its order, then the others by name."""
    rank = {path: number for number, path in enumerate(swept)}
    found = {file.parent for name in ("run.json", "images.jsonl") for file in place.rglob(name)}
    return sorted(found, key=lambda path: (rank.get(path.resolve(), len(rank)), path))


def _swept(place: Path) -> dict[Path, SweptRun]:
    """Entries of all ``sweep.json`` in and below a folder, by the run's folder."""
    entries: dict[Path, SweptRun] = {}
    for file in sorted(place.rglob(sweep_record.FILE)):
        for entry in read_sweep_record(file.parent).runs:
            entries[(file.parent / entry.folder).resolve()] = entry
    return entries


def _read(path: Path, swept: SweptRun | None) -> PastRun:
    folder = RunFolder.open(path)
    manifest, records = folder.manifest(), folder.records()
    if len(records) < len(manifest.pictures):
        raise UsageError(
            f"{path} was cut short, with {len(records)} of {len(manifest.pictures)} pictures"
        )
    return PastRun.of(folder, folder.config(), manifest, records, swept)
