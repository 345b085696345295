# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual USRPs beneath UHD's tools, its Python API and gr-uhd.

UHD looks for modules once, when it is loaded, and other tests load it: each of these tests runs
in a process of its own.
"""

import functools
import os
import subprocess
import sys
import time
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("uhd") is None:
    pytest.skip("no UHD", allow_module_level=True)

RATE_HZ = 1e6


def in_a_new_process(test):
    @functools.wraps(test)
    def run():
        command = [sys.executable, __file__, test.__name__]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def start(*options):
    """Virtual USRPs that UHD finds in this process."""
    from semcom_virtual.processes import VirtualRadios

    radios = VirtualRadios("--usrp", *options).__enter__()
    os.environ.update(radios.usrp_environment)
    return radios


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@in_a_new_process
def test_uhd_tools_see_them():
    radios = start(2)
    found = output("uhd_find_devices")
    assert found.count("type: virtual") == 2
    assert "serial: V1R7U0" in found
    assert "serial: V1R7U1" in found
    assert (
        output("uhd_find_devices", "--args", "type=virtual,serial=V1R7U1").count("UHD Device") == 1
    )
    assert "serial" not in output("uhd_find_devices", "--args", "type=virtual,serial=none")
    probed = output("uhd_usrp_probe", "--args", "type=virtual,serial=V1R7U1")
    for line in (
        "Mboard: virtual B210",
        "serial: V1R7U1",
        "Antennas: TX/RX, RX2",
        "Sensors: temp, lo_locked, rssi",
        "Freq range: 70.000 to 6000.000 MHz",
        "Gain range PGA: 0.0 to 76.0 step 1.0 dB",
        "TX Frontend: B",
    ):
        assert line in probed
    radios.__exit__(None, None, None)
    assert "serial" not in output("uhd_find_devices", "--args", "type=virtual")  # no air runs


@in_a_new_process
def test_python_api_sets_and_reads_back():
    radios = start(1)
    import uhd

    with pytest.raises(RuntimeError, match="No devices found"):
        uhd.usrp.MultiUSRP("type=virtual,serial=other")
    usrp = uhd.usrp.MultiUSRP("type=virtual")
    assert usrp.get_usrp_rx_info(0)["mboard_serial"] == "V1R7U0"
    assert usrp.get_mboard_sensor("temp").to_real() == 35.0
    assert usrp.get_tx_sensor("lo_locked", 1).to_bool()

    usrp.set_rx_gain(99.0, 1)
    usrp.set_tx_gain(20.3, 0)
    assert usrp.get_rx_gain(1) == 76.0
    assert usrp.get_tx_gain(0) == 20.25
    tuned = usrp.set_rx_freq(uhd.types.TuneRequest(2.4e9, 1e6), 0)
    assert tuned.actual_rf_freq == 2.401e9
    assert usrp.get_rx_freq(0) == 2.4e9
    assert usrp.set_tx_freq(uhd.types.TuneRequest(7e9), 0).actual_rf_freq == 6e9
    usrp.set_tx_freq(uhd.types.TuneRequest(5e9), 0)
    usrp.set_rx_antenna("TX/RX", 0)
    assert usrp.get_rx_antenna(0) == "TX/RX"
    with pytest.raises(RuntimeError, match="no antenna"):
        usrp.set_rx_antenna("J1", 0)
    usrp.set_clock_source("external")
    assert usrp.get_clock_source(0) == "external"
    with pytest.raises(RuntimeError, match="no clock_source gpsdo"):
        usrp.set_clock_source("gpsdo")
    status = radios.status()["usrp0"]
    assert status["rx_gain_db"] == [0.0, 76.0]
    assert status["tx_gain_db"] == [20.25, 0.0]
    assert (status["rx_freq_hz"], status["tx_freq_hz"]) == (2.4e9, 5e9)

    usrp.set_rx_rate(2e6)
    assert (usrp.get_rx_rate(), usrp.get_master_clock_rate()) == (2e6, 32e6)
    usrp.set_master_clock_rate(30.72e6)
    usrp.set_rx_rate(2e6)  # as near as a whole number divides the clock
    assert usrp.get_rx_rate() == 2.048e6
    with pytest.raises(RuntimeError, match="one rate for both directions"):
        usrp.get_tx_stream(uhd.usrp.StreamArgs("fc32", "sc16"))

    usrp.set_tx_rate(2e6)
    usrp.set_master_clock_rate(50e6)
    assert usrp.get_rx_rate() == usrp.get_tx_rate() == 50e6 / 24
    both = uhd.usrp.StreamArgs("fc32", "sc16")
    both.channels = [0, 1]
    with pytest.raises(RuntimeError, match=r"clock rate of 50\.0+ MHz is out of range"):
        usrp.get_tx_stream(both)

    usrp.set_time_now(uhd.types.TimeSpec(100.0))
    assert 99.999 <= usrp.get_time_now().get_real_secs() < 190.0  # to a sample
    usrp.set_time_next_pps(uhd.types.TimeSpec(7.0))
    while usrp.get_time_last_pps().get_real_secs() > 90.0:
        time.sleep(0.02)
    assert usrp.get_time_last_pps().get_real_secs() >= 6.999

    probe = ["uhd_usrp_probe", "--args", "type=virtual"]
    other = subprocess.run(probe, capture_output=True, text=True)
    assert "V1R7U0 is busy" in other.stderr + other.stdout
    del usrp
    usrp = uhd.usrp.MultiUSRP("type=virtual,serial=V1R7U0")
    assert usrp.get_rx_gain(1) == 0.0
    assert snr_db(uhd, usrp, "fc32", "sc16") == pytest.approx(36.2, abs=0.5)
    assert snr_db(uhd, usrp, "sc16", "fc32") == pytest.approx(36.2, abs=0.5)
    radios.__exit__(None, None, None)


def snr_db(uhd, usrp, tx_format, rx_format):
    """Of a burst from the device to itself: -69.75 dBm over -106 dBm."""
    usrp.set_tx_gain(80.0, 0)
    usrp.set_rx_gain(60.0, 0)
    streamers = []
    for tune, set_rate, stream, cpu_format in (
        (usrp.set_tx_freq, usrp.set_tx_rate, usrp.get_tx_stream, tx_format),
        (usrp.set_rx_freq, usrp.set_rx_rate, usrp.get_rx_stream, rx_format),
    ):
        tune(uhd.types.TuneRequest(1e9), 0)
        set_rate(RATE_HZ)
        args = uhd.usrp.StreamArgs(cpu_format, "sc16")
        args.channels = [0]
        streamers.append((stream, args))
    tx, rx = (stream(args) for stream, args in streamers)

    begin = uhd.types.TimeSpec(usrp.get_time_now().get_real_secs() + 0.5)
    command = uhd.types.StreamCMD(uhd.types.StreamMode.num_done)
    command.num_samps, command.stream_now, command.time_spec = 5000, False, begin
    rx.issue_stream_cmd(command)
    metadata = uhd.types.TXMetadata()
    metadata.start_of_burst = metadata.end_of_burst = metadata.has_time_spec = True
    metadata.time_spec = begin
    parts = np.random.default_rng(0).choice([-7328, 7328], (1, 10_000)).astype(np.int16)
    sent = (parts.astype(np.float32) / 32767).view(np.complex64)
    tx.send(sent if tx_format == "fc32" else parts.view(np.int32), metadata, 5.0)
    heard = np.zeros((1, 5000), np.complex64 if rx_format == "fc32" else np.int32)
    assert rx.recv(heard, uhd.types.RXMetadata(), 10.0) == 5000
    if rx_format == "sc16":
        heard = (heard.view(np.int16).astype(np.float32) / 32767).view(np.complex64)
    gain = np.vdot(sent, heard) / np.vdot(sent, sent)
    assert abs(gain) == pytest.approx(10 ** (0.25 / 20), rel=0.01)
    noise = np.mean(np.abs(heard - gain * sent) ** 2)
    return 10 * np.log10(np.mean(np.abs(gain * sent) ** 2) / noise)


class Streams:
    """A transmitter and a receiver of one device, in UHD's Python API."""

    def __init__(self, uhd, cpu_format="fc32"):
        self.uhd = uhd
        self.usrp = uhd.usrp.MultiUSRP("type=virtual,serial=V1R7U0")
        self.usrp.set_tx_rate(RATE_HZ)
        self.usrp.set_rx_rate(RATE_HZ)
        args = uhd.usrp.StreamArgs(cpu_format, "sc16")
        args.channels = [0]
        self.tx, self.rx = self.usrp.get_tx_stream(args), self.usrp.get_rx_stream(args)
        self.sample = np.complex64 if cpu_format == "fc32" else np.int32
        self.metadata = uhd.types.RXMetadata()

    def send(self, samples, after_s=None, end=True):
        """A burst of silence; the tick of its first sample."""
        metadata = self.uhd.types.TXMetadata()
        metadata.start_of_burst, metadata.end_of_burst = True, end
        tick = 0
        if after_s is not None:
            tick = self.usrp.get_time_now().to_ticks(RATE_HZ) + round(after_s * RATE_HZ)
            metadata.has_time_spec = True
            metadata.time_spec = self.uhd.types.TimeSpec.from_ticks(tick, RATE_HZ)
        assert self.tx.send(np.zeros((1, samples), self.sample), metadata, 10.0) == samples
        return tick

    def event(self):
        """Name of the next asynchronous message, and its tick."""
        metadata = self.uhd.types.TXAsyncMetadata()
        assert self.tx.recv_async_msg(metadata, 10.0)
        return metadata.event_code.name, metadata.time_spec.to_ticks(RATE_HZ)

    def command(self, mode, samples=0, after_s=None):
        command = self.uhd.types.StreamCMD(getattr(self.uhd.types.StreamMode, mode))
        command.num_samps = samples
        command.stream_now = after_s is None
        if after_s is not None:
            now = self.usrp.get_time_now()
            command.time_spec = self.uhd.types.TimeSpec(now.get_real_secs() + after_s)
        self.rx.issue_stream_cmd(command)

    def receive(self, samples, timeout_s=10.0):
        """How many came, the error's name, the tick of the first."""
        count = self.rx.recv(np.zeros((1, samples), self.sample), self.metadata, timeout_s)
        tick = self.metadata.time_spec.to_ticks(RATE_HZ)
        return count, self.metadata.error_code.name, tick

    def receive_for_ever(self):
        while True:
            self.receive(10_000)


