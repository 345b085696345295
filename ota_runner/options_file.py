# SPDX-License-Identifier: GPL-3.0-or-later
"""Options in a YAML file, and what to say of one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ota_runner.errors import UsageError


def read_options(path: Path, such_as: str) -> dict[str, Any]:
    """Name to value; dashes in names are underscores.

    Args:
        path: YAML file.
        such_as: an example of a line, for messages.

    Raises:
        UsageError: unreadable, not YAML, or not a mapping of names.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        text = " ".join(str(error).split())
        raise UsageError(f"{path} is not YAML: {text}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UsageError(f"{path} must hold options, one `name: value` a line, such as `{such_as}`")
    return {key.replace("-", "_"): value for key, value in values.items()}


def unknown_option(written: str, option: str, known: Iterable[str]) -> str:
    """One line on an option that is not known, with the nearest that is."""
    names = sorted(known)
    near = difflib.get_close_matches(option, names, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names)}"
    return f"{written} is no option here: {hint}"
