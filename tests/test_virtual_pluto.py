# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual Pluto beneath stock libiio: its tools, pyadi-iio and gr-iio."""

import errno
import gc
import json
import shutil
import socket
import subprocess
import threading
import time
from contextlib import closing

import numpy as np
import pytest

from semcom_virtual.air import Air, AirConfig
from semcom_virtual.clock import RealtimeClock
from semcom_virtual.faults import Fault
from semcom_virtual.pluto.pluto import VirtualPluto
from semcom_virtual.processes import VirtualRadios
from semcom_virtual.server import main

adi = pytest.importorskip("adi")
iio = pytest.importorskip("iio")

RATE_HZ = 1_000_000
FREQ_HZ = 2_450_000_000
BLOCK = 8192


@pytest.fixture(scope="module")
def plutos():
    """Two in one air, 60 dB apart."""
    with VirtualRadios("--pluto", 2) as radios:
        yield radios


@pytest.fixture(scope="module")
def two_antennas():
    with VirtualRadios("--pluto", 1, "--antennas", 2, "--tx-channel-phase", 40) as radios:
        yield radios


@pytest.fixture
def opened():
    """Opens devices by pyadi-iio, set up; of full scale -50 dBm at their receivers."""
    devices = []

    def open_(uri, kind=None):
        device = (kind or adi.Pluto)(uri)
        devices.append(device)
        device.sample_rate = RATE_HZ
        device.rx_lo = device.tx_lo = FREQ_HZ
        device.rx_buffer_size = BLOCK
        for channel in range(2 if kind is adi.ad9361 else 1):
            setattr(device, f"gain_control_mode_chan{channel}", "manual")
            setattr(device, f"rx_hardwaregain_chan{channel}", 50)
            setattr(device, f"tx_hardwaregain_chan{channel}", -10)
        return device

    yield open_
    for device in devices:
        device.rx_destroy_buffer()
        device.tx_destroy_buffer()
    # Tracebacks keep buffers too; pylibiio crashes where they outlive their context.
    gc.collect()


def tone(bin_, amplitude=2**13):
    """Of a whole number of periods in a block."""
    return amplitude * np.exp(2j * np.pi * bin_ * np.arange(BLOCK) / BLOCK)


def received(device, blocks=6):
    """The last of some blocks ``[antennas, n]``, of full scale 1."""
    for _ in range(blocks):
        samples = device.rx()
    return np.atleast_2d(samples) / 2048


def bin_gain(samples, bin_):
    """Of each antenna, of a tone of :func:`tone`."""
    return samples @ tone(bin_, 1.0).conj() / BLOCK


def refusal(action):
    """The number of the error that an action ends in."""
    try:
        action()
    except OSError as error:
        return error.errno
    return pytest.fail("it is not refused")


@pytest.mark.skipif(shutil.which("iio_info") is None, reason="libiio's tools are not installed")
def test_libiios_own_tool_reads_everything(plutos):
    result = subprocess.run(
        ["iio_info", "-u", plutos.pluto_uri], capture_output=True, text=True, timeout=20, check=True
    )
    assert result.stderr == ""
    assert "ERROR" not in result.stdout
    for part in (
        "hw_model: Analog Devices PlutoSDR Rev.B (Z7010-AD9363A)",
        f"hw_serial: {plutos.status()['pluto0']['serial']}",
        "IIO context has 4 devices",
        "cf-ad9361-lpc (buffer capable)",
        "voltage0:  (input, index: 0, format: le:S12/16>>0)",
        "voltage1:  (output, index: 1, format: le:S16/16>>0)",
        "attr  5: frequency value: 2400000000",
        "[-89.750000 0.250000 0.000000]",
    ):
        assert part in result.stdout


