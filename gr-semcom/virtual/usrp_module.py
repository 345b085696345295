# SPDX-License-Identifier: GPL-3.0-or-later
"""The UHD module of the virtual USRP: compiled where it is needed, once for each version of UHD."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCES = Path(__file__).parent / "uhd"

_TIME_LIMIT_S = 300
_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared")
_PACKAGES = {"uhd/": "libuhd-dev", "boost/": "libboost-dev", "-luhd": "libuhd-dev"}
"""What brings what the compiler misses, on Debian and Ubuntu."""


class UsrpModuleError(RuntimeError):
    """The module cannot be built here; one line that says what to do."""


def build_usrp_module(cache: Path | None = None) -> Path:
    """The module, compiled unless it has been already.

    Args:
        cache: folder for it; default: ``gr-semcom`` in the user's cache folder.

    Returns:
        The shared library, for ``UHD_MODULE_PATH``.

    Raises:
        UsrpModuleError: no compiler, no UHD, or they do not fit.
    """
    sources = sorted(_SOURCES.glob("*.cpp"))
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in [*sources, *sorted(_SOURCES.glob("*.hpp"))]:
        digest.update(path.read_bytes())
    folder = cache or _cache_folder()
    module = folder / f"virtual-usrp-uhd-{_uhd_version()}-{digest.hexdigest()[:16]}.so"
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            built = Path(place) / module.name
            _compile(sources, built)
            built.replace(module)  # at once: another process may be waiting for it
    return module


def usrp_environment(address: str, cache: Path | None = None) -> dict[str, str]:
    """Environment variables with which a program's UHD finds the virtual USRPs at ``address``.

    Args:
        address: of the :class:`~semcom_virtual.usrp_bridge.UsrpBridge`.
        cache: see :func:`build_usrp_module`.

    Raises:
        UsrpModuleError: the module cannot be built here.
    """
    module = str(build_usrp_module(cache))
    others = [p for p in os.environ.get("UHD_MODULE_PATH", "").split(os.pathsep) if p]
    paths = [module, *(path for path in others if path != module)]
    return {"UHD_MODULE_PATH": os.pathsep.join(paths), "SEMCOM_VIRTUAL_USRP": address}


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gr-semcom"


def _uhd_version() -> str:
    """Of the UHD that programs of this environment load.

    Raises:
        UsrpModuleError: there is none.
    """
    tool = shutil.which("uhd_config_info")
    if tool is None:
        raise UsrpModuleError("the virtual USRP needs UHD: apt-get install uhd-host libuhd-dev")
    told = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return told.stdout.split()[-1] if told.stdout.split() else "unknown"


def _compile(sources: list[Path], module: Path) -> None:
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++")
    if compiler is None:
        raise UsrpModuleError(
            "the virtual USRP is compiled where it is first used, and there is no C++ compiler: "
            "apt-get install g++"
        )
    # In one piece: what takes the time is UHD's headers.
    unit = "".join(f'#include "{path}"\n' for path in sources)
    prefix = Path(sys.prefix)  # conda's headers and libraries are not where the compiler looks
    places = [f"-I{prefix / 'include'}", f"-L{prefix / 'lib'}"]
    command = [compiler, *_FLAGS, *places, "-x", "c++", "-", "-o", str(module), "-luhd"]
    try:
        done = subprocess.run(
            command,
            input=unit,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsrpModuleError(f"the virtual USRP does not compile: {error}") from error
    if done.returncode != 0:
        raise UsrpModuleError(_why(done.stderr))


def _why(errors: str) -> str:
    """The compiler's complaint as one line."""
    lines = errors.splitlines()
    for line in lines:
        if "No such file" in line or "cannot find" in line:
            missing = next((package for sign, package in _PACKAGES.items() if sign in line), None)
            if missing is not None:
                return (
                    f"the virtual USRP needs UHD's headers and library: apt-get install {missing}"
                )
    first = next((line for line in lines if "error" in line), "the compiler gives no reason")
    return f"the virtual USRP does not compile: {first.strip()}"
