# SPDX-License-Identifier: GPL-3.0-or-later
"""A codec of one's own from a Python file: ``--scheme my_codec.py``."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import sys
import traceback
from pathlib import Path

_NUMBERS = itertools.count()


def run_file(path: Path) -> str:
    """Run a file that registers a codec.

    Returns:
        First eight hexadecimal digits of the SHA-256 of what was run.

    Raises:
        ValueError: it cannot be read, or fails; one line, with the file's line.
    """
    resolved = path.resolve()
    name = f"semcom_codec_{resolved.stem}_{next(_NUMBERS)}"
    if not resolved.is_file():
        raise ValueError(f"no file {path}: name a Python file that registers a codec")
    spec = importlib.util.spec_from_file_location(name, resolved)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        # Not by the module's loader, which may run the bytecode of what the file was before.
        source = resolved.read_bytes()
        exec(compile(source, resolved, "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{path}{_line(error, resolved)}: {_said(error)}") from error
    return hashlib.sha256(source).hexdigest()[:8]


def _line(error: Exception, path: Path) -> str:
    """Where in the file it failed."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _said(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {' '.join(text.split())}"