@in_a_new_process
def test_messages_and_faults_are_those_of_a_usrp():
    radios = start(1)
    import uhd

    streams = Streams(uhd)
    begin = streams.send(20_000, after_s=0.2)
    assert streams.event() == ("burst_ack", begin + 20_000)
    radios.fault("late")
    streams.send(20_000, after_s=0.2)
    assert streams.event()[0] == "time_error"
    streams.send(20_000, end=False)
    radios.fault("underflow:3000")
    streams.send(60_000)
    assert streams.event()[0] == "underflow"
    assert streams.event()[0] == "burst_ack"

    streams.command("num_done", 12_345)
    count, error, _ = streams.receive(20_000)
    assert (count, error) == (12_345, "none")
    assert streams.metadata.end_of_burst
    assert streams.receive(1000, 0.01)[:2] == (0, "timeout")
    streams.command("start_cont")
    _, _, tick = streams.receive(10_000)
    assert streams.receive(10_000) == (10_000, "none", tick + 10_000)
    radios.fault("overflow:5000")
    tick += 20_000
    count, error, at = streams.receive(100_000)
    assert (error, at) == ("none", tick)
    assert streams.receive(10_000) == (0, "overflow", tick + count)
    assert streams.receive(10_000) == (10_000, "none", tick + count + 5000)

    radios.fault("vanish")
    with pytest.raises(RuntimeError, match="the device is gone"):
        streams.receive_for_ever()
    assert streams.receive(10_000, 0.01)[:2] == (0, "timeout")
    with pytest.raises(RuntimeError, match="the device is gone"):
        streams.send(1000)
    with pytest.raises(RuntimeError, match="the device is gone"):
        streams.usrp.get_time_now()
    assert "serial" not in output("uhd_find_devices", "--args", "type=virtual")
    del streams
    radios.fault("return")
    streams = Streams(uhd)
    streams.command("start_cont")
    assert streams.receive(10_000)[:2] == (10_000, "none")
    radios.__exit__(None, None, None)  # takes all devices with it
    with pytest.raises(RuntimeError, match="the device is gone"):
        streams.receive_for_ever()


