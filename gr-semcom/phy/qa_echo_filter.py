# SPDX-License-Identifier: GPL-3.0-or-later
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.echo_filter import EchoFilter
from semcom_phy.exchange import ComplexArray
from semcom_phy.tap_process import ConstantTaps, TapProcess
from semcom_phy.tdl import POINTS_PER_DOPPLER_CYCLE, tdl_channel

RATE = 1e6


def _pass(process: TapProcess, samples: ComplexArray) -> ComplexArray:
    echoes = EchoFilter(process, RATE, samples.shape[0])
    return np.concatenate([echoes.process(samples), echoes.flush()], axis=1)


def _tone(frequency: float, count: int) -> ComplexArray:
    return np.exp(2j * np.pi * frequency * np.arange(count)).astype(np.complex64)[None]


@pytest.mark.parametrize("frequency", [-0.39, 0.0, 0.25])
def test_a_tone_meets_the_frequency_response(frequency: float) -> None:
    delays = np.array([-1.75, 0.0, 3.5, 11.0])
    gains = np.array([0.1j, 0.8, 0.4j, -0.2])
    process = ConstantTaps(delays / RATE, gains.reshape(4, 1, 1).astype(np.complex64))
    received = _pass(process, _tone(frequency, 3000))[0, 100:2900]
    gain = gains @ np.exp(-2j * np.pi * frequency * delays)
    assert np.abs(received - gain * _tone(frequency, 3000)[0, 100:2900]).max() < 2e-3


def test_whole_samples_are_exact_and_end_when_the_echo_does() -> None:
    gains = np.array([1.0, 0.5j]).reshape(2, 1, 1).astype(np.complex64)
    samples = _tone(0.1, 50)
    received = _pass(ConstantTaps(np.array([0, 3]) / RATE, gains), samples)
    expected = np.zeros((1, 53), np.complex64)
    expected[:, :50] += samples
    expected[:, 3:] += np.complex64(0.5j) * samples
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_gains_follow_the_process_between_its_grid_points() -> None:
    """A constant through one fading tap is the fading, here computed eight times as finely."""
    doppler = 40.0
    channel = tdl_channel("tdl-a", 0.0, doppler)
    coarse = channel.realise(1, 1, np.random.default_rng(2))
    received = _pass(coarse, np.ones((1, 100_000), np.complex64))[0, 100:-100]
    times = (100 + np.arange(received.size)) / RATE
    fading = channel.realise(1, 1, np.random.default_rng(2))
    grid = fading.gains(0, 600).sum(axis=1)[:, 0, 0].astype(np.complex128)
    place = times / fading.interval_s
    linear = np.interp(place, np.arange(600), grid.real) + 1j * np.interp(
        place, np.arange(600), grid.imag
    )
    np.testing.assert_allclose(received, linear, atol=1e-5)
    assert fading.interval_s == pytest.approx(1 / (POINTS_PER_DOPPLER_CYCLE * doppler))


def test_linear_interpolation_is_good_to_70_db() -> None:
    process = tdl_channel("tdl-a", 0.0, 10.0).realise(1, 1, np.random.default_rng(3))
    gains = process.gains(0, 2001)[:, :, 0, 0].sum(axis=1).astype(np.complex128)
    # Every second point between its neighbours: four times the error of the grid itself.
    error = gains[1:-1:2] - (gains[:-2:2] + gains[2::2]) / 2
    error_db = 10 * math.log10(np.mean(np.abs(error) ** 2) / np.mean(np.abs(gains) ** 2))
    assert error_db - 20 * math.log10(4) < -70


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_pieces_of_the_stream_do_not_matter(sizes: list[int]) -> None:
    channel = tdl_channel("tdl-c", 3e-6, 500.0)
    rng = np.random.default_rng(4)
    count = sum(sizes)
    samples = (rng.standard_normal((2, count)) + 1j * rng.standard_normal((2, count))).astype(
        np.complex64
    )

    def echoes() -> EchoFilter:
        return EchoFilter(channel.realise(2, 2, np.random.default_rng(5)), RATE, 2)

    once = echoes()
    whole = np.concatenate([once.process(samples), once.flush()], axis=1)
    again = echoes()
    pieces = np.split(samples, np.cumsum(sizes)[:-1], axis=1)
    joined = np.concatenate([*(again.process(p) for p in pieces), again.flush()], axis=1)
    np.testing.assert_array_equal(joined, whole)


def test_endless_echoes_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter delay spread"):
        EchoFilter(tdl_channel("tdl-e", 1e-3).realise(1, 1, np.random.default_rng(0)), RATE, 1)