def test_settings_are_read_back_as_the_transceiver_makes_them(plutos, opened):
    device = opened(plutos.pluto_uri)
    assert device.sample_rate == RATE_HZ
    # The synthesiser's steps are some 2.4 Hz.
    assert 0 < abs(device.rx_lo - FREQ_HZ) <= 2
    assert device.tx_lo == device.rx_lo
    device.tx_hardwaregain_chan0 = -20.3
    assert device.tx_hardwaregain_chan0 == -20.25
    device.rx_rf_bandwidth = 10
    assert device.rx_rf_bandwidth == 200_000
    device.gain_control_mode_chan0 = "slow_attack"
    assert device.gain_control_mode_chan0 == "slow_attack"
    device.dds_single_tone(100_000, 0.5)
    assert device.dds_enabled[0] == "1"
    phy = device._ctrl
    temperature = phy.find_channel("temp0").attrs["input"].value
    assert 0 < float(temperature) < 100_000
    assert phy.find_channel("voltage0").attrs["hardwaregain_available"].value == "[-3 1 71]"
    device.rx_lo = 900_000_000
    assert phy.find_channel("voltage0").attrs["hardwaregain_available"].value == "[-1 1 73]"


def test_what_the_transceiver_cannot_do_is_refused(plutos, opened):
    device = opened(plutos.pluto_uri)
    attributes = device._ctrl.find_channel("voltage0", True).attrs
    for value in ("0.25", "-90", "nan", "loud"):
        assert refusal(lambda v=value: setattr(attributes["hardwaregain"], "value", v)) == 22
    assert refusal(lambda: setattr(device, "tx_lo", 3_900_000_000)) == 22
    assert refusal(lambda: setattr(device, "gain_control_mode_chan0", "nobody")) == 22
    receive = device._ctrl.find_channel("voltage0", False).attrs
    assert refusal(lambda: setattr(receive["hardwaregain"], "value", "72")) == 22
    assert refusal(lambda: setattr(receive["rssi"], "value", "1")) == errno.EACCES
    device.gain_control_mode_chan0 = "slow_attack"
    assert refusal(lambda: setattr(receive["hardwaregain"], "value", "10")) == errno.EOPNOTSUPP
    # Slower than the converters go without the filter that pyadi-iio loads.
    device.sample_rate = 3_000_000
    device._ctrl.find_channel("out").attrs["voltage_filter_fir_en"].value = "0"
    rate = receive["sampling_frequency"]
    assert refusal(lambda: setattr(rate, "value", "1000000")) == 22
    assert device.sample_rate == 3_000_000


def test_samples_cross_from_one_to_the_other_as_loud_as_the_levels_say(plutos, opened):
    sender, receiver = (opened(uri) for uri in plutos.pluto_uris)
    sender.tx_cyclic_buffer = True
    sender.tx(tone(300))
    samples = received(receiver)
    # A quarter of full scale at 7 - 10 dBm, 60 dB of path, full scale at -50 dBm.
    assert abs(bin_gain(samples, 300)[0]) == pytest.approx(0.25 * 10 ** (-13 / 20), rel=0.01)
    # The power at the antenna, in quarters of a dB.
    rssi = receiver._ctrl.find_channel("voltage0").attrs["rssi"].value
    assert float(rssi.removesuffix(" dB")) == pytest.approx(75.0, abs=0.5)
    with pytest.raises(OSError, match="16"):  # busy
        opened(plutos.pluto_uris[0]).tx(tone(300))
    sender._ctrl.find_channel("TX_LO", True).attrs["powerdown"].value = "1"
    assert abs(bin_gain(received(receiver), 300)[0]) < 1e-3
    sender._ctrl.find_channel("TX_LO", True).attrs["powerdown"].value = "0"
    receiver.gain_control_mode_chan0 = "slow_attack"
    samples = received(receiver, 40)
    assert -20 < 20 * np.log10(abs(bin_gain(samples, 300)[0])) < -10
    assert receiver.rx_hardwaregain_chan0 > 50


