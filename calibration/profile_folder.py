# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder in which a user's profiles are."""

from __future__ import annotations

import os
from pathlib import Path

from semcom_calibration.profile import Profile, ProfileError, read_profile


def default_folder() -> Path:
    """``gr-semcom/profiles`` in the user's configuration (XDG Base Directory Specification)."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if os.path.isabs(configured) else Path.home() / ".config"
    return base / "gr-semcom" / "profiles"


def profiles_in(folder: Path) -> tuple[list[tuple[Path, Profile]], list[str]]:
    """All profiles of a folder, the latest first, and a line on each file that is none."""
    found, problems = [], []
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append((path, read_profile(path)))
        except ProfileError as error:
            problems.append(str(error))
    found.sort(key=lambda one: one[1].date, reverse=True)
    return found, problems
