# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: what it finds in a made-up system, and on virtual radios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gnuradio.semcom import radios
from gnuradio.semcom.radios import Corrections, RadioOpenError

from ota_runner import device_profile, doctor, doctor_software
from ota_runner.cli import execute
from ota_runner.doctor_finding import Finding, ProbeFailedError, probe
from ota_runner.doctor_self_test import SelfTest, receiver_factor
from ota_runner.doctor_system import NETWORK_BUFFER, system
from semcom_phy.numerology import NARROW, Numerology
from semcom_virtual.processes import VirtualRadios


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def usb_device(root: Path, name: str, numbers: str, speed: int, usable: bool) -> None:
    vendor, product = numbers.split(":")
    number = name.rpartition("-")[2]
    folder = f"sys/bus/usb/devices/{name}"
    values = {"idVendor": vendor, "idProduct": product, "busnum": "1", "devnum": number}
    write(root, {f"{folder}/{key}": value for key, value in values.items()})
    write(root, {f"{folder}/speed": str(speed), f"{folder}/product": f"product {name}"})
    if usable:
        write(root, {f"dev/bus/usb/001/{int(number):03d}": ""})


def test_what_a_system_lacks_and_the_command_that_mends_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/sys/net/core/rmem_max": "212992",
            "proc/sys/net/core/wmem_max": str(NETWORK_BUFFER),
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
            "usr/share/uhd/4.3.0/cal/none": "",
        },
    )
    usb_device(tmp_path, "1-2", "2500:0020", 480, usable=True)
    usb_device(tmp_path, "1-3", "0456:b673", 480, usable=True)
    usb_device(tmp_path, "1-4", "0456:b673", 480, usable=False)
    usb_device(tmp_path, "1-5", "046d:c52b", 12, usable=True)  # a mouse
    found = {finding.name: finding for finding in system(tmp_path)}
    assert {name: finding.state for name, finding in found.items()} == {
        "net.core.rmem_max": "caution",
        "net.core.wmem_max": "fine",
        "CPU governor": "caution",
        "UHD images": "caution",
        "USB 1-2": "caution",
        "USB 1-3": "fine",
        "USB 1-4": "missing",
    }
    assert found["net.core.rmem_max"].mend == "sudo sysctl -w net.core.rmem_max=24912805"
    assert found["UHD images"].mend == "sudo uhd_images_downloader"
    assert "480 of 5000 Mbit/s" in found["USB 1-2"].found
    assert found["USB 1-4"].mend.startswith("sudo apt install libiio0")
    assert all(bool(finding.mend) == (finding.state != "fine") for finding in found.values())


def test_a_system_that_is_well(tmp_path: Path) -> None:
    assert list(system(tmp_path)) == []
    write(
        tmp_path,
        {
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
            "usr/share/uhd/images/usrp_b200_fw.hex": "",
            "usr/share/uhd/images/usrp_b200_fpga.bin": "",
        },
    )
    assert [finding.state for finding in system(tmp_path)] == ["fine", "fine"]