def test_the_transmitters_converters_take_the_upper_12_bits(plutos, opened):
    sender, receiver = (opened(uri) for uri in plutos.pluto_uris)
    sender.tx_hardwaregain_chan0 = 0
    sender.tx_cyclic_buffer = True
    sender.tx(np.full(BLOCK, 15 + 15j))
    assert abs(received(receiver).mean()) < 2e-4
    sender.tx_destroy_buffer()
    receiver.rx_hardwaregain_chan0 = 65
    sender.tx(np.full(BLOCK, 16 + 16j))
    # One step of 2^-11 in either part, at 7 - 60 dBm; full scale at -65 dBm.
    expected = (1 + 1j) / 2048 * 10 ** (12 / 20)
    assert received(receiver).mean() == pytest.approx(expected, rel=0.05)


def test_two_antennas(two_antennas, opened):
    device = opened(two_antennas.pluto_uri, adi.ad9361)
    device.tx_cyclic_buffer = True
    device.tx([tone(100), tone(200)])
    samples = received(device)
    level = 0.25 * 10 ** (-13 / 20)
    np.testing.assert_allclose(np.abs(bin_gain(samples, 100)), [level, 0], atol=2e-3)
    np.testing.assert_allclose(np.abs(bin_gain(samples, 200)), [0, level], atol=2e-3)
    device.tx_destroy_buffer()
    device.tx([tone(100), tone(100)])
    first, second = bin_gain(received(device), 100)
    assert np.degrees(np.angle(second / first)) == pytest.approx(40.0, abs=0.5)
    device.rx_destroy_buffer()
    device.rx_enabled_channels = [1]
    assert received(device).shape == (1, BLOCK)


class Halves:
    """gr-iio's sink and source of a radio in a flowgraph, between vectors."""

    def __init__(self, flowgraph, uri, sent, samples):
        from gnuradio import blocks
        from gnuradio import iio as gr_iio

        mask = [True, True, len(sent) == 2, len(sent) == 2]
        source = gr_iio.fmcomms2_source_fc32(uri, mask, BLOCK)
        sink = gr_iio.fmcomms2_sink_fc32(uri, mask, BLOCK, False)
        for half in (source, sink):
            half.set_samplerate(RATE_HZ)
            half.set_frequency(FREQ_HZ)
        self.samples, self._kept = samples, []
        for channel, row in enumerate(sent):
            source.set_gain_mode(channel, "manual")
            source.set_gain(channel, 50)
            sink.set_attenuation(channel, 10)
            flowgraph.connect(blocks.vector_source_c(row.tolist()), (sink, channel))
            self._kept.append(blocks.vector_sink_c())
            flowgraph.connect((source, channel), self._kept[-1])

    @property
    def done(self):
        return all(kept.nitems_read(0) >= self.samples for kept in self._kept)

    @property
    def heard(self):
        return np.array([kept.data()[: self.samples] for kept in self._kept])


def test_gr_iio_carries_bursts_whole(plutos, two_antennas):
    gr = pytest.importorskip("gnuradio.gr")
    flowgraph = gr.top_block()
    count = 12 * BLOCK
    turns = np.random.default_rng(0).random((3, count))
    sent = (0.5 * np.exp(2j * np.pi * turns)).astype(np.complex64)
    sent[:, -100:] = 0  # a burst ends in silence
    radios = [
        (sent[:1], Halves(flowgraph, plutos.pluto_uri, sent[:1], 50 * BLOCK)),
        (sent[1:], Halves(flowgraph, two_antennas.pluto_uri, sent[1:], 50 * BLOCK)),
    ]
    begun = time.monotonic()
    flowgraph.start()
    # gr-iio looks once a second whether it runs; one that it never saw run hangs at its end.
    while not all(radio.done for _, radio in radios) or time.monotonic() < begun + 1.5:
        time.sleep(0.02)
        assert time.monotonic() < begun + 30
    flowgraph.stop()
    flowgraph.wait()
    for bursts, radio in radios:
        heard = radio.heard
        begin = np.flatnonzero(np.abs(heard[0]) > 0.05)[0]
        for burst, place in zip(bursts, heard[:, begin : begin + count], strict=True):
            factor = np.vdot(burst, place) / np.vdot(burst, burst)
            assert abs(factor) == pytest.approx(10 ** (-13 / 20), rel=0.01)
            assert np.abs(place - factor * burst).max() < 0.01, "the burst is torn"


