# SPDX-License-Identifier: GPL-3.0-or-later
"""UHD in Python: GNU Radio's bindings or its own, silent unless the user wants to hear it.

Both register the same C++ types, so that a process that has loaded one cannot load the other.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from gnuradio.semcom.radios.base import RadioOpenError


def gr_uhd() -> ModuleType:
    """GNU Radio's bindings, for flowgraphs.

    Raises:
        RadioOpenError: they are not there, or UHD's own were loaded first.
    """
    return _load("gnuradio.uhd", "install GNU Radio with UHD (package gnuradio)")


def uhd_api() -> ModuleType:
    """UHD's own.

    Raises:
        RadioOpenError: they are not there, or GNU Radio's were loaded first.
    """
    return _load("uhd", "install the package python3-uhd")


def quiet_uhd() -> None:
    """Have UHD say nothing, unless the environment says otherwise; before it is loaded."""
    os.environ.setdefault("UHD_LOG_CONSOLE_LEVEL", "off")
    os.environ.setdefault("UHD_LOG_FASTPATH_DISABLE", "1")


def _load(name: str, mend: str) -> ModuleType:
    quiet_uhd()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if "already registered" in str(error):
            mend = "UHD's own Python API and gr-uhd exclude each other: use a process for each"
        raise RadioOpenError(f"{name} cannot be imported: {mend}") from error
