# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the UHD module cannot be built, one line says why; compilers here are scripts."""

import pytest

from semcom_virtual import usrp_module
from semcom_virtual.usrp_module import UsrpModuleError, build_usrp_module, usrp_environment

SUCCEEDS = 'for word; do case $last in -o) touch "$word";; esac; last=$word; done; cat > /dev/null'


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """Make a script the compiler."""
    monkeypatch.setattr(usrp_module, "_uhd_version", lambda: "4.3")

    def choose(script):
        path = tmp_path / "compiler"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))

    return choose


def test_it_is_compiled_once(compiler, tmp_path):
    compiler(SUCCEEDS)
    module = build_usrp_module(tmp_path / "cache")
    assert module.exists()
    assert "uhd-4.3" in module.name
    compiler("exit 1")
    assert build_usrp_module(tmp_path / "cache") == module
    assert list((tmp_path / "cache").iterdir()) == [module]


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        ("x.cpp:1:10: fatal error: uhd/device.hpp: No such file or directory", "libuhd-dev"),
        ("x.hpp:3:10: fatal error: boost/utility.hpp: No such file or directory", "libboost-dev"),
        ("/usr/bin/ld: cannot find -luhd: No such file\ncollect2: error: ld", "libuhd-dev"),
        ("x.cpp:9:1: error: no member named 'recv'", "does not compile: x.cpp:9:1"),
    ],
)
def test_a_failed_compilation_says_what_to_do(compiler, tmp_path, complaint, advice):
    compiler(f"printf '{complaint.replace(chr(39), '')}' >&2; exit 1")
    with pytest.raises(UsrpModuleError, match=advice) as raised:
        build_usrp_module(tmp_path)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.glob("*.so"))


def test_no_compiler_and_no_uhd(tmp_path, monkeypatch):
    monkeypatch.setattr(usrp_module.shutil, "which", lambda name: None)
    with pytest.raises(UsrpModuleError, match="apt-get install uhd-host"):
        build_usrp_module(tmp_path)
    monkeypatch.setattr(usrp_module, "_uhd_version", lambda: "4.3")
    with pytest.raises(UsrpModuleError, match=r"apt-get install g\+\+"):
        build_usrp_module(tmp_path)


def test_other_modules_stay(compiler, tmp_path, monkeypatch):
    compiler(SUCCEEDS)
    monkeypatch.setenv("UHD_MODULE_PATH", "/opt/other.so")
    environment = usrp_environment("/run/air", tmp_path)
    assert environment["SEMCOM_VIRTUAL_USRP"] == "/run/air"
    assert environment["UHD_MODULE_PATH"] == f"{build_usrp_module(tmp_path)}:/opt/other.so"
