# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs that are programs of their own, found on PATH, run on files of a temporary folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from semcom_models.source.base import DamagedStream, NotInstalled

ENCODER_TIMEOUT_S = 3600.0
"""VTM takes minutes for a photograph, and an hour for a large one."""

DECODER_TIMEOUT_S = 60.0


def find_program(*names: str) -> Path | None:
    """The first of some programs that is on PATH."""
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


def require(program: Path | None, what: str) -> Path:
    """A program that was found.

    Raises:
        NotInstalled: it was not.
    """
    if program is None:
        raise NotInstalled(f"not installed: {what}")
    return program


def run_encoder(command: Sequence[str | Path], folder: Path, output: Path) -> bytes:
    """What an encoder writes into a file.

    Raises:
        RuntimeError: it failed, took too long or wrote nothing.
    """
    try:
        _run(command, folder, ENCODER_TIMEOUT_S)
        return output.read_bytes()
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"{Path(command[0]).name} failed: {_reason(error)}") from None


def run_decoder(command: Sequence[str | Path], folder: Path, output: Path, max_bytes: int) -> bytes:
    """What a decoder writes into a file of at most so many bytes.

    Raises:
        DamagedStream: it failed, took too long or wrote nothing, or more.
    """
    try:
        _run(command, folder, DECODER_TIMEOUT_S)
        with output.open("rb") as file:
            decoded = file.read(max_bytes + 1)
    except (OSError, subprocess.SubprocessError) as error:
        raise DamagedStream(f"{Path(command[0]).name} failed: {_reason(error)}") from None
    if len(decoded) > max_bytes:
        raise DamagedStream("the stream holds a larger picture than was announced")
    return decoded


def first_line_of(command: Sequence[str | Path]) -> str:
    """What a program says first of itself, whatever its exit status: name and version."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DECODER_TIMEOUT_S,
    )
    lines = done.stdout.decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), Path(command[0]).name)


def _run(command: Sequence[str | Path], folder: Path, timeout_s: float) -> None:
    subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=timeout_s,
        check=True,
    )


def _reason(error: OSError | subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr.strip():
        return error.stderr.decode(errors="replace").strip().splitlines()[-1]
    return " ".join(str(error).split())
