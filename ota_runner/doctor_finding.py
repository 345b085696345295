# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ota_runner doctor`` finds: one thing, how it is, and the command that mends it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

_LONGEST_S = 40.0

State = Literal["fine", "caution", "missing", "absent"]


@dataclass(frozen=True)
class Finding:
    """One thing.

    Attributes:
        area: ``software``, ``radios``, ``system`` or ``self-test``.
        name: of the thing.
        state: ``caution`` where it works, but not as well as it could; ``absent`` for a radio that
            nobody need have.
        found: how it is, in words.
        mend: a command or what else to do; empty where all is well.
    """

    area: str
    name: str
    state: State
    found: str
    mend: str = ""


class ProbeFailedError(Exception):
    """What a probe said when it failed; one line."""


def probe(code: str) -> str:
    """What a piece of Python prints last, in a process of its own.

    Vendors' libraries exclude each other within a process, and some end it.

    Args:
        code: the program.

    Raises:
        ProbeFailedError: it failed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            capture_output=True,
            text=True,
            timeout=_LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProbeFailedError(f"no answer for {_LONGEST_S:g} s") from None
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode == 0:
        return said[-1] if said else ""
    raise ProbeFailedError(said[-1] if said else f"ended by signal {-done.returncode}")
