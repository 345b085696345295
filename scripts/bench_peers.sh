#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Brings the peers that `make bench` compares with and that cannot live in .venv: Sionna, which
# needs NumPy 2.2, in an environment of its own at .cache/peers. Prints the path of its Python.
#
#   TORCH_SPEC  the PyTorch to install beside it, a pip requirement.
#   PIP_*       pip's own variables.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.cache/peers
readonly LOG=.cache/bench-peers.log
readonly PACKAGES=("sionna-no-rt==2.2.*" "${TORCH_SPEC:-torch==2.13.0}")

mkdir -p .cache
exec 9>.cache/bench-peers.lock
flock 9
if [[ ! -e $VENV/complete ]]; then
    printf 'peers of the benchmarks (%s): some minutes\n' "${PACKAGES[*]}" >&2
    if ! {
        "${PYTHON:-python3}" -m venv --clear "$VENV" &&
            "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input \
                "${PACKAGES[@]}" && touch "$VENV/complete"
    } >"$LOG" 2>&1 </dev/null; then
        tail -n 3 "$LOG" >&2
        exit 1
    fi
fi
echo "$PWD/$VENV/bin/python"
