# SPDX-License-Identifier: GPL-3.0-or-later
"""``sweep.json``: the runs of a sweep, where they are and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ota_runner.errors import OutputFailed, UsageError
from ota_runner.record import first_fault, write_atomically

FILE = "sweep.json"


class SweptRun(BaseModel):
    """A run of a sweep.

    Attributes:
        label: of the curve that it is a point of.
        folder: of the run, below the sweep's.
        axes: option name to its value here, for those that vary.
        hindsight: option in which it differs from other runs at the same place, of which a
            comparison takes the best; None for a run that stands for itself.
        pictures, completed: to send, and received at least in part.
        status: ``planned``; ``finished``: every picture was received or lost; ``incomplete``:
            some pictures failed, or it was cut short; ``failed``: it did not begin, see ``error``.
        error: one line on what failed.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    folder: str
    axes: dict[str, Any]
    hindsight: str | None = None
    pictures: int
    completed: int = 0
    status: Literal["planned", "finished", "incomplete", "failed"] = "planned"
    error: str | None = None


class SweepRecord(BaseModel):
    """All runs of a sweep, in the order in which they are made.

    Attributes:
        format: version of this interface.
        command: as typed.
        runs: finished or not.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    command: str
    runs: list[SweptRun]

    def write(self, folder: Path) -> None:
        """Write ``sweep.json``.

        Raises:
            OutputFailed: it cannot be written.
        """
        try:
            write_atomically(folder / FILE, self.model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise OutputFailed(f"cannot write to {folder}: {error.strerror}") from error


def read_sweep_record(folder: Path) -> SweepRecord:
    """Read a folder's ``sweep.json``.

    Raises:
        UsageError: it is missing or damaged.
    """
    file = folder / FILE
    try:
        return SweepRecord.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is damaged: {first_fault(error)}") from error