@in_a_new_process
def test_who_does_not_keep_up_with_the_clock_is_told():
    radios = start(1, "--clock", "realtime")
    import uhd

    streams = Streams(uhd, "sc16")
    streams.send(1000, after_s=-0.1)
    assert streams.event()[0] == "time_error"
    streams.send(1000, end=False)
    assert streams.event()[0] == "underflow"
    streams.command("start_cont", after_s=-0.1)
    assert streams.receive(1000)[:2] == (0, "late")
    streams.command("start_cont")
    time.sleep(1.0)  # more than all buffers hold
    errors = {streams.receive(10_000)[1] for _ in range(60)}
    assert "overflow" in errors
    radios.__exit__(None, None, None)


def burst_tags(tick, samples):
    from fractions import Fraction

    import pmt
    from gnuradio import gr

    seconds, rest = divmod(Fraction(tick, round(RATE_HZ)), 1)
    at = pmt.make_tuple(pmt.from_uint64(int(seconds)), pmt.from_double(float(rest)))
    tags = []
    for offset, key, value in (
        (0, "tx_time", at),
        (0, "tx_sob", pmt.PMT_T),
        (samples - 1, "tx_eob", pmt.PMT_T),
    ):
        tag = gr.tag_t()
        tag.offset, tag.key, tag.value = offset, pmt.intern(key), value
        tags.append(tag)
    return tags