def test_a_timeout_ends_a_transfer_and_passes(plutos, opened):
    device = opened(plutos.pluto_uri)
    device._ctx.set_timeout(1000)
    received(device, 1)
    plutos.fault("pluto0.timeout:1.2")
    begun = time.monotonic()
    assert refusal(device.rx) == errno.ETIMEDOUT
    assert time.monotonic() - begun > 0.4
    deadline = time.monotonic() + 10
    while True:
        try:
            assert device.rx().shape == (BLOCK,)
            break
        except OSError:
            assert time.monotonic() < deadline


def test_dropped_blocks_leave_a_gap_and_a_mark(plutos, opened):
    sender, receiver = (opened(uri) for uri in plutos.pluto_uris)
    core = receiver._rxadc
    core.reg_write(0x80000088, 0xFF)
    sender.tx_cyclic_buffer = True
    period = 64 * BLOCK
    sender.tx(2**13 * np.exp(2j * np.pi * np.arange(period) / period))
    received(receiver)
    plutos.fault("pluto1.drop:3")
    # Of 64 blocks a turn, three are missing.
    angles = np.unwrap(np.angle([received(receiver, 1).mean() for _ in range(20)]))
    steps = np.round(np.diff(angles) / (2 * np.pi) * 64)
    assert sorted(steps) == [1] * 18 + [4]
    assert core.reg_read(0x80000088) == 4
    core.reg_write(0x80000088, 4)
    assert core.reg_read(0x80000088) == 0


def test_attributes_are_refused_and_ignored_until_mended(plutos, opened):
    device = opened(plutos.pluto_uri)
    plutos.fault("pluto0.refuse:frequency")
    plutos.fault("pluto0.ignore:hardwaregain")
    assert refusal(lambda: setattr(device, "rx_lo", 2_000_000_000)) == 22
    device.tx_hardwaregain_chan0 = -33
    assert device.tx_hardwaregain_chan0 == -10
    plutos.fault("pluto0.mend")
    device.rx_lo = 2_000_000_000
    device.tx_hardwaregain_chan0 = -33
    assert device.rx_lo == pytest.approx(2e9, abs=2)
    assert device.tx_hardwaregain_chan0 == -33
    with pytest.raises(ValueError, match="no radio 'pluto7'"):
        plutos.fault("pluto7.mend")
    with pytest.raises(ValueError, match="no fault 'melt'"):
        plutos.fault("melt")


def test_a_pluto_vanishes_with_its_connections_and_returns(plutos, opened):
    uri = plutos.pluto_uris[1]
    device = opened(uri)
    received(device, 1)
    plutos.fault("pluto1.vanish")
    refusal(lambda: received(device, 8))
    with pytest.raises(OSError, match=r"."):
        iio.Context(uri)
    plutos.fault("pluto1.return")
    assert opened(uri).rx_lo == pytest.approx(FREQ_HZ, abs=2)


def test_a_pluto_that_finds_its_port_in_use_stays_away_and_may_try_again():
    with VirtualRadios("--pluto", 1) as radios:
        address = ("127.0.0.1", int(radios.pluto_uri.rpartition(":")[2]))
        radios.fault("vanish")
        with socket.create_server(address), pytest.raises(ValueError, match="in use"):
            radios.fault("return")
        radios.fault("return")
        assert iio.Context(radios.pluto_uri)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_later_return_to_a_port_in_use_is_a_line_in_the_log(capfd):
    with closing(Air(AirConfig(), RealtimeClock())) as air, closing(VirtualPluto(air)) as pluto:
        address = ("127.0.0.1", int(pluto.uri.rpartition(":")[2]))
        pluto.fault("vanish", "")
        with socket.create_server(address):
            before = threading.active_count()
            pluto.fault("vanish", "0.01")
            Fault.parse("return@0.01").schedule({"pluto0": pluto})
            deadline = time.monotonic() + 20
            while threading.active_count() > before and time.monotonic() < deadline:
                time.sleep(0.01)
    assert capfd.readouterr().err.count("in use") == 2


