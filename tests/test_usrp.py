# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures over a USRP: UHD, gr-uhd and SoapySDR as they are, on a virtual device."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ota_runner.cli import execute
from semcom_virtual.processes import VirtualRadios

SNR_DB = 20.07
"""Of the payload at these gains: 10 dBm - 25 dB of gain left out - 12 dB backoff - 60 dB of path,
over kTB at 1 MHz with a noise figure of 8 dB, of which 100 of 128 carriers have a share."""

GAINS = ["--gain-tx=64.75", "--gain-rx=60", "--cabled=60"]

LINK = """
import json, sys
import numpy as np
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.radios import RadioLostError, open_radio
from semcom_phy.exchange import AnalogSection, ChannelState, CodecLabel, Transmission

antennas = int(sys.argv[1])
waveform = numerology("narrow", antennas, antennas)
options = {"cabled_db": 60, "gain_tx_db": 70, "gain_rx_db": 60, "backend": sys.argv[2]}
radio = open_radio("usrp", waveform, **options)
rng = np.random.default_rng(1)
symbols = rng.choice([1, -1, 1j, -1j], (1, 50_000)).astype(np.complex64)
sent = Transmission((AnalogSection(symbols),), 100, 100, CodecLabel(1), streams=antennas)

def say(**what):
    events = {k: v for k, v in radio.describe()["events"].items() if v}
    print(json.dumps(what | {"events": events}), flush=True)

with FlowgraphLink(radio, waveform) as link:
    for number, line in enumerate(sys.stdin):
        try:
            link.send(number, sent, ChannelState())
            heard = link.receive()
        except RadioLostError as error:
            say(lost=str(error))
            break
        if heard is None:
            say(snr_db=None)
        else:
            missed = int(heard.fragments.size - heard.fragments.sum())
            say(snr_db=heard.snr_db, missed=missed, device=radio.describe()["device"])
"""

BENCH = """
import json
import numpy as np
from gnuradio.semcom.radios.usrp_bench import open_bench
from gnuradio.semcom.radios.usrp_config import UsrpConfig

with open_bench(UsrpConfig(cabled_db=60, gain_tx_db=80), 1e6, 2, 2) as bench:
    opened_db = bench._device.get_tx_gain(0), bench._device.get_tx_gain(1)
    bench.set_freq_hz(2.4e9, 2.4e9)
    gains = bench.set_gain_tx_db(80.1), bench.set_gain_rx_db(60)
    quiet = bench.capture(20_000)
    rng = np.random.default_rng(1)
    sent = 0.3 * (rng.standard_normal((2, 4000)) + 1j * rng.standard_normal((2, 4000)))
    heard = bench.exchange(sent, 9000)
    lags = [
        int(np.argmax(np.abs(np.correlate(h, s, "valid")))) for h, s in zip(heard, sent)
    ]
    power_db = [10 * np.log10(np.mean(np.abs(x) ** 2)) for x in (quiet, heard[:, 200:4000])]
    told = [bench.model, bench.serial, bench.rate_hz, bench.freq_hz, bench.temperature_c()]
    ranges = [[r.low, r.high, r.step] for r in (bench.gain_tx, bench.gain_rx)]
print(json.dumps([opened_db, gains, power_db, lags, told, ranges, heard.shape, quiet.shape]))
"""

