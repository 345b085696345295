#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Lint, formatting and types. All three run, whatever the first says.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# mypy does not follow the import hook of an editable install: show it the import names as links.
link_import_names() {
    local name folder link
    rm -rf "$1"
    while read -r name folder; do
        link=$1/${name//.//}
        mkdir -p "$(dirname "$link")"
        ln -s "$PWD/$folder" "$link"
    done < <(.venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    for names in tomllib.load(file)["tool"]["setuptools"]["package-dir"].items():
        print(*names)')
    # Beside our package GNU Radio's own modules, which are untyped.
    printf 'from typing import Any\ndef __getattr__(name: str) -> Any: ...\n' \
        >"$1/gnuradio/__init__.pyi"
}

status=0
.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
links=$PWD/.cache/import-names
link_import_names "$links"
MYPYPATH=$links .venv/bin/mypy -p semcom_phy -p semcom_models -p gnuradio.semcom \
    -p semcom_calibration -p ota_runner || status=1
exit $status