def count_from_one_pulse(uhd, *blocks):
    for block in blocks:
        block.set_time_now(uhd.time_spec(1000.0))
    pulse = blocks[0].get_time_last_pps()
    while blocks[0].get_time_last_pps() == pulse:
        time.sleep(0.01)
    for block in blocks:  # within the second after a pulse
        block.set_time_next_pps(uhd.time_spec(0.0))
    while max(block.get_time_last_pps().get_real_secs() for block in blocks) > 500.0:
        time.sleep(0.01)


def cross(channels, subdevices, tx_serial, rx_serial):
    """Send a burst on each channel through gr-uhd; by how many samples each is off its time."""
    import pmt
    from gnuradio import blocks, gr, uhd

    stream = uhd.stream_args(cpu_format="fc32", channels=list(range(channels)))
    sink = uhd.usrp_sink(f"type=virtual,serial={tx_serial}", stream)
    source = uhd.usrp_source(f"type=virtual,serial={rx_serial}", stream)
    for block, gain_db in ((sink, 60), (source, 40)):
        block.set_samp_rate(RATE_HZ)
        block.set_subdev_spec(subdevices)
        for channel in range(channels):
            block.set_center_freq(2.45e9, channel)
            block.set_gain(gain_db, channel)
    if tx_serial != rx_serial:
        count_from_one_pulse(uhd, sink, source)

    samples, before = 10_000, 50_000
    rng = np.random.default_rng(0)
    sent = rng.choice([-0.5, 0.5], (channels, samples)).astype(np.complex64)
    graph = gr.top_block()
    kept = []
    begin = sink.get_time_now().to_ticks(RATE_HZ) + round(1.5 * RATE_HZ)
    source.set_start_time(uhd.time_spec((begin - before) / RATE_HZ))
    for channel in range(channels):
        tags = burst_tags(begin, samples)
        graph.connect(blocks.vector_source_c(sent[channel], False, 1, tags), (sink, channel))
        head, received = blocks.head(8, 3 * before), blocks.vector_sink_c()
        graph.connect((source, channel), head, received)
        kept.append(received)
    graph.run()

    off = []
    for channel, received in enumerate(kept):
        tag = next(t for t in received.tags() if pmt.eq(t.key, pmt.intern("rx_time")))
        time_s = uhd.time_spec(
            pmt.to_uint64(pmt.tuple_ref(tag.value, 0)), pmt.to_double(pmt.tuple_ref(tag.value, 1))
        )
        data = np.array(received.data(), np.complex64)
        spectrum = np.fft.fft(data) * np.conj(np.fft.fft(sent[channel], data.size))
        likeness = np.abs(np.fft.ifft(spectrum))
        assert likeness.max() > 20 * np.sqrt(np.mean(likeness**2))
        off.append(int(likeness.argmax()) + time_s.to_ticks(RATE_HZ) - begin)
    return off


@in_a_new_process
def test_timed_bursts_of_gr_uhd_cross_at_their_time():
    radios = start(2)
    assert cross(1, "A:B", "V1R7U0", "V1R7U0") == [0]
    assert cross(2, "A:A A:B", "V1R7U0", "V1R7U1") == [0, 0]
    radios.__exit__(None, None, None)


if __name__ == "__main__":
    globals()[sys.argv[1]].__wrapped__()