def test_a_client_that_leaves_leaves_nothing_open(plutos, opened):
    def connections():
        return plutos.status()["pluto0"]["connections"]

    before = connections()
    client = socket.create_connection(("127.0.0.1", int(plutos.pluto_uri.rpartition(":")[2])))
    lines = client.makefile("rwb", buffering=0)

    def ask(line):
        lines.write(line + b"\r\n")
        return lines.readline()

    assert ask(b"OPEN cf-ad9361-dds-core-lpc 1024 00000003") == b"0\n"
    assert ask(b"OPEN cf-ad9361-dds-core-lpc 1024 00000003") == b"-16\n"
    assert ask(b"WRITEBUF cf-ad9361-dds-core-lpc 4100") == b"-22\n"
    assert ask(b"ZPRINT") == b"-22\n"
    assert ask(b"OPEN cf-ad9361-lpc 99999999999 00000003") == b"-22\n"
    assert ask(b"OPEN cf-ad9361-lpc 1024 00000100") == b"-22\n"
    assert ask(b"OPEN cf-ad9361-lpc 1024 -3") == b"-22\n"
    assert ask(b"SET cf-ad9361-lpc BUFFERS_COUNT 64") == b"0\n"
    assert ask(b"OPEN cf-ad9361-lpc 8388608 00000003") == b"-12\n"
    for timeout in (b"-5", b"86400001", b"9" * 400, b"nan"):
        assert ask(b"TIMEOUT " + timeout) == b"-22\n"
    assert ask(b"TIMEOUT 2500") == b"0\n"
    assert ask(b"READBUF cf-ad9361-lpc 4096") == b"-9\n"
    assert ask(b"WRITE ad9361-phy ensm_mode 99999999") == b"-22\n"
    assert ask(b"READ nothing at all") == b"-19\n"
    client.shutdown(socket.SHUT_RDWR)
    client.close()
    lines.close()
    deadline = time.monotonic() + 5
    while connections() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert connections() == before
    opened(plutos.pluto_uri).tx(tone(10))  # not busy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no radio: give --pluto 1 or --usrp 1"),
        (["--pluto", "some"], "'--pluto'"),
        (["--pluto", "1", "--path-loss", "1e9"], "path loss is 1e+09 dB, choose -20 to 300"),
        (["--pluto", "1", "--ppm", "1", "--ppm", "2"], "--ppm is given 2 times for 1 radios"),
        (["--pluto", "1", "--channel", "wire"], "no channel 'wire'"),
        (["--pluto", "1", "--converter-bits", "14"], "choose 2 to 12"),
        (["--pluto", "1", "--fault", "a.b@c"], "fault 'a.b@c' is not"),
        (["--pluto", "1", "--port", "0", "--control", "tcp://*:1"], "is not ipc://"),
    ],
)
def test_bad_options_get_one_line_and_exit_code_2(capfd, arguments, message):
    assert main(arguments) == 2
    said = capfd.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_running_radios_are_asked_from_the_command_line(capfd, plutos):
    assert main(["--control", plutos.control, "--ask", "status"]) == 0
    assert json.loads(capfd.readouterr().out) == plutos.status()
    numbers = ("vanish:1e999", "timeout:nan", "drop:-3", "drop:0", "vanish:1e10", "vanish@inf")
    numbered = [f"fault {fault}" for fault in numbers]
    for request in ("fault melt", "fault drop:some", "sing", "status of all", *numbered):
        assert main(["--control", plutos.control, "--ask", request]) == 2
        assert capfd.readouterr().err.count("\n") == 1
    assert main(["--ask", "status"]) == 2


def test_a_port_in_use_gets_one_line_and_exit_code_3(capfd, plutos):
    assert main(["--pluto", "1", "--port", plutos.pluto_uri.rpartition(":")[2]]) == 3
    assert "in use" in capfd.readouterr().err
    assert threading.active_count() < 50
