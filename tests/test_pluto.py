# SPDX-License-Identifier: GPL-3.0-or-later
"""``--radio pluto`` end to end on virtual Plutos: runs, refusals, losses, and off at the end."""

from __future__ import annotations

import errno
import gc
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import RadioLostError, RadioOpenError, open_radio
from gnuradio.semcom.radios.bench import Bench
from gnuradio.semcom.radios.pluto import PlutoConfig, PlutoRadio
from gnuradio.semcom.radios.pluto_bench import open_bench
from gnuradio.semcom.radios.pluto_device import PlutoDevice
from gnuradio.semcom.radios.pluto_limits import gain_range_rx_db

from ota_runner.cli import execute
from semcom_virtual.pluto.ad9361 import receive_gain_range
from semcom_virtual.processes import VirtualRadios

iio = pytest.importorskip("iio")

NARROW = numerology("narrow")
BACKENDS = ("adi", "iio")
GAIN_TX_DB, GAIN_RX_DB = -25.25, 40.0


@pytest.fixture(scope="module")
def plutos() -> Iterator[VirtualRadios]:
    """A Pluto of two antennas, each of its receivers 60 dB from its transmitter."""
    with VirtualRadios("--pluto", 1, "--antennas", 2) as radios:
        yield radios


@pytest.fixture
def pluto(plutos: VirtualRadios) -> Iterator[VirtualRadios]:
    """The same, left without faults, and its transmitter off."""
    yield plutos
    plutos.fault("mend")
    assert is_off(plutos.pluto_uri)


def is_off(uri: str) -> bool:
    """Whether a device neither has a carrier nor gain, whoever is asked."""
    phy = iio.Context(uri).find_device("ad9361-phy")
    gains = [phy.find_channel(f"voltage{i}", True).attrs["hardwaregain"].value for i in range(2)]
    powerdown = phy.find_channel("altvoltage1", True).attrs["powerdown"].value
    return powerdown == "1" and gains == ["-89.750000 dB"] * 2


def snr_db(gain_tx_db: float) -> float:
    """Es/N0 over the virtual path: the budget of levels, thermal noise and 12 bits."""
    carriers = len(NARROW.active_carriers) / NARROW.fft_size
    signal_dbm = 7 + gain_tx_db - 12 - 60
    noise_dbm = 10 * math.log10(1.380649e-20 * 290 * NARROW.sample_rate) + 3
    steps_dbm = 10 * math.log10(2 / 12 / 2048**2) - GAIN_RX_DB
    total_mw = 10 ** (noise_dbm / 10) + 10 ** (steps_dbm / 10)
    return signal_dbm - 10 * math.log10(total_mw * carriers)


def device_words(radios: VirtualRadios, *more: object) -> list[str]:
    return ["--radio", "pluto", "--uri", radios.pluto_uri, "--cabled", "60", *map(str, more)]


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_adjscc_over_either_backend_is_as_over_loopback(
    pluto: VirtualRadios, small_samples: Path, tmp_path: Path
) -> None:
    true_db = snr_db(GAIN_TX_DB)
    assert true_db == pytest.approx(20, abs=0.1)
    words = ["--scheme", "adjscc", "--images", str(small_samples), "--snr", f"{true_db:.2f}"]
    output = tmp_path / "loopback"
    assert execute(["--radio", "loopback", *words, "--output", str(output)]) == 0
    wanted = summary(output)
    gains = ("--gain-tx", GAIN_TX_DB, "--gain-rx", GAIN_RX_DB)
    for backend in BACKENDS:
        output = tmp_path / backend
        radio = device_words(pluto, *gains, "--backend", backend)
        assert execute([*radio, *words, "--output", str(output)]) == 0
        found = summary(output)
        assert found["completed"] == 3
        assert found["frames"]["lost"] == 0
        assert found["psnr_db"] == pytest.approx(wanted["psnr_db"], abs=0.3)
        assert found["snr_db"]["estimated_mean"] == pytest.approx(true_db, abs=0.3)
        device = found["channel"]["device"]
        assert device["model"].startswith("Analog Devices PlutoSDR")
        assert device["serial"].startswith("v1r7ua1p1u70")
        assert device["gain_tx_db"] == GAIN_TX_DB
        assert device["rate_hz"] == NARROW.sample_rate
        assert device["temperature_c_when_opened"] == pytest.approx(36, abs=20)
        assert is_off(pluto.pluto_uri)


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_antennas(
    backend: str, pluto: VirtualRadios, small_samples: Path, tmp_path: Path
) -> None:
    words = device_words(pluto, "--backend", backend, "--antennas", "2x2", "--streams", "2")
    words += ["--scheme", "linear", "--images", str(small_samples), "--count", "2"]
    assert execute([*words, "--output", str(tmp_path / "run")]) == 0
    found = summary(tmp_path / "run")
    assert found["frames"]["lost"] == 0
    assert found["psnr_db"] > 35
    assert found["cbr"] == pytest.approx(1 / 12, rel=0.01)