VANISHING_BENCH = """
import json, sys
import numpy as np
from gnuradio.semcom.radios import RadioLostError
from gnuradio.semcom.radios.usrp_bench import open_bench
from gnuradio.semcom.radios.usrp_config import UsrpConfig

said = []
with open_bench(UsrpConfig(cabled_db=60), 1e6, 1, 1) as bench:
    print("open", flush=True)
    sys.stdin.readline()
    sent = np.zeros((1, 1000), np.complex64)
    for use in (
        lambda: bench.exchange(sent, 2000),
        lambda: bench.capture(2000),
        lambda: bench.set_gain_tx_db(3),
        lambda: bench.set_freq_hz(2.4e9, 2.4e9),
        lambda: bench._send(sent, 0.0),
    ):
        try:
            use()
        except RadioLostError as error:
            said.append(str(error))
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def radios() -> Iterator[VirtualRadios]:
    try:
        started = VirtualRadios("--usrp", 1)
        started.__enter__()
    except OSError as error:
        pytest.skip(str(error))
    yield started
    started.__exit__(None, None, None)


@pytest.fixture
def uhd(radios: VirtualRadios, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> VirtualRadios:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # without a user's profiles
    for name, value in radios.usrp_environment.items():
        monkeypatch.setenv(name, value)
    radios.fault("usrp0.return")  # where a test has failed after it vanished
    return radios


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, small_samples: Path) -> Path:
    """One small picture: what is measured is the radio."""
    path = tmp_path_factory.mktemp("picture") / "chelsea.png"
    Image.open(small_samples / "chelsea.png").save(path)
    return path


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "ota_runner"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def summary_of(*words: object) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.returncode == 0, result.stderr
    told: dict[str, Any] = json.loads(result.stdout)  # nothing else on standard output
    return told


class LinkProgram:
    """A program with a link, which sends a picture at each line it is given."""

    def __init__(self, antennas: int, backend: str = "gr-uhd") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LINK, str(antennas), backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):  # GNU Radio says on standard output when a thread fails
                told: dict[str, Any] = json.loads(line)
                return told
        raise AssertionError(self.process.communicate()[1])

    def end(self) -> str:
        _, errors = self.process.communicate(timeout=30)
        return errors

    def __enter__(self) -> LinkProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def but_overflow(told: dict[str, Any]) -> dict[str, int]:
    """Events that a loaded machine does not bring about by itself."""
    return {kind: count for kind, count in told["events"].items() if kind != "overflow"}


def until(condition: Any, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_picture_is_as_good_as_over_loopback(
    uhd: VirtualRadios, picture: Path, tmp_path: Path
) -> None:
    common = [f"--images={picture}", "--encoder-snr=20", "--count=3"]
    loopback = summary_of(f"--snr={SNR_DB}", f"--output={tmp_path / 'a'}", *common)
    usrp = summary_of("--radio=usrp", f"--output={tmp_path / 'b'}", *common, *GAINS)
    assert usrp["frames"]["lost"] == 0
    assert usrp["snr_db"]["estimated_mean"] == pytest.approx(SNR_DB, abs=0.2)
    assert usrp["psnr_db"] == pytest.approx(loopback["psnr_db"], abs=0.3)
    device = usrp["channel"]["device"]
    assert device["serial"] == uhd.status()["usrp0"]["serial"]
    assert device["transmit"]["gain_db"] == [64.75]
    assert device["transmit"]["antenna"] == ["TX/RX"]
    assert device["receive"]["gain_db"] == [60]
    assert device["receive"]["rate_hz"] == 1e6
    assert device["receive"]["temperature_c"] == 35
    assert uhd.status()["usrp0"]["tx_gain_db"] == [0, 0]
    until(lambda: not uhd.status()["usrp0"]["in_use"])


@pytest.mark.parametrize("backend", ["gr-uhd", "uhd"])
def test_two_antennas_faults_and_a_device_that_vanishes(uhd: VirtualRadios, backend: str) -> None:
    with LinkProgram(2, backend) as link:
        link.send()  # while functions are compiled, samples may be lost
        first = link.send()
        assert first["snr_db"] > 22
        assert first["missed"] == 0
        assert first["device"]["receive"]["gain_db"] == [60, 60]
        assert but_overflow(first) == {}

        uhd.fault("usrp0.late")
        assert link.send()["snr_db"] is None
        again = link.send()
        assert again["missed"] == 0
        assert but_overflow(again) == {"late": 1}

        uhd.fault("usrp0.underflow:5000")
        torn = link.send()
        assert torn["missed"] > 0 or torn["snr_db"] < first["snr_db"] - 3
        assert but_overflow(torn) == {"late": 1, "underflow": 1}

        uhd.fault("usrp0.overflow:3000")
        dropped = link.send()
        assert but_overflow(dropped) == {"late": 1, "underflow": 1}
        assert dropped["events"]["overflow"] > torn["events"].get("overflow", 0)
        assert dropped["device"]["samples_lost"] >= torn["device"]["samples_lost"] + 3000

        command = [sys.executable, "-c", LINK, "1", backend]
        busy = subprocess.run(command, input="", capture_output=True, text=True, check=False)
        assert "another program uses it" in busy.stderr.splitlines()[-1]

        uhd.fault("usrp0.vanish")
        begun = time.monotonic()
        lost = link.send()
        assert time.monotonic() - begun < 5
        assert re.search("does not answer any more|gives no samples|takes no samples", lost["lost"])
        assert but_overflow(lost) == {"late": 1, "underflow": 1, "lost_device": 1}
        errors = link.end()
        assert link.process.returncode == 0, errors
    uhd.fault("usrp0.return")


def test_a_program_that_is_killed_leaves_the_transmitter_off(uhd: VirtualRadios) -> None:
    with LinkProgram(1) as link:
        link.send()
        assert uhd.status()["usrp0"]["tx_gain_db"][0] == 70
        link.process.send_signal(signal.SIGKILL)
        until(lambda: uhd.status()["usrp0"]["tx_gain_db"] == [0, 0])


def test_the_bench_plays_and_captures(uhd: VirtualRadios) -> None:
    result = subprocess.run(
        [sys.executable, "-c", BENCH], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    opened_db, gains, power_db, lags, told, ranges, heard, quiet = json.loads(result.stdout)
    serial = uhd.status()["usrp0"]["serial"]
    assert opened_db == [0, 0]
    assert gains == [80, 60]
    # Noise of -106 dBm, and 10 dBm - 9.75 dB + 10 log10(0.18) over 60 dB; full scale is -60 dBm.
    assert power_db == pytest.approx([-46.0, -67.2 + 60], abs=0.3)
    assert lags == [0, 0]
    assert told == ["virtual B210", serial, 1e6, 2.4e9, 35]
    assert ranges == [[0, 89.75, 0.25], [0, 76, 1]]
    assert (heard, quiet) == ([2, 9000], [2, 20_000])
    assert uhd.status()["usrp0"]["tx_gain_db"] == [0, 0]


def test_a_device_that_vanishes_from_the_bench_is_told(uhd: VirtualRadios) -> None:
    command = [sys.executable, "-c", VANISHING_BENCH]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as bench:
        assert bench.stdout is not None
        assert bench.stdout.readline() == "open\n"
        uhd.fault("usrp0.vanish")
        out, errors = bench.communicate("\n", timeout=60)
    assert bench.returncode == 0, errors
    said = json.loads(out)
    assert len(said) == 5
    assert all(re.match("virtual B210 (does not|gives no)", line) for line in said)


def test_the_bench_has_no_more_antennas_than_its_front_ends(uhd: VirtualRadios) -> None:
    words = ["calibrate", "--radio=usrp", "--cabled=60", "--subdevice=A:A", "--antennas=2x2"]
    result = run(*words)
    assert result.returncode == 2
    assert "2 antennas at one end, but the device has 1" in result.stderr


def test_soapy_sends_pictures_over_the_same_device(
    uhd: VirtualRadios, picture: Path, tmp_path: Path
) -> None:
    words = [f"--images={picture}", "--count=3", f"--output={tmp_path}", "--json"]
    device = f"--device=driver=uhd,serial={uhd.status()['usrp0']['serial']}"
    result = run("--radio=soapy", device, "--scheme=linear", *words, *GAINS)
    summary = json.loads(result.stdout)
    # A host that is slow when it begins to receive loses samples, and gr-soapy does not say so.
    assert summary["completed"] >= 2, result.stderr
    assert summary["snr_db"]["estimated_mean"] == pytest.approx(SNR_DB, abs=0.2)
    assert summary["channel"]["device"]["transmit"]["gain_db"] == [64.75]
    assert uhd.status()["usrp0"]["tx_gain_db"] == [0, 0]


LEAVE = ["--cabled=60"]
BAD_INPUT: list[tuple[list[str], int, str]] = [
    (["--radio=usrp", "--serial=nobody", *LEAVE], 3, "no USRP with serial nobody, there is: virt"),
    (["--radio=usrp", "--args=addr=192.0.2.1", *LEAVE], 3, "no USRP found: look at its power"),
    (["--radio=usrp", "--freq=1e10", *LEAVE], 2, "10000 MHz is out of range of a virtual: choose"),
    (["--radio=usrp", "--rate=1e8", *LEAVE], 2, "100 MS/s on 1 channel(s) is out of range"),
    (["--radio=usrp", "--model=b200", "--antennas=2x2", *LEAVE], 2, "but a b200 has 1"),
    (["--radio=usrp", "--gain-tx=95", *LEAVE], 2, "--gain-tx 95 is out of range of a virtual"),
    (["--radio=usrp", *GAINS[:2]], 2, "give --i-have-a-licence if you may, or --cabled DB"),
    (["--radio=usrp", *GAINS[:2], "--cabled=10"], 2, "less than 30 dB can destroy the receiver"),
    (["--radio=soapy", "--device=driver=none", *LEAVE], 3, "does not find 'driver=none'"),
]


@pytest.mark.parametrize(("words", "code", "said"), BAD_INPUT)
def test_bad_input_is_one_line_and_an_exit_code(
    words: list[str],
    code: int,
    said: str,
    uhd: VirtualRadios,
    picture: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nothing is opened, so that this process may do it."""
    common = ["--scheme=linear", f"--images={picture}", f"--output={tmp_path / 'run'}"]
    assert execute([*words, *common]) == code
    out, errors = capfd.readouterr()
    assert out == ""
    (line,) = errors.splitlines()
    assert line.startswith("ota_runner: error: ")
    assert said in line


def test_no_device_is_told(
    monkeypatch: pytest.MonkeyPatch, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("UHD_MODULE_PATH", "SEMCOM_VIRTUAL_USRP"):
        monkeypatch.delenv(name, raising=False)
    assert execute(["--radio=usrp", "--scheme=linear", f"--images={picture}", *LEAVE]) == 3
    assert "no USRP found: look at its power and cable" in capfd.readouterr().err
    assert os.environ.get("UHD_MODULE_PATH") is None
