# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.channel import ChannelConfig, ChannelTap, SampleChannel
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, WIDE, Numerology, evenly_spaced_pilots, preset
from semcom_phy.preamble import (
    cyclic_delay_phases,
    differential_signs,
    pilot_grid,
    scrambling_signs,
    training_carriers,
    training_grid,
)
from semcom_phy.receiver import Receiver, lookahead_samples


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_carriers_of_the_presets_partition_the_band(numerology: Numerology) -> None:
    data, pilots = set(numerology.data_carriers), set(numerology.pilot_carriers)
    assert not data & pilots
    assert data | pilots == set(numerology.active_carriers)
    assert 0 not in numerology.active_carriers
    assert len(data) == numerology.data_carriers_per_symbol == numerology.data_rows.size
    assert {-k for k in pilots} == pilots
    gaps = np.diff(numerology.pilot_carriers)
    assert gaps.max() <= gaps.min() + 3
    edge = numerology.half_width * numerology.subcarrier_spacing_hz
    spare = numerology.sample_rate / 2 - edge - numerology.max_cfo_hz
    assert spare > -numerology.subcarrier_spacing_hz / 4


@pytest.mark.parametrize("count", [-2, 0, 1, 7, 22])
def test_pilots_that_cannot_be_spread_evenly(count: int) -> None:
    with pytest.raises(ValueError, match="even number from 2 to 20"):
        evenly_spaced_pilots(10, count)


def test_pilots_may_take_every_carrier() -> None:
    assert evenly_spaced_pilots(3, 6) == (-3, -2, -1, 1, 2, 3)
    assert evenly_spaced_pilots(10, 2) == (-6, 6)


def test_a_full_frame_carries_what_the_presets_promise() -> None:
    assert NARROW.fragment_capacity == 11776
    assert WIDE.fragment_capacity == 21504
    symbols = NARROW.training_symbols + NARROW.header_ofdm_symbols + NARROW.fragment_symbols
    expected = symbols * NARROW.samples_per_symbol + NARROW.guard_samples
    assert NARROW.frame_samples(NARROW.fragment_capacity) == expected
    assert NARROW.frame_samples(1) == NARROW.frame_samples(NARROW.data_carriers_per_symbol)
    assert NARROW.frame_samples(93) == NARROW.frame_samples(1) + NARROW.samples_per_symbol


def test_presets_by_name() -> None:
    assert preset("narrow") is NARROW
    with pytest.raises(ValueError, match="narrow, wide"):
        preset("medium")


@pytest.mark.parametrize("count", [0, -1, 11777])
def test_payload_sizes_that_no_frame_carries(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 11776"):
        NARROW.frame_samples(count)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fft_size", 16),
        ("half_width", 64),
        ("half_width", 7),
        ("tx_antennas", 3),
        ("rx_antennas", 0),
        ("cyclic_prefix", 2),
        ("cyclic_prefix", 65),
        ("pilot_carriers", (5, -5)),
        ("pilot_carriers", (-5, 0, 5)),
        ("pilot_carriers", (-60, 5)),
        ("pilot_carriers", (3, 5)),
        ("sample_rate", 0.0),
        ("sample_rate", float("nan")),
        ("fragment_symbols", 0),
        ("training_symbols", 4),
        ("max_cfo_hz", 3e5),
        ("guard_samples", -1),
        ("spreading", "walsh"),
    ],
)
def test_impossible_numerologies_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="narrow"):
        replace(NARROW, **{field: value})


def test_two_antennas_need_more_carriers_and_a_shorter_prefix() -> None:
    small: dict[str, Any] = {"half_width": 12, "pilot_carriers": (-6, 6)}
    replace(NARROW, cyclic_prefix=64, **small)
    with pytest.raises(ValueError, match="8 tx_antennas = 16 to"):
        replace(NARROW, tx_antennas=2, **small)
    with pytest.raises(ValueError, match=r"\(2 tx_antennas\) = 32"):
        replace(NARROW, tx_antennas=2, cyclic_prefix=64)


@pytest.mark.parametrize("training_symbols", [3, 5, 7, 9, 11])
def test_the_detector_sees_neither_tones_nor_its_own_side_lobes(training_symbols: int) -> None:
    signs = differential_signs(replace(NARROW, training_symbols=training_symbols))
    assert signs.sum() == 0
    lobes = np.correlate(signs, signs, "full")
    assert lobes.max() == signs.size
    assert np.sort(np.abs(lobes))[-2] <= max(signs.size / 2, 1)


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_known_symbols_have_unit_power_and_are_frozen(numerology: Numerology) -> None:
    grids = (training_grid(numerology), pilot_grid(numerology), scrambling_signs(numerology))
    for grid in grids:
        np.testing.assert_allclose(np.abs(grid), 1, rtol=1e-6)
        with pytest.raises(ValueError, match="read-only"):
            grid[0, 0] = 0


