# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.estimation import KnownAverage, average_cells, smooth_channel
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


def _average(mean: ComplexArray, noise_var: float, piloted: int = 0) -> KnownAverage:
    """Of SYMBOLS cells of that noise on every carrier."""
    antennas = mean.shape[1]
    return KnownAverage(mean.astype(np.complex64), SYMBOLS, piloted, np.full(antennas, noise_var))


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
        estimate = smooth_channel(_average(average, noise_var * SYMBOLS), numerology)
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
        estimate = smooth_channel(_average(average, noise_var * SYMBOLS), NARROW)
        gains.append(estimate.channel.mean())
    assert np.mean(gains).real == pytest.approx(1, abs=0.005)


def test_nothing_but_noise_gives_no_channel_and_no_nan() -> None:
    zeros = np.zeros((len(NARROW.active_carriers), 1), np.complex64)
    estimate = smooth_channel(_average(zeros, 0.1 * SYMBOLS), NARROW)
    np.testing.assert_array_equal(estimate.channel, 0)
    assert np.isfinite(estimate.error_var).all()
    assert estimate.power[0] == 0


def _known(
    rng: np.random.Generator, channel: ComplexArray, noise_var: float, symbols: int, piloted: int
) -> KnownAverage:
    """The average of symbols known on every carrier, and on the pilots; one of each is not used."""
    cells, weights = [], []
    everywhere = np.arange(len(NARROW.active_carriers))
    for count, rows in ((symbols, everywhere), (piloted, NARROW.pilot_rows)):
        noise = np.sqrt(noise_var) * _noise(rng, (count + 1, rows.size, channel.shape[1]))
        cells.append((channel[rows] + noise).astype(np.complex64))
        cells[-1][0] = 1e6
        weights.append(np.ones(count + 1))
        weights[-1][0] = 0.0
    average: KnownAverage = average_cells(
        cells[0], weights[0], cells[1], weights[1], NARROW.pilot_rows
    )
    return average


def test_the_noise_is_unbiased_with_pilots_and_without() -> None:
    rng = np.random.default_rng(3)
    channel = np.full((len(NARROW.active_carriers), 2), 2j, np.complex64)
    alone, both = [], []
    for _ in range(200):
        alone.append(_known(rng, channel, 0.25, SYMBOLS, 0).noise_var)
        average = _known(rng, channel, 0.25, SYMBOLS, 64)
        assert (average.full, average.piloted) == (SYMBOLS, 64)
        np.testing.assert_allclose(average.mean, channel, atol=0.5)
        both.append(average.noise_var)
    freedom = 200 * 2 * 2400
    # No rotation was fitted here, so the half degrees of freedom kept for it are not used up.
    assert np.mean(alone) == pytest.approx(0.25 * 2400 / 2399.5, rel=5 / np.sqrt(freedom))
    assert np.mean(both) == pytest.approx(0.25, rel=5 / np.sqrt(freedom))


def test_pilots_of_the_payload_make_the_channel_better_as_announced() -> None:
    rng = np.random.default_rng(4)
    errors: dict[int, list[float]] = {0: [], 128: []}
    announced: dict[int, list[float]] = {0: [], 128: []}
    for _ in range(200):
        channel = _channel(rng, NARROW)[:, :, 0]
        for piloted in errors:
            average = _known(rng, channel, 0.1, SYMBOLS, piloted)
            estimate = smooth_channel(average, NARROW)
            errors[piloted].append(np.mean(np.abs(estimate.channel[:, :, 0] - channel) ** 2))
            announced[piloted].append(float(np.mean(estimate.error_var)))
    for piloted in errors:
        assert 0.8 < np.mean(errors[piloted]) / np.mean(announced[piloted]) < 1.3
    # Of 2500 known cells there become 3524; eight carriers do not tell all delays apart.
    assert 2500 / 3524 < np.mean(errors[128]) / np.mean(errors[0]) < 0.85
