# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of ``peers/``, which run by themselves and print JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.result import PeerMissing

PEERS = Path(__file__).parent / "peers"
TIMEOUT_S = 600


def run_peer(command: list[str]) -> dict[str, Any]:
    """What a program prints on its last line.

    Args:
        command: interpreter, program, arguments.

    Raises:
        PeerMissing: it does not run here, or does not end.
    """
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
        printed: dict[str, Any] = json.loads(process.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise PeerMissing(f"{command[1]} does not run here: {error}") from error
    return printed
