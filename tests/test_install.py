# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip and CMake install is whole, and works away from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
BLOCKS = "share/gnuradio/grc/blocks"


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        cwd="/",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def is_table(path: Path) -> bool:
    """Tables that modules read stand beside them; other CSV files are records."""
    return path.suffix == ".csv" and (path.parent / "__init__.py").exists()


def needed_files(package: str) -> set[str]:
    """What a package cannot work without, relative to its folder: modules, data, weights."""
    folder = ROOT / FOLDERS[package]
    suffixes = {".py", ".yaml", ".jinja", ".safetensors", ".typed", ".cpp", ".hpp"}
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if (path.suffix in suffixes or is_table(path))
        and not path.name.startswith(("qa_", "conftest"))
    }


def missing_files(site: Path, packages: list[str]) -> set[str]:
    return {
        f"{package}/{file}"
        for package in packages
        for file in needed_files(package)
        if not (site / package.replace(".", "/") / file).is_file()
    }


def imported_from(site: Path, packages: list[str]) -> list[Path]:
    """The files that a Python which looks into ``site`` imports, with GNU Radio's own."""
    program = (
        "import importlib, gnuradio.gr\n"
        f"for name in {packages!r}: print(importlib.import_module(name).__file__)"
    )
    return [Path(line) for line in run(sys.executable, "-c", program, PYTHONPATH=f"{site}").split()]


def blocks_below(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.block.yml")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: setuptools leaves a build folder beside pyproject.toml, and takes up what is there.
    source = folder / "source"
    source.mkdir()
    for file in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    for name in {Path(part).parts[0] for part in FOLDERS.values()}:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "site")
    return folder / "site"


def test_wheel_is_whole(wheel: Path):
    assert missing_files(wheel, list(FOLDERS)) == set()
    for data_only in ("recipes", "weights"):
        assert not list((wheel / "semcom_models" / data_only).glob("*.py"))
    (data,) = wheel.glob("gr_semcom-*.data")
    assert blocks_below(data / "data" / BLOCKS) == blocks_below(ROOT / "gr-semcom/grc")


def test_wheel_imports_beside_gnuradio(wheel: Path):
    assert not (wheel / "gnuradio/__init__.py").exists(), "it would hide GNU Radio's own"
    files = imported_from(wheel, list(FOLDERS))
    assert len(files) == len(FOLDERS)
    assert all(file.is_relative_to(wheel) for file in files), files


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What CMake installed."""
    folder = tmp_path_factory.mktemp("cmake")
    build, prefix = folder / "build", folder / "prefix"
    python = Path(sys.base_exec_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    run(
        *("cmake", "-B", build, ROOT / "gr-semcom", f"-DCMAKE_INSTALL_PREFIX={prefix}"),
        *(f"-DPYTHON_EXECUTABLE={python}", "-DGR_PYTHON_DIR=site"),
    )
    run("cmake", "--build", build)
    run("cmake", "--install", build)
    return prefix


def test_cmake_install_is_whole(prefix: Path):
    packages = [package for package in FOLDERS if package != "ota_runner"]
    assert missing_files(prefix / "site", packages) == set()
    assert blocks_below(prefix / BLOCKS) == blocks_below(ROOT / "gr-semcom/grc")
    files = imported_from(prefix / "site", packages)
    assert all(file.is_relative_to(prefix) for file in files), files


def test_cmake_says_what_the_blocks_lack(tmp_path: Path):
    (tmp_path / "numba.py").write_text("raise ImportError")
    python = Path(sys.base_exec_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    done = subprocess.run(
        ["cmake", "-B", tmp_path / "build", ROOT / "gr-semcom", f"-DPYTHON_EXECUTABLE={python}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"lacks what the blocks\s+import:[\w\s]*\bnumba\b", done.stderr), done.stderr


def test_companion_finds_the_installed_blocks(prefix: Path, tmp_path: Path):
    program = (
        "from gnuradio import gr\n"
        "from gnuradio.grc.core.platform import Platform\n"
        "platform = Platform(version=gr.version(), version_parts=('3', '10', '0'),"
        " prefs=gr.prefs())\n"
        "platform.build_library()\n"
        "print(*(key for key in platform.blocks if key.startswith('semcom_')))"
    )
    found = run(
        *(sys.executable, "-c", program),
        GRC_BLOCKS_PATH=str(prefix / BLOCKS),
        HOME=str(tmp_path),
        XDG_CACHE_HOME=str(tmp_path),
    )
    shipped = {name.removesuffix(".block.yml") for name in blocks_below(ROOT / "gr-semcom/grc")}
    assert shipped
    assert set(found.split()) >= shipped


def test_waveform_blocks_need_no_torch():
    program = (
        "import importlib.abc, sys\n"
        "class Torchless(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Torchless())\n"
        "import gnuradio.semcom, semcom_phy.receiver\n"
        "from gnuradio.semcom.receiver import *\n"
        "from gnuradio.semcom.framer import *\n"
        "from gnuradio.semcom.loopback_channel import *\n"
    )
    run(sys.executable, "-c", program)
