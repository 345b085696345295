# SPDX-License-Identifier: GPL-3.0-or-later
"""A tone is found, and told as well as the bound allows."""

from __future__ import annotations

import numpy as np
import pytest

from semcom_calibration.tone import burst_start, fit_tone, make_tone
from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import unbalance

COUNT = 4096


def noise(rng: np.random.Generator, power: float, antennas: int = 1) -> ComplexArray:
    parts = rng.standard_normal((antennas, COUNT, 2)) * np.sqrt(power / 2)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def test_all_of_a_tone() -> None:
    """Tone, image and offset of two antennas, one of them faint."""
    turns = np.exp(2j * np.pi * 0.1234567 * np.arange(COUNT))
    first = unbalance(0.5 * turns, 1.0, 5.0) + 0.1 - 0.3j
    samples = np.stack([first, 1e-3j * turns]) + noise(np.random.default_rng(0), 1e-6, 2)
    tone = fit_tone(samples.astype(np.complex64))
    assert tone is not None
    assert tone.frequency == pytest.approx(0.1234567, abs=2e-8)
    branch = 10 ** (1 / 20) * np.exp(1j * np.deg2rad(5.0))
    assert tone.amplitude[0] == pytest.approx(0.5 * (1 + branch.conj()) / 2, abs=2e-4)
    assert tone.image[0] == pytest.approx(0.5 * (1 - branch) / 2, abs=2e-4)
    assert tone.amplitude[1] == pytest.approx(1e-3j, abs=1e-4)
    assert tone.noise_power == pytest.approx([1e-6, 1e-6], rel=0.1)
    assert tone.clear_db(1) == pytest.approx(10 * np.log10(COUNT), abs=1.0)


def test_frequency_is_as_good_as_the_bound() -> None:
    """Over 200 trials at 0 dB; the estimator's variance is 9/8 of the bound."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(200):
        frequency = rng.uniform(0.05, 0.45)
        samples = np.exp(2j * np.pi * frequency * np.arange(COUNT)) + noise(rng, 1.0)
        tone = fit_tone(samples.astype(np.complex64))
        assert tone is not None
        errors.append(tone.frequency - frequency)
    bound = np.sqrt(6 / COUNT**3) / (2 * np.pi)
    assert np.std(errors) == pytest.approx(bound * np.sqrt(9 / 8), rel=0.15)
    assert abs(np.mean(errors)) < 0.3 * bound


def test_noise_and_offset_are_no_tone() -> None:
    rng = np.random.default_rng(2)
    heard = [fit_tone((noise(rng, 1.0) + 30).astype(np.complex64)) for _ in range(100)]
    assert heard == [None] * 100


def test_where_a_tone_begins() -> None:
    samples = noise(np.random.default_rng(3), 1e-3) + 0.5
    tone = make_tone()
    heard = np.tile(samples, 5)
    heard[0, 5000 : 5000 + tone.size] += tone
    assert burst_start(heard, tone.size) == pytest.approx(5000, abs=60)