def test_a_probe_that_fails_or_crashes_says_so() -> None:
    assert probe("print('noise'); print('value')") == "value"
    with pytest.raises(ProbeFailedError, match="No module named 'nosuch'"):
        probe("import nosuch")
    with pytest.raises(ProbeFailedError, match="ended by signal 11"):
        probe("import os; os.kill(os.getpid(), 11)")


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        ("ModuleNotFoundError: No module named 'uhd'", "apt install python3-uhd uhd-host"),
        ("ImportError: numpy.core.multiarray failed to import", "pip install 'numpy<2'"),
        ("AttributeError: _ARRAY_API not found", "pip install 'numpy<2'"),
    ],
)
def test_a_library_that_is_not_there(said: str, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(code: str) -> str:
        if "uhd.find" in code:
            raise ProbeFailedError(said)
        return "1.0"

    monkeypatch.setattr(doctor_software, "probe", fail)
    found = {finding.name: finding for finding in doctor_software.software()}
    missing = [name for name, finding in found.items() if finding.state != "fine"]
    assert missing == ["UHD for Python"]
    assert found["UHD for Python"].mend == mend
    assert said in found["UHD for Python"].found
    assert "adjscc" in found["weights"].found


@pytest.mark.parametrize(
    ("changed", "states"),
    [
        ({}, ["fine", "fine", "fine"]),
        ({"received_per_s": 0.9e6}, ["caution", "fine", "fine"]),
        ({"overflow": 1}, ["caution", "fine", "fine"]),
        ({"underflow": 1}, ["fine", "caution", "fine"]),
        ({"late": 2}, ["fine", "caution", "fine"]),
        ({"sent_per_s": None}, ["fine", "caution", "fine"]),
        ({"receiver_factor": 1.2}, ["fine", "fine", "caution"]),
    ],
)
def test_what_a_self_test_means(changed: dict[str, float], states: list[str]) -> None:
    measured = {"received_per_s": 1e6, "sent_per_s": 0.8e6, "overflow": 0, "underflow": 0}
    measured |= {"late": 0, "receiver_factor": 5.0, **changed}
    findings = list(SelfTest("pluto", 1e6, **measured).findings())  # type: ignore[arg-type]
    assert [finding.state for finding in findings] == states


def test_the_receiver_is_timed_on_frames_that_it_receives() -> None:
    assert receiver_factor(NARROW) > 0.1


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the self-test: the rest asks other processes, for seconds."""
    found = [Finding("software", "anything", "fine", "there")]
    for name in ("software", "devices", "system"):
        monkeypatch.setattr(doctor, name, lambda: iter(found))


@pytest.mark.usefixtures("bare")
def test_a_radio_that_is_there_is_tested(capsys: pytest.CaptureFixture[str]) -> None:
    with VirtualRadios("--pluto", 1) as radios:
        words = ["doctor", "--radio", "pluto", "--uri", radios.pluto_uri, "--json"]
        assert execute([*words, "--cabled", "60"]) == 0
    result = json.loads(capsys.readouterr().out)
    test = result["self_test"]
    assert (result["format"], test["radio"], test["rate_hz"]) == (1, "pluto", 1e6)
    # Whoever else runs on this machine slows virtual radios down; they are never too fast.
    assert 0 < test["received_per_s"] < 1.1e6
    assert 0 < test["sent_per_s"] < 1.1e6
    assert test["underflow"] == test["overflow"] == 0
    names = [finding["name"] for finding in result["findings"]]
    assert names[-3:] == ["pluto receives", "pluto sends", "receiver"]


@pytest.mark.usefixtures("bare")
def test_limits_of_the_devices_profiles_hold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Corrections] = []

    def refuse(name: str, numerology: Numerology, corrections: Corrections, **_: object) -> None:
        opened.append(corrections)
        raise RadioOpenError("no device")

    def limits(name: str, config: object, profiles: Path | None) -> Corrections:
        assert (name, profiles) == ("pluto", tmp_path)
        return Corrections(highest_freq_hz=1e9)

    monkeypatch.setattr(radios, "open_radio", refuse)
    monkeypatch.setattr(device_profile, "limits_of_device", limits)
    assert execute(["doctor", "--radio", "pluto", "--profiles", str(tmp_path)]) == 3
    assert opened == [Corrections(highest_freq_hz=1e9)]


@pytest.mark.usefixtures("bare")
def test_a_radio_that_cannot_be_used_is_exit_code_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["doctor", "--radio", "pluto", "--uri", "ip:127.0.0.1:1"]) == 3
    said = capsys.readouterr()
    assert "Connection refused" in said.err
    assert "anything" in said.out  # all else is told all the same
    assert "missing: pluto" in said.out


@pytest.mark.parametrize("radio", ["loopback", "ideal"])
def test_a_radio_that_is_no_device_is_bad_usage(
    radio: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["doctor", "--radio", radio]) == 2
    assert "is no device" in capsys.readouterr().err
