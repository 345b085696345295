#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Lint, formatting and types. All three run, whatever the first says.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly LINKS=$PWD/.cache/import-names

# mypy does not follow the import hook of an editable install: show it the import names as links.
import_names() {
    .venv/bin/python -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    for names in tomllib.load(file)["tool"]["setuptools"]["package-dir"].items():
        print(*names)'
    echo benchmarks benchmarks
}

packages=()
rm -rf "$LINKS"
while read -r name folder; do
    link=$LINKS/${name//.//}
    mkdir -p "$(dirname "$link")"
    ln -s "$PWD/$folder" "$link"
    packages+=(-p "$name")
done < <(import_names)
# Beside our package GNU Radio's own modules, which are untyped.
printf 'from typing import Any\ndef __getattr__(name: str) -> Any: ...\n' \
    >"$LINKS/gnuradio/__init__.pyi"

status=0
.venv/bin/ruff check . || status=1
.venv/bin/ruff format --check . || status=1
MYPYPATH=$LINKS .venv/bin/mypy "${packages[@]}" || status=1
exit $status