def test_the_training_sequence_is_the_one_on_the_air() -> None:
    # Changing it makes radios of different versions deaf to each other.
    quarters = np.round(np.angle(training_carriers(NARROW)[:12]) / (np.pi / 2) - 0.5).astype(int)
    assert (quarters % 4).tolist() == [3, 1, 1, 3, 2, 2, 3, 1, 1, 1, 3, 1]


def test_two_antennas_are_apart_by_half_a_symbol() -> None:
    numerology = replace(NARROW, tx_antennas=2)
    carriers = np.asarray(numerology.active_carriers)
    delay = numerology.fft_size // 2
    expected = np.exp(-2j * np.pi * carriers * delay / numerology.fft_size)
    np.testing.assert_allclose(cyclic_delay_phases(numerology)[:, 1], expected, atol=1e-5)


@st.composite
def _numerologies(draw: st.DrawFn) -> Numerology:
    """Any that is not refused, its band between a third and nine tenths of the sample rate."""
    tx = draw(st.integers(1, 2))
    fft_size = draw(st.integers(50 * tx, 512))
    half_width = draw(st.integers(max(8 * tx, -(-fft_size // 6)), int(0.45 * fft_size)))
    return Numerology(
        "any",
        fft_size=fft_size,
        cyclic_prefix=draw(st.integers(4, fft_size // (2 * tx))),
        half_width=half_width,
        pilot_carriers=evenly_spaced_pilots(half_width, 2 * draw(st.integers(1, half_width // 2))),
        sample_rate=10.0 ** draw(st.integers(4, 8)),
        tx_antennas=tx,
        rx_antennas=draw(st.integers(1, 2)),
        fragment_symbols=draw(st.integers(1, 40)),
        training_symbols=draw(st.sampled_from([3, 5, 7, 9, 11])),
        max_cfo_hz=0.0,
        guard_samples=draw(st.integers(0, 500)),
        spreading=draw(st.sampled_from(["none", "dft"])),
    )


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    parts = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def _orthogonal_paths(rng: np.random.Generator, rx: int, tx: int) -> ChannelTap:
    """Gains of magnitude one from each antenna to each, of random phases."""
    left, right = np.exp(2j * np.pi * rng.random((2, 2)))
    gains = left[:, None] * np.array([[1, 1], [1, -1]]) * right
    return ChannelTap(0.0, tuple(map(tuple, gains[:rx, :tx].tolist())))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(_numerologies(), st.integers(0, 1 << 30), st.floats(-0.2, 0.2))
def test_a_frame_of_any_numerology_comes_back(
    numerology: Numerology, seed: int, carrier_offset: float
) -> None:
    free = 0.5 - numerology.half_width / numerology.fft_size
    reach = min(0.2, free) * numerology.sample_rate
    numerology = replace(numerology, max_cfo_hz=reach)
    rng = np.random.default_rng(seed)
    tx, rx = numerology.tx_antennas, numerology.rx_antennas
    streams = int(rng.integers(1, min(tx, rx) + 1))
    count = int(rng.integers(1, numerology.fragment_capacity + 1))
    section = SectionEntry(False, count, 0, streams)
    header = FrameHeader(PictureHeader(3, 512, 512, CodecLabel(1), (section,)))
    sent = Frame(header, _gaussian(rng, (streams, count)))
    samples = Modulator(numerology).frame(sent)
    assert samples.shape == (tx, numerology.frame_samples(count))
    config = ChannelConfig(
        25.0,
        cfo_hz=carrier_offset / 0.2 * reach,
        delay=float(rng.uniform(0, 50)),
        taps=(_orthogonal_paths(rng, rx, tx),),
    )
    channel = SampleChannel(config, numerology, seed)
    silence = np.zeros((tx, lookahead_samples(numerology) + 100), np.complex64)
    receiver = Receiver(numerology)
    # Without a flush: the silence is all that the receiver needs.
    [received] = receiver.push(channel.process(np.hstack([silence[:, :300], samples, silence])))
    assert received.header == header
    assert received.payload.shape == received.noise_var.shape == (streams, count)
    error = np.abs(received.payload - sent.payload) ** 2
    assert np.mean(error / received.noise_var) < 1.5 + 8 / np.sqrt(error.size)
    assert np.median(received.noise_var) < 0.05


def test_another_rate_is_the_same_waveform_scaled() -> None:
    faster = NARROW.at_rate(2e6)
    assert faster.sample_rate == 2e6
    assert faster.max_cfo_hz == 2 * NARROW.max_cfo_hz
    assert replace(faster, sample_rate=1e6, max_cfo_hz=NARROW.max_cfo_hz) == NARROW
    with pytest.raises(ValueError, match="sample_rate"):
        NARROW.at_rate(0)
