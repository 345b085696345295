# SPDX-License-Identifier: GPL-3.0-or-later
"""A Pluto's options, limits and buffers; devices are in ``tests/test_pluto.py``."""

from dataclasses import replace
from typing import Any

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import check, numerology
from gnuradio.semcom.radios import (
    RadioConfigError,
    RadioOpenError,
    open_radio,
    pluto_discovery,
)
from gnuradio.semcom.radios.pluto_bursts import PlutoBursts
from gnuradio.semcom.radios.pluto_limits import (
    AD9361,
    AD9363,
    Range,
    chip_limits,
    default_buffer_size,
    gain_range_rx_db,
)
from gnuradio.semcom.radios.pluto_stream import LossesByTime, channel_names, to_converter

NARROW = numerology("narrow")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freq_hz": 69e6}, "freq_hz"),
        ({"freq_hz": 6.1e9}, "freq_hz"),
        ({"freq_hz": float("nan")}, "freq_hz"),
        ({"gain_tx_db": 1}, "gain_tx_db"),
        ({"gain_tx_db": -90}, "gain_tx_db"),
        ({"gain_rx_db": 74}, "gain_rx_db"),
        ({"gain_rx_db": 72}, r"choose -3 to 71 dB at 2450 MHz"),
        ({"gain_rx_db": 63, "freq_hz": 5.8e9}, r"choose -10 to 62 dB at 5800 MHz"),
        ({"gain_mode": "slow_attack", "gain_rx_db": 30}, "goes with gain_mode manual"),
        ({"gain_mode": "loud"}, "gain_mode"),
        ({"bandwidth_tx_hz": 100e3}, "bandwidth_tx_hz"),
        ({"bandwidth_rx_hz": 60e6}, "bandwidth_rx_hz"),
        ({"buffer_size": 100}, "buffer_size"),
        ({"kernel_buffers": 1}, "kernel_buffers"),
        ({"backend": "usb"}, "backend"),
    ],
)
def test_values_out_of_range_are_told_before_a_device_is_opened(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RadioConfigError, match=message) as caught:
        open_radio("pluto", NARROW, uri="ip:this.is.never.opened", **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("radio 'pluto'")


@pytest.mark.parametrize("rate", [0.5e6, 61.5e6])
def test_rates_out_of_range_are_told_before_a_device_is_opened(rate: float) -> None:
    waveform = replace(NARROW, sample_rate=rate)
    with pytest.raises(RadioConfigError, match=r"choose 0.520833 to 61.44 MS/s"):
        open_radio("pluto", waveform, uri="ip:this.is.never.opened")


def test_the_chip_decides_how_far_it_goes() -> None:
    """A Pluto as it is sold, and one that was told to be an AD9364."""
    assert chip_limits("ad9363a") is AD9363
    assert chip_limits("ad9364") is chip_limits("ad9361") is AD9361
    assert AD9363.freq_hz.problem("carrier", 5.8e9) == (
        "carrier is 5800 MHz, choose 325 to 3800 MHz"
    )
    assert AD9361.freq_hz.problem("carrier", 5.8e9) is None


def test_a_range_is_read_from_a_device() -> None:
    range_ = AD9363.gain_rx_db
    assert range_.as_read("[-1 1 73]") == Range(-1, 73, "dB")
    assert range_.as_read("[-89.750000 0.250000 0.000000]") == Range(-89.75, 0, "dB")
    for nonsense in ("", "70 71 72", "[a b c]", "[1 2]"):
        assert range_.as_read(nonsense) is range_


def test_receive_gains_by_carrier() -> None:
    highest = [gain_range_rx_db(freq).high for freq in (1.3e9, 1.31e9, 4e9, 4.1e9)]
    assert highest == [73, 71, 71, 62]


@pytest.mark.parametrize("rate", [25e6 / 48, 1e6, 2e6, 20e6, 61.44e6])
def test_default_buffers_last_10_to_20_ms(rate: float) -> None:
    size = default_buffer_size(rate)
    assert size & (size - 1) == 0
    assert 0.01 < size / rate <= 0.02


BURSTS = ((100, 5000), (7000, 7001), (9000, 40_000))
"""First sample and the one behind the last, in 50,000."""


@pytest.mark.parametrize("antennas", [1, 2])
@pytest.mark.parametrize("max_items", [777, 100_000])
def test_bursts_are_whole_buffers(antennas: int, max_items: int) -> None:
    """Each in one piece behind its silence, and zeros up to a whole buffer."""
    size = 1024
    bursts = PlutoBursts(antennas, 1e6, 0.5, size)
    rng = np.random.default_rng(1)
    sent = rng.standard_normal((antennas, 100_000)).astype(np.float32).view(np.complex64)
    tags = []
    for first, stop in BURSTS:
        for offset, key in ((first, "tx_sob"), (stop - 1, "tx_eob")):
            tag = gr.tag_t()
            tag.offset, tag.key, tag.value = offset, pmt.intern(key), pmt.PMT_T
            tags.append(tag)
    flowgraph = gr.top_block()
    sinks = [blocks.vector_sink_c() for _ in range(antennas)]
    for port, row in enumerate(sent):
        source = blocks.vector_source_c(row.tolist(), False, 1, tags)
        flowgraph.connect(source, (bursts, port), sinks[port])
    flowgraph.start(max_items)
    flowgraph.wait()
    check([bursts])
    expected, before = [], 0
    for first, stop in BURSTS:
        front = first - before  # the first follows silence too
        expected += [np.zeros((antennas, front)), sent[:, first:stop] * np.float32(0.5)]
        expected.append(np.zeros((antennas, -(front + stop - first) % size)))
        before = stop
    wanted = np.concatenate(expected, axis=1)
    out = np.array([sink.data() for sink in sinks], np.complex64)
    np.testing.assert_array_equal(out, wanted)
    assert out.shape[1] % size == 0
    assert len(bursts.ends) == 3
    assert bursts.ends[-1] == bursts.given == out.shape[1]
    assert bursts.sent(50_000, out.shape[1])
    assert not bursts.sent(50_000, out.shape[1] - size)
    assert not bursts.sent(50_001, out.shape[1])


def test_levels_are_rounded_and_clipped_to_the_converter() -> None:
    loud = np.array([0.5 - 0.25j, 1 + 3j, -1 - 3j, 1.6 / 32768], np.complex64)
    np.testing.assert_array_equal(
        to_converter(loud), [16384 - 8192j, 32767 + 32767j, -32768 - 32768j, 2]
    )


def test_channels_of_antennas() -> None:
    assert channel_names(1) == ["voltage0", "voltage1"]
    assert channel_names(2) == ["voltage0", "voltage1", "voltage2", "voltage3"]


def test_time_tells_losses_but_not_clocks_that_differ() -> None:
    losses = LossesByTime(1e6, allowance=50_000)
    now = 0.0
    assert not losses.lost(10_000, now)
    for _ in range(10_000):  # 50 ppm slow for 100 s: 5,000 samples
        now += 0.01 * (1 + 50e-6)
        assert not losses.lost(10_000, now)
    now += 0.04  # a late buffer, which the next ones make up for
    assert not losses.lost(10_000, now)
    assert not any(losses.lost(10_000, now) for _ in range(4))
    now += 0.07
    assert losses.lost(10_000, now)
    assert not losses.lost(10_000, now + 0.01)


def test_without_pyadi_iio_a_radio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'")

    monkeypatch.setattr(pluto_discovery, "import_module", missing)
    with pytest.raises(RadioOpenError, match=r"iio cannot be imported .*pip install pyadi-iio"):
        open_radio("pluto", NARROW, uri="ip:this.is.never.opened")
