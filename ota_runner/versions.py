# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions and machine of a run, for its report."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("gr-semcom", "torch", "numpy", "scipy", "numba", "pillow")


def versions() -> dict[str, str]:
    """Versions of what decides a run's figures; GNU Radio's where a run has loaded it."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    radio = sys.modules.get("gnuradio.gr")
    if radio is not None:
        found["gnuradio"] = str(radio.version())
    return found


def package_version() -> str:
    """This package's own."""
    try:
        return version("gr-semcom")
    except PackageNotFoundError:  # installed by CMake
        return "unknown"


def machine() -> dict[str, Any]:
    """Processor, cores that may be used, operating system."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