@pytest.fixture(scope="module")
def stock() -> Iterator[VirtualRadios]:
    """A Pluto as it is sold."""
    with VirtualRadios("--pluto", 1) as radios:
        yield radios


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--uri", "ip:127.0.0.1:1"), 3, "cannot open ip:127.0.0.1:1: Connection refused"),
        (("--uri", "nonsense:1"), 3, "cannot open nonsense:1: libiio knows no such address"),
        (("--serial", "104473"), 3, "has the serial number v1r7ua1p1u700000, not 104473"),
        (("--freq", "5.8e9"), 2, "transmit frequency is 5800 MHz, choose 325 to 3800 MHz"),
        (("--freq", "9e9"), 2, "--freq"),
        (("--rate", "0.4e6"), 2, "sample rate is 0.4 MS/s, choose 0.520833 to 61.44 MS/s"),
        (("--bandwidth-rx", "30e6"), 2, "receive bandwidth is 30 MHz, choose 0.2 to 20 MHz"),
        (("--gain-rx", "72"), 2, "choose -3 to 71 dB at 2450 MHz"),
        (("--antennas", "2x2"), 3, "one antenna each way, and two are asked"),
        (("--cabled", "20"), 2, "less than 30 dB"),
    ],
)
def test_bad_input_is_one_line(
    options: tuple[str, ...],
    code: int,
    said: str,
    stock: VirtualRadios,
    small_samples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = device_words(stock, *options, "--scheme", "linear", "--images", small_samples)
    assert execute([*words, "--output", str(tmp_path / "run")]) == code
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("fault", "more", "said"),
    [
        ("refuse:rf_bandwidth", (), "did not take transmit bandwidth 1000000 Hz: Invalid argument"),
        ("ignore:hardwaregain", (), "transmit gain: asked -20 dB, the device at"),
        ("ignore:gain_control_mode", (), "gain mode: asked manual, the device at"),
        (
            "ignore:sampling_frequency",
            ("--rate", "3e6"),
            "3000000 S/s",
        ),
        (
            "ignore:frequency",
            ("--freq", "915e6"),
            "transmit frequency: asked 915000000 Hz, the device at",
        ),
    ],
)
def test_a_setting_that_is_not_taken_is_told(
    fault: str,
    more: tuple[str, ...],
    said: str,
    stock: VirtualRadios,
    small_samples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = device_words(stock, *more, "--scheme", "linear")
    words += ["--images", str(small_samples), "--output", str(tmp_path / "run")]
    stock.fault(fault)
    try:
        assert execute(words) == 3
    finally:
        stock.fault("mend")
    lines = capsys.readouterr().err.strip().splitlines()
    assert any(said in line for line in lines), lines


def test_a_value_that_cannot_be_read_back_is_the_devices_fault(
    stock: VirtualRadios, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    attribute = type("Attribute", (), {"value": property(gone, lambda _, value: None)})()
    channel = SimpleNamespace(attrs={"powerdown": attribute})
    device = PlutoDevice(stock.pluto_uri, None)
    monkeypatch.setattr(device, "_phy", SimpleNamespace(find_channel=lambda *_: channel))
    with pytest.raises(RadioOpenError, match=r"power-down .* 0: Input/output error"):
        device.switch_transmitter_on()


@pytest.mark.parametrize("freq_hz", [1.3e9, 1.3e9 + 1, 4e9, 4e9 + 1])
def test_gain_tables_change_where_the_virtual_transceivers_do(freq_hz: float) -> None:
    ours, theirs = gain_range_rx_db(freq_hz), receive_gain_range(freq_hz)
    assert (ours.low, ours.high) == (theirs.low, theirs.high)


def after_pictures(folder: Path, count: int, action: Callable[[], None]) -> threading.Thread:
    """Do something in the middle of the picture after ``count`` ones."""
    done = folder / "images.jsonl"

    def watch() -> None:
        deadline = time.monotonic() + 60
        while not done.exists() or len(done.read_text().splitlines()) < count:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pluto_that_vanishes_leaves_a_run_that_goes_on(
    backend: str,
    small_samples: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "run"
    with VirtualRadios("--pluto", 1) as radios:
        words = device_words(radios, "--backend", backend, "--scheme", "linear")
        words += ["--images", str(small_samples), "--output", str(output)]
        thread = after_pictures(output, 1, lambda: radios.fault("vanish"))
        code = execute(words)
        thread.join()
        assert code == 4
        said = capsys.readouterr().err
        assert f"the Pluto at {words[3]} is gone" in said
        records = [json.loads(line) for line in (output / "images.jsonl").read_text().splitlines()]
        assert records[0]["status"] == "completed"
        assert (output / "summary.json").exists()
        assert (output / "report.html").exists()
        radios.fault("return")
        assert execute(["--resume", "--output", str(output)]) == 0
        assert summary(output)["completed"] == 3


RADIATE = """
import sys, time
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import open_radio
radio = open_radio("pluto", numerology("narrow"), uri=sys.argv[1], cabled_db=60)
radio.sink
print("on", flush=True)
time.sleep(60)
"""


def test_a_killed_program_leaves_the_transmitter_off(pluto: VirtualRadios) -> None:
    command = [sys.executable, "-c", RADIATE, pluto.pluto_uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "on\n"
        assert not is_off(pluto.pluto_uri)
        program.kill()
    deadline = time.monotonic() + 60
    while not is_off(pluto.pluto_uri) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert is_off(pluto.pluto_uri)


def sending_bursts(radio: PlutoRadio) -> gr.top_block:
    """A flowgraph that sends bursts of half a second, and listens."""
    flowgraph = gr.top_block()
    samples, tags = 500_000, []
    for offset, name in ((0, "tx_sob"), (samples - 1, "tx_eob")):
        tag = gr.tag_t()
        tag.offset, tag.key, tag.value = offset, pmt.intern(name), pmt.PMT_T
        tags.append(tag)
    bursts = blocks.vector_source_c([0.5] * samples, True, 1, tags)
    flowgraph.connect(bursts, radio.sink)
    flowgraph.connect(radio.source, blocks.null_sink(gr.sizeof_gr_complex))
    return flowgraph


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_the_device_loses_is_counted(backend: str, pluto: VirtualRadios) -> None:
    radio = open_radio("pluto", NARROW, uri=pluto.pluto_uri, cabled_db=60, backend=backend)
    assert isinstance(radio, PlutoRadio)
    flowgraph = sending_bursts(radio)
    flowgraph.start()
    try:
        watch(radio, 1.5)
        assert (radio.events.overflow, radio.events.underflow) == (0, 0)
        begun = time.monotonic()
        while radio.events.overflow == 0 or radio.events.underflow == 0:
            assert time.monotonic() < begun + 30, radio.events
            pluto.fault("drop:1")
            pluto.fault("underflow:1")
            watch(radio, 0.5)
    finally:
        flowgraph.stop()
        flowgraph.wait()
        radio.close()
    assert radio.events.lost_device == 0
    assert radio.describe()["device"]["temperature_c_when_closed"] is not None


def watch(radio: PlutoRadio, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        radio.check()
        time.sleep(0.01)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_device_that_hangs_is_told_within_seconds(backend: str, pluto: VirtualRadios) -> None:
    radio = open_radio("pluto", NARROW, uri=pluto.pluto_uri, cabled_db=60, backend=backend)
    flowgraph = gr.top_block()
    flowgraph.connect(radio.source, blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.start()
    try:
        radio.check()
        pluto.fault("timeout:4")
        begun = time.monotonic()
        with pytest.raises(RadioLostError, match=r"is gone .*check its cable and power"):
            watch(radio, 30)
    finally:
        flowgraph.stop()
        flowgraph.wait()
        radio.close()
    assert radio.events.lost_device == 1
    time.sleep(max(0.0, begun + 4 - time.monotonic()))


def buffers_alive() -> int:
    gc.collect()
    return sum(type(one) is iio.Buffer for one in gc.get_objects())


def test_the_error_of_a_lost_pluto_keeps_no_buffer() -> None:
    before = buffers_alive()
    with VirtualRadios("--pluto", 1) as radios:
        bench = open_bench(PlutoConfig(uri=radios.pluto_uri, cabled_db=60), 1e6, 1, 1)
        radios.fault("vanish")
        with pytest.raises(RadioLostError, match="is gone") as caught, bench:
            bench.capture(50_000)
    assert caught.value.__cause__ is not None
    assert buffers_alive() == before


def test_the_bench_plays_and_captures(pluto: VirtualRadios) -> None:
    config = PlutoConfig(uri=pluto.pluto_uri, cabled_db=60)
    with open_bench(config, 1e6, 1, 2) as bench:
        assert isinstance(bench, Bench)
        assert (bench.gain_tx.low, bench.gain_rx.high) == (-89.75, 71)
        bench.set_freq_hz(2.4e9, 2.4e9)
        assert bench.freq_hz == pytest.approx(2.4e9, abs=10)
        assert bench.set_gain_tx_db(-20.0) == -20.0
        assert bench.set_gain_rx_db(40.0) == 40.0
        silence = bench.capture(50_000)
        sent = np.full((1, 30_000), 0.5, np.complex64)
        heard = bench.exchange(sent, 50_000)
        again = bench.capture(50_000)
    assert silence.shape == heard.shape == again.shape == (2, 50_000)
    # -79 dBm at a full scale of -40 dBm; the second antenna hears the second transmitter alone.
    level_db = 20 * np.log10(np.median(np.sort(np.abs(heard[0]))[-30_000:]))
    assert level_db == pytest.approx(-39, abs=0.5)
    assert np.count_nonzero(np.abs(heard[0]) > 0.5 * 10 ** (-39 / 20)) == pytest.approx(
        30_000, abs=100
    )
    for quiet in (silence, again, heard[1:]):
        assert 10 * np.log10(np.mean(np.abs(quiet) ** 2)) < -60
