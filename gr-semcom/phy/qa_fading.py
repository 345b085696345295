# SPDX-License-Identifier: GPL-3.0-or-later
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import j0
from scipy.stats import kstest, rice

from semcom_phy.fading import DIRECT_ANGLE, clarke_fading

TRIALS = 4000
DOPPLER = 0.05
COUNT = 41


@pytest.fixture(scope="module", params=[0.0, 4.0])
def ensemble(request: pytest.FixtureRequest) -> tuple[float, NDArray[np.complex128]]:
    """K, and ``[TRIALS, COUNT]`` gains."""
    rng = np.random.default_rng(1)
    gains = [clarke_fading(COUNT, DOPPLER, rng, request.param) for _ in range(TRIALS)]
    return request.param, np.stack(gains)


def test_mean_power_is_one(ensemble: tuple[float, NDArray[np.complex128]]) -> None:
    k, gains = ensemble
    # Variance of a Rician power of unit mean: (1 + 2 K) / (1 + K)^2.
    deviation = math.sqrt((1 + 2 * k) / (1 + k) ** 2 / TRIALS)
    power = np.mean(np.abs(gains) ** 2, axis=0)
    assert np.abs(power - 1).max() < 4.5 * deviation


def test_autocorrelation_is_that_of_isotropic_scattering(
    ensemble: tuple[float, NDArray[np.complex128]],
) -> None:
    k, gains = ensemble
    lags = np.arange(COUNT)
    direct = np.exp(2j * np.pi * DOPPLER * math.cos(DIRECT_ANGLE) * lags)
    expected = (j0(2 * np.pi * DOPPLER * lags) + k * direct) / (1 + k)
    measured = np.mean(gains * gains[:, :1].conj(), axis=0)
    # Over 40 intervals of f_d T = 0.05, J0 goes through three zeros; products of unit power.
    assert np.abs(measured - expected).max() < 4.5 / math.sqrt(TRIALS)
    # From any other sample on it is the same: the process is stationary.
    later = np.mean(gains[:, 20:] * gains[:, 20:21].conj(), axis=0)
    assert np.abs(later - expected[: COUNT - 20]).max() < 4.5 / math.sqrt(TRIALS)


@pytest.mark.parametrize("sample", [0, 7, 40])
def test_amplitudes_and_phases_are_distributed_as_they_should(
    ensemble: tuple[float, NDArray[np.complex128]], sample: int
) -> None:
    k, gains = ensemble
    amplitude = rice(math.sqrt(2 * k), scale=math.sqrt(1 / (2 * (1 + k))))
    assert kstest(np.abs(gains[:, sample]), amplitude.cdf).pvalue > 1e-3
    turns = np.angle(gains[:, sample]) / (2 * np.pi) + 0.5
    assert kstest(turns, "uniform").pvalue > 1e-3


def test_the_distributions_tell_a_direct_wave_apart(
    ensemble: tuple[float, NDArray[np.complex128]],
) -> None:
    """The test above could fail: these are not the samples of K + 1."""
    k, gains = ensemble
    other = rice(math.sqrt(2 * (k + 1)), scale=math.sqrt(1 / (2 * (2 + k))))
    assert kstest(np.abs(gains[:, 0]), other.cdf).pvalue < 1e-4


def test_a_seed_gives_one_stretch_and_doppler_its_speed() -> None:
    def draw(doppler: float, seed: int = 3) -> NDArray[np.complex128]:
        return clarke_fading(200, doppler, np.random.default_rng(seed))

    np.testing.assert_array_equal(draw(0.02), draw(0.02))
    assert not np.allclose(draw(0.02), draw(0.02, seed=4))
    np.testing.assert_allclose(draw(0.0), np.full(200, draw(0.0)[0]))
    np.testing.assert_allclose(draw(0.04)[:100], draw(0.02)[::2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count is 0"),
        ({"doppler": -0.1}, "doppler is -0.1"),
        ({"doppler": math.nan}, "doppler is nan"),
        ({"rician_k": math.inf}, "rician_k is inf"),
        ({"rician_k": -1.0}, "rician_k is -1"),
    ],
)
def test_bad_arguments_are_told(arguments: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"count": 3, "doppler": 0.1, "generator": np.random.default_rng(0)}
    with pytest.raises(ValueError, match=message):
        clarke_fading(**(good | arguments))
