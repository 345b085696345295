# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory of processes."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_PROCESSES = Path("/proc")


def resident_mib(process: int | None = None) -> float:
    """Memory of a process, None for this one, in MiB."""
    name = "self" if process is None else str(process)
    pages = int((_PROCESSES / name / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def children_resident_mib() -> float:
    """Memory of all processes that this one started and that still run."""
    total = 0.0
    for status in _PROCESSES.glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            # The name, in parentheses, may hold anything.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                total += resident_mib(int(status.parent.name))
    return total
