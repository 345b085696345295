# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.estimation import Scatter, average_known, smooth_channel
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.preamble import cyclic_delay_phases

SYMBOLS = 25


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    parts = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def _channel(rng: np.random.Generator, numerology: Numerology) -> ComplexArray:
    """Three echoes of random delay within the prefix."""
    carriers = np.asarray(numerology.active_carriers)[:, None, None]
    shape = (numerology.rx_antennas, numerology.tx_antennas)
    channel = np.zeros((carriers.shape[0], *shape), np.complex64)
    for delay in rng.uniform(0, numerology.cyclic_prefix, 3):
        turns = np.exp(-2j * np.pi * carriers * delay / numerology.fft_size)
        channel += turns * _noise(rng, shape) / np.sqrt(3)
    return channel


@pytest.mark.parametrize("antennas", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_channel_error_is_as_announced_and_near_the_bound(
    antennas: tuple[int, int], snr_db: float
) -> None:
    tx, rx = antennas
    numerology = replace(NARROW, tx_antennas=tx, rx_antennas=rx)
    rng = np.random.default_rng(1)
    noise_var = 10 ** (-snr_db / 10) / SYMBOLS
    errors, announced, mean = [], [], []
    for _ in range(200):
        channel = _channel(rng, numerology)
        composite = np.einsum("krt,kt->kr", channel, cyclic_delay_phases(numerology))
        average = composite + np.sqrt(noise_var) * _noise(rng, composite.shape)
        estimate = smooth_channel(average.astype(np.complex64), np.full(rx, noise_var), numerology)
        errors.append(np.abs(estimate.channel - channel) ** 2)
        announced.append(estimate.error_var)
        mean.append(np.mean(np.abs(estimate.composite - composite) ** 2))
    error = np.mean(errors, axis=(0, 2)).sum(axis=-1)
    ratio = error.mean() / np.mean(announced)
    assert 0.8 < ratio < 1.3
    # The space of channels with echoes in the prefix has about so many dimensions per antenna.
    width = (numerology.cyclic_prefix + 1) * len(numerology.active_carriers)
    dimensions = tx * (width / numerology.fft_size + 4)
    assert np.mean(mean) < 1.1 * noise_var * dimensions / len(numerology.active_carriers)


def test_estimates_of_strong_channels_are_not_shrunk() -> None:
    rng = np.random.default_rng(2)
    flat = np.ones((len(NARROW.active_carriers), 1), np.complex64)
    noise_var = 1.0 / SYMBOLS
    gains = []
    for _ in range(400):
        average = flat + np.sqrt(noise_var) * _noise(rng, flat.shape)
        estimate = smooth_channel(average.astype(np.complex64), np.array([noise_var]), NARROW)
        gains.append(estimate.channel.mean())
    assert np.mean(gains).real == pytest.approx(1, abs=0.005)


def test_nothing_but_noise_gives_no_channel_and_no_nan() -> None:
    zeros = np.zeros((len(NARROW.active_carriers), 1), np.complex64)
    estimate = smooth_channel(zeros, np.array([0.1]), NARROW)
    np.testing.assert_array_equal(estimate.channel, 0)
    assert np.isfinite(estimate.error_var).all()
    assert estimate.power[0] < 0


def test_scatter_is_unbiased_and_adds() -> None:
    rng = np.random.default_rng(3)
    known = np.exp(2j * np.pi * rng.random((5, 40))).astype(np.complex64)
    values = []
    for _ in range(300):
        received = known[:, :, None] * np.complex64(2j) + 0.5 * _noise(rng, (5, 40, 2))
        average, scatter = average_known(received, known)
        values.append(scatter.variance)
        np.testing.assert_allclose(average, 2j, atol=1.5)
    # No rotation was fitted here, so the half degrees of freedom kept for it are not used up.
    expected = 0.25 * 160 / 159.5
    assert np.mean(values) == pytest.approx(expected, rel=5 / np.sqrt(2 * 300 * 160))
    joined = Scatter(np.array([6.0]), 2.0) + Scatter(np.array([2.0]), 2.0)
    assert joined.variance[0] == 2.0
