# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.channel import ChannelConfig, ChannelTap, SampleChannel
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW


def _tone(frequency: float, count: int) -> ComplexArray:
    return np.exp(2j * np.pi * frequency * np.arange(count)).astype(np.complex64)[None]


def _pass(config: ChannelConfig, samples: ComplexArray, seed: int = 0) -> ComplexArray:
    channel = SampleChannel(config, NARROW, seed)
    return np.concatenate([channel.process(samples), channel.flush()], axis=1)


def test_an_ideal_channel_changes_nothing() -> None:
    samples = _tone(0.1, 5000)
    np.testing.assert_array_equal(_pass(ChannelConfig(), samples), samples)


@pytest.mark.parametrize("frequency", [-0.39, -0.1, 0.0, 0.25, 0.4])
@pytest.mark.parametrize("delay", [0.5, 7.31, 3.0])
def test_fractional_delay_is_a_phase_over_the_band(frequency: float, delay: float) -> None:
    received = _pass(ChannelConfig(delay=delay), _tone(frequency, 4000))[0, 100:3900]
    expected = np.exp(2j * np.pi * frequency * (np.arange(100, 3900) - delay))
    assert np.abs(received - expected).max() < 2e-3
    assert np.mean(np.abs(received - expected) ** 2) < 1e-6


@pytest.mark.parametrize("ppm", [-40.0, 10.0, 1000.0])
def test_clock_offset_stretches_the_frequency_axis(ppm: float) -> None:
    frequency, count = 0.3, 100_000
    received = _pass(ChannelConfig(sco_ppm=ppm, delay=2.5), _tone(frequency, count))[0]
    at = np.arange(1000, count - 1000)
    expected = np.exp(2j * np.pi * frequency * (at * (1 + ppm * 1e-6) - 2.5))
    assert np.mean(np.abs(received[at] - expected) ** 2) < 1e-6


def test_carrier_offset_and_phase_go_on_over_the_stream() -> None:
    config = ChannelConfig(cfo_hz=-12_345.0, phase=0.7)
    channel = SampleChannel(config, NARROW)
    ones = np.ones((1, 10_000), np.complex64)
    received = np.concatenate([channel.process(ones) for _ in range(10)], axis=1)[0]
    expected = np.exp(1j * (0.7 - 2 * np.pi * 0.012345 * np.arange(100_000)))
    np.testing.assert_allclose(received, expected, atol=1e-4)


def test_echoes_add_with_their_gains_and_delays() -> None:
    taps = (ChannelTap(0, 0.8), ChannelTap(3.5, 0.4j), ChannelTap(11, -0.2 + 0j))
    frequency = 0.22
    received = _pass(ChannelConfig(taps=taps), _tone(frequency, 3000))[0, 100:2900]
    turns = np.exp(-2j * np.pi * frequency * np.array([0, 3.5, 11]))
    gain = np.dot([0.8, 0.4j, -0.2], turns)
    expected = gain * _tone(frequency, 3000)[0, 100:2900]
    assert np.abs(received - expected).max() < 2e-3


def test_noise_has_the_variance_asked_and_is_white_and_circular() -> None:
    silence = np.zeros((1, 400_000), np.complex64)
    noise = _pass(ChannelConfig(snr_db=7.0), silence)[0].astype(np.complex128)
    variance = 10**-0.7
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(variance, rel=5 / np.sqrt(noise.size))
    assert abs(np.mean(noise**2)) < 5 * variance / np.sqrt(noise.size)
    for lag in (1, 2, 128, 16384):
        correlation = np.mean(noise[:-lag] * noise[lag:].conj())
        assert abs(correlation) < 5 * variance / np.sqrt(noise.size - lag)


def test_seeds_make_the_noise() -> None:
    silence = np.zeros((1, 100), np.complex64)
    first, again, other = (_pass(ChannelConfig(snr_db=0.0), silence, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).min() > 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=8))
def test_pieces_of_the_stream_do_not_matter(sizes: list[int]) -> None:
    config = ChannelConfig(
        snr_db=10.0,
        cfo_hz=4321.0,
        delay=5.25,
        sco_ppm=200.0,
        taps=(ChannelTap(0, 1.0), ChannelTap(2.5, 0.3j)),
        start_sample=40,
        stop_sample=1500,
    )
    rng = np.random.default_rng(4)
    count = sum(sizes)
    samples = (rng.standard_normal((1, count)) + 1j * rng.standard_normal((1, count))).astype(
        np.complex64
    )
    whole = _pass(config, samples, seed=9)
    channel = SampleChannel(config, NARROW, seed=9)
    cuts = np.cumsum(sizes)[:-1]
    pieces = [channel.process(piece) for piece in np.split(samples, cuts, axis=1)]
    joined = np.concatenate([*pieces, channel.flush()], axis=1)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_the_receiver_hears_from_start_to_stop() -> None:
    samples = _tone(0.01, 1000)
    heard = _pass(ChannelConfig(start_sample=100, stop_sample=900), samples)
    np.testing.assert_array_equal(heard, samples[:, 100:900])


def test_two_antennas_mix_by_the_matrix() -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    gain = ((1.0, 0.5j), (-0.25, 2.0))
    channel = SampleChannel(ChannelConfig(taps=(ChannelTap(2, gain),)), numerology)
    samples = np.concatenate([_tone(0.1, 500), _tone(-0.2, 500)])
    received = np.concatenate([channel.process(samples), channel.flush()], axis=1)
    np.testing.assert_allclose(received[:, 2:], np.array(gain) @ samples, atol=1e-6)
    np.testing.assert_array_equal(received[:, :2], 0)


@pytest.mark.parametrize(
    "change",
    [
        {"snr_db": float("nan")},
        {"snr_db": 1000.0},
        {"cfo_hz": float("inf")},
        {"delay": -1.0},
        {"sco_ppm": 5000.0},
        {"taps": (ChannelTap(-1.0),)},
        {"start_sample": -1},
        {"start_sample": 10, "stop_sample": 5},
    ],
)
def test_senseless_channels_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="channel"):
        ChannelConfig(**change)


def test_taps_of_other_antennas_and_foreign_shapes_are_refused() -> None:
    taps = (ChannelTap(0, ((1.0, 0.0), (0.0, 1.0))),)
    with pytest.raises(ValueError, match="2 receive and 2 transmit"):
        SampleChannel(ChannelConfig(taps=taps), NARROW)
    with pytest.raises(ValueError, match="sample rate"):
        SampleChannel(ChannelConfig(cfo_hz=6e5), NARROW)
    with pytest.raises(ValueError, match="shape"):
        SampleChannel(ChannelConfig(), NARROW).process(np.zeros((2, 10), np.complex64))
