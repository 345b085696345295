# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists the packages below the folders that pyproject.toml's package-dir names."""

import tomllib
from pathlib import Path

from setuptools import find_packages, setup

with Path("pyproject.toml").open("rb") as file:
    roots = tomllib.load(file)["tool"]["setuptools"]["package-dir"]

setup(
    packages=[
        package
        for root, folder in roots.items()
        for package in (root, *(f"{root}.{sub}" for sub in find_packages(folder)))
    ]
)
