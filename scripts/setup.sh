#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Brings GNU Radio and a virtual environment at .venv; does nothing when both are up to date.
#
#   SYSTEM_PYTHON  the Python that GNU Radio was built for. Default: that of an active conda
#                  environment if it has GNU Radio, else /usr/bin/python3.
#   TORCH_SPEC     the PyTorch to install, a pip requirement. Default: the one that SYSTEM_PYTHON
#                  already has, else a fixed version.
#   PIP_*          pip's own variables: PIP_EXTRA_INDEX_URL for PyTorch's CPU index and so on.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
readonly STAMP=$VENV/gr-semcom.stamp
readonly LOG=.cache/setup.log
# python3-gi's Gtk is what Companion draws with; grcc needs it not.
# The second line is for radios: Ettus' library with its Python, tools and headers (the virtual USRP
# is compiled against them), libiio's tools, SoapySDR.
readonly APT_PACKAGES=(gnuradio python3-venv cmake gir1.2-gtk-3.0
    uhd-host python3-uhd libuhd-dev g++ libiio-utils python3-soapysdr soapysdr-tools)

# Runs a command quietly; if it fails, shows the end of what it printed.
logged() {
    local status=0
    "$@" >>"$LOG" 2>&1 </dev/null || status=$?
    if ((status)); then
        tail -n 20 "$LOG" >&2
        die "this failed (see above and $LOG): $*"
    fi
}

say() { printf 'set-up: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

find_python() {
    local candidate
    for candidate in "${CONDA_PREFIX:-/nonexistent}/bin/python" /usr/bin/python3; do
        if [[ -x $candidate ]] && has_gnuradio "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo /usr/bin/python3
}

has_module() {
    "$1" -s -c "import importlib.util as u, sys; sys.exit(u.find_spec('$2') is None)"
}

has_gnuradio() {
    has_module "$1" gnuradio
}

torch_spec() {
    if [[ -n ${TORCH_SPEC:-} ]]; then
        echo "$TORCH_SPEC"
    elif has_module "$1" torch; then
        echo torch
    else
        echo torch==2.13.0
    fi
}

has_system_packages() {
    [[ -x $1 ]] && has_gnuradio "$1" && "$1" -c 'import ensurepip, venv' 2>/dev/null &&
        command -v cmake >/dev/null && # a test installs the module with it
        { ! command -v apt-get >/dev/null || has_radio_packages "$1"; }
}

has_radio_packages() {
    has_module "$1" uhd && has_module "$1" SoapySDR && command -v g++ >/dev/null &&
        [[ -e /usr/include/uhd.h ]] && command -v iio_info >/dev/null
}

install_system_packages() {
    command -v apt-get >/dev/null || die "GNU Radio 3.10 is missing, and so is apt-get;" \
        "install GNU Radio, or use conda (environment.yml), then run this again."
    local as_root=()
    if [[ $EUID -ne 0 ]]; then
        command -v sudo >/dev/null || die "packages are missing and there is neither root nor" \
            "sudo; ask an administrator for: apt-get install ${APT_PACKAGES[*]}"
        sudo --validate # asks for the password here, where it is seen
        as_root=(sudo)
    fi
    say "system packages (apt): ${APT_PACKAGES[*]}"
    # In a container a configuration question would wait for ever.
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    logged "${apt[@]}" update
    logged "${apt[@]}" install --no-install-recommends -o Dpkg::Use-Pty=0 "${APT_PACKAGES[@]}"
}

# The major version of NumPy beside which GNU Radio loads: its bindings are compiled for one.
numpy_major() {
    "$1" -s -c 'import gnuradio.gr, numpy; print(numpy.__version__.split(".")[0])' ||
        die "$1 finds GNU Radio but cannot load it (see above)."
}

fingerprint() {
    {
        cat pyproject.toml setup.py scripts/setup.sh
        echo "$PWD" "$1" "$(torch_spec "$1")"
        "$1" --version
    } | sha256sum | cut -d' ' -f1
}

make_environment() {
    local python=$1
    local wanted existing
    wanted=$("$python" -c 'import sys; print(sys.base_prefix, sys.version)')
    existing=$("$VENV/bin/python" -c 'import sys; print(sys.base_prefix, sys.version)' \
        2>/dev/null || true)
    if [[ $existing != "$wanted" ]] ||
        ! grep -qs 'include-system-site-packages = true' "$VENV/pyvenv.cfg"; then
        [[ ! -e $VENV || -e $STAMP || -z $existing ]] || die "$VENV is a virtual environment" \
            "of another kind; remove it, then run this again."
        say "virtual environment: $VENV over $python"
        logged "$python" -m venv --clear --system-site-packages "$VENV"
    fi

    local major torch constraints=$VENV/constraints.txt
    major=$(numpy_major "$python")
    torch=$(torch_spec "$python")
    printf 'numpy<%d\n' $((major + 1)) >"$constraints"
    say "Python packages (NumPy $major.x, $torch): a minute or two, more on a slow line"
    logged "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input \
        --constraint "$constraints" "$torch" --editable '.[dev]'
    "$VENV/bin/python" -c 'import gnuradio.gr, gnuradio.semcom, torch' ||
        die "the new environment does not load (see above); remove $VENV and try again."
    say "the modem, compiled once: a minute"
    logged "$VENV/bin/python" -m semcom_phy.warm_up
}

is_up_to_date() {
    [[ -x $1 && -e $STAMP && $(<"$STAMP") == "$(fingerprint "$1")" ]]
}

forget_stale_compilations() {
    # Numba looks at the file that a compiled function is in, not at those that it calls into.
    local mark=.cache/compiled
    mkdir -p .cache
    if [[ ! -e $mark || -n $(find gr-semcom/phy -name '*.py' -newer "$mark" -print -quit) ]]; then
        find gr-semcom/phy -name '*.nb[ic]' -delete
        touch "$mark"
    fi
}

main() {
    local python
    forget_stale_compilations
    python=${SYSTEM_PYTHON:-$(find_python)}
    is_up_to_date "$python" && return

    # Two calls at once would write into one environment.
    mkdir -p .cache
    exec 9>.cache/setup.lock
    flock 9
    is_up_to_date "$python" && return

    local begin=$SECONDS
    : >"$LOG"
    has_system_packages "$python" || install_system_packages
    has_system_packages "$python" || die "$python still lacks GNU Radio or venv, or" \
        "cmake is missing; set SYSTEM_PYTHON to the Python that GNU Radio was built for."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "$python is older than Python 3.11; Debian 12 and Ubuntu 24.04 are recent enough."
    make_environment "$python"
    fingerprint "$python" >"$STAMP"
    say "done in $((SECONDS - begin)) s"
}

main "$@"
