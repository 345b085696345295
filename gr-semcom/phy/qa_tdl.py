# SPDX-License-Identifier: GPL-3.0-or-later
import math

import numpy as np
import pytest
from scipy.special import j0

from semcom_phy.tdl import TDL_NAMES, FadingChannel, flat_channel, tdl_channel

TRIALS = 700


@pytest.mark.parametrize("name", TDL_NAMES)
def test_tables_are_normalised_to_their_delay_spread(name: str) -> None:
    """The tables give delays in units of the RMS delay spread (TR 38.901, clause 7.7.3)."""
    process = tdl_channel(name, 100e-9).realise(1, 1, np.random.default_rng(0))
    profile = tdl_channel(name, 100e-9).profile
    power = 10 ** (np.array(profile.powers_db) / 10)
    if profile.direct_db is not None:
        power[0] += 10 ** (profile.direct_db / 10)
    power /= power.sum()
    mean = power @ process.delays_s
    assert math.sqrt(power @ (process.delays_s - mean) ** 2) == pytest.approx(100e-9, rel=0.007)


@pytest.mark.parametrize(("name", "k_factor_db"), [("tdl-d", 13.3), ("tdl-e", 22.0)])
def test_the_k_factor_is_the_standards(name: str, k_factor_db: float) -> None:
    profile = tdl_channel(name, 0.0).profile
    assert profile.direct_db is not None
    assert profile.direct_db - profile.powers_db[0] == pytest.approx(k_factor_db, abs=0.01)


def _draw(channel: FadingChannel, seed: int, count: int = 1) -> np.ndarray:
    return channel.realise(2, 2, np.random.default_rng(seed)).gains(0, count)


@pytest.mark.parametrize("name", TDL_NAMES)
def test_mean_powers_are_the_profiles_and_add_up_to_one(name: str) -> None:
    channel = tdl_channel(name, 1e-7)
    gains = np.stack([_draw(channel, seed)[0] for seed in range(TRIALS)])
    power = np.mean(np.abs(gains) ** 2, axis=(0, 2, 3))
    assert power.sum() == pytest.approx(1, abs=0.06)
    expected = 10 ** (np.array(channel.profile.powers_db) / 10)
    if channel.profile.direct_db is not None:
        expected[0] += 10 ** (channel.profile.direct_db / 10)
    # A mean of as many exponential powers, for the taps without a direct wave.
    tolerance = 5 / math.sqrt(4 * TRIALS)
    np.testing.assert_allclose(power, expected / expected.sum(), rtol=tolerance)


def test_taps_and_antennas_fade_independently() -> None:
    gains = np.stack([_draw(tdl_channel("tdl-b", 1e-7), seed)[0] for seed in range(TRIALS)])
    flat = gains.reshape(TRIALS, -1)
    flat = flat / np.sqrt(np.mean(np.abs(flat) ** 2, axis=0))
    correlation = np.abs(flat.conj().T @ flat / TRIALS)
    np.fill_diagonal(correlation, 0)
    assert correlation.max() < 5.5 / math.sqrt(TRIALS)


def test_doppler_is_that_asked_for() -> None:
    channel = tdl_channel("tdl-a", 1e-7, doppler_hz=50.0)
    process = channel.realise(1, 1, np.random.default_rng(0))
    lags = np.arange(0, 97, 12)
    # [trial, t, tap]
    gains = np.stack([_draw(channel, seed, 97)[:, :, 0, 0] for seed in range(150)])
    power = np.mean(np.abs(gains[:, 0]) ** 2, axis=0)
    measured = np.mean(gains * gains[:, :1].conj(), axis=0)[lags].real
    expected = j0(2 * np.pi * 50 * lags * process.interval_s)[:, None] * power
    assert np.abs((measured - expected).sum(axis=1)).max() < 5 / math.sqrt(150)


def test_without_doppler_nothing_changes() -> None:
    process = flat_channel(rician_k_db=6.0).realise(1, 1, np.random.default_rng(1))
    gains = process.gains(0, 5)
    assert process.interval_s == math.inf
    np.testing.assert_array_equal(gains, np.broadcast_to(gains[:1], gains.shape))


def test_the_rician_channel_has_the_k_factor_asked_for() -> None:
    gains = np.concatenate(
        [_draw(flat_channel(rician_k_db=6.0), seed).ravel() for seed in range(TRIALS)]
    )
    power = np.abs(gains) ** 2
    k = 10**0.6
    # Variance of a Rician power of unit mean.
    assert power.mean() == pytest.approx(1, abs=0.06)
    assert power.var() == pytest.approx((1 + 2 * k) / (1 + k) ** 2, rel=0.15)


def test_seeds_make_the_realisation() -> None:
    channel = tdl_channel("tdl-c", 3e-7, 5.0)
    np.testing.assert_array_equal(_draw(channel, 3, 10), _draw(channel, 3, 10))
    assert np.abs(_draw(channel, 3) - _draw(channel, 4)).min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tdl-f", 1e-7), "tdl-a, tdl-b"),
        (("tdl-a", -1.0), "delay spread"),
        (("tdl-a", 1.0), "delay spread"),
        (("tdl-a", float("nan")), "delay spread"),
        (("tdl-a", 1e-7, -5.0), "Doppler"),
        (("tdl-a", 1e-7, 1e6), "Doppler"),
    ],
)
def test_senseless_channels_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tdl_channel(*arguments)
