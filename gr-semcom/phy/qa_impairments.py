# SPDX-License-Identifier: GPL-3.0-or-later
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import (
    GapMask,
    Gaps,
    Impairments,
    Interferer,
    clip,
    frame_power,
    unbalance,
)
from semcom_phy.numerology import NARROW
from semcom_phy.tdl import tdl_channel


def _tone(frequency: float, count: int) -> ComplexArray:
    return np.exp(2j * np.pi * frequency * np.arange(count)).astype(np.complex64)[None]


def _pass(impairments: Impairments, samples: ComplexArray) -> ComplexArray:
    channel = SampleChannel(ChannelConfig(impairments=impairments), NARROW, seed=3)
    return np.concatenate([channel.process(samples), channel.flush()], axis=1)


def test_clipping_limits_the_magnitude_and_keeps_the_phase() -> None:
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((1, 5000)) + 1j * rng.standard_normal((1, 5000))).astype(
        np.complex64
    )
    clipped = clip(samples, 3.0, NARROW)
    limit = np.sqrt(frame_power(NARROW) * 10**0.3)
    assert np.abs(clipped).max() == pytest.approx(limit, rel=1e-5)
    below = np.abs(samples) < limit
    assert 0.2 < below.mean() < 0.9
    np.testing.assert_array_equal(clipped[below], samples[below])
    np.testing.assert_allclose(np.angle(clipped), np.angle(samples), atol=1e-5)


@pytest.mark.parametrize(("gain_db", "phase_deg"), [(1.0, 0.0), (0.0, 5.0), (-0.5, -3.0)])
def test_iq_imbalance_makes_the_image_of_the_theory(gain_db: float, phase_deg: float) -> None:
    received = unbalance(_tone(0.125, 1024), gain_db, phase_deg)[0]
    spectrum = np.fft.fft(received) / 1024
    g, phi = 10 ** (gain_db / 20), np.radians(phase_deg)
    rejection = (1 + 2 * g * np.cos(phi) + g * g) / (1 - 2 * g * np.cos(phi) + g * g)
    measured = np.abs(spectrum[128]) ** 2 / np.abs(spectrum[-128]) ** 2
    assert measured == pytest.approx(rejection, rel=1e-3)


def test_the_quadrature_branch_has_the_gain_and_the_angle() -> None:
    received = unbalance(np.array([[1.0, 1j]], np.complex64), 6.0, 30.0)[0]
    assert received.real == pytest.approx([1, 0], abs=1e-6)
    g = 10**0.3
    assert received.imag == pytest.approx([-g * 0.5, g * np.sqrt(0.75)], abs=1e-5)


def test_dc_is_relative_to_a_frame_and_on_the_receivers_own_carrier() -> None:
    channel = SampleChannel(ChannelConfig(cfo_hz=1e4, impairments=Impairments(dc_db=-10.0)), NARROW)
    received = channel.process(np.zeros((1, 500), np.complex64))
    power = np.abs(received[0]) ** 2
    np.testing.assert_allclose(power, 0.1 * frame_power(NARROW), rtol=1e-4)
    assert np.ptp(np.angle(received[0])) == 0


def test_the_interferer_comes_when_it_should_and_as_loud() -> None:
    interferer = Interferer(power_db=3.0, start_s=1e-3, length_s=5e-3, period_s=20e-3)
    received = _pass(Impairments(interferer=interferer), np.zeros((1, 45_000), np.complex64))[0]
    hit = np.abs(received) > 0
    expected = np.zeros(45_000, bool)
    for begin in (1000, 21_000, 41_000):
        expected[begin : begin + 5000] = True
    np.testing.assert_array_equal(hit, expected)
    power = np.mean(np.abs(received[expected]) ** 2)
    assert power == pytest.approx(frame_power(NARROW) * 10**0.3, rel=0.05)


def test_a_single_burst_does_not_come_again() -> None:
    active = Interferer(0.0, 1e-3, 1e-3).active(np.arange(10_000), 1e6)
    np.testing.assert_array_equal(np.flatnonzero(active), np.arange(1000, 2000))


def test_given_gaps_are_cut_out() -> None:
    samples = _tone(0.01, 10_000)
    gaps = Gaps(100e-6, starts_s=(5e-3, 1e-3, 1.05e-3))
    received = _pass(Impairments(gaps=gaps), samples)
    kept = np.ones(10_000, bool)
    kept[1000:1150] = kept[5000:5100] = False
    np.testing.assert_array_equal(received, samples[:, kept])


def test_random_gaps_come_as_often_as_asked() -> None:
    mask = GapMask(Gaps(10e-6, rate_hz=200.0), 1e6, np.random.default_rng(1))
    kept = mask.keep(0, 5_000_000)
    gaps = np.flatnonzero(np.diff(kept.astype(int)) == -1)
    assert gaps.size == pytest.approx(1000, abs=5 * np.sqrt(1000))
    spacing = np.diff(gaps)
    assert spacing.std() == pytest.approx(spacing.mean(), rel=0.15)  # exponential


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 900), min_size=1, max_size=8))
def test_pieces_of_the_stream_do_not_matter(sizes: list[int]) -> None:
    impairments = Impairments(
        saturation_db=3.0,
        iq_gain_db=0.5,
        iq_phase_deg=2.0,
        dc_db=-15.0,
        interferer=Interferer(0.0, 3e-4, 2e-4, 5e-4),
        gaps=Gaps(60e-6, rate_hz=2000.0, starts_s=(1e-3,)),
    )
    config = ChannelConfig(
        10.0,
        cfo_hz=4321.0,
        delay=5.25,
        sco_ppm=200.0,
        multipath=tdl_channel("tdl-a", 1e-6, 1000.0),
        impairments=impairments,
    )
    count = sum(sizes)
    rng = np.random.default_rng(4)
    samples = (rng.standard_normal((1, count)) + 1j * rng.standard_normal((1, count))).astype(
        np.complex64
    )
    once = SampleChannel(config, NARROW, seed=9)
    whole = np.concatenate([once.process(samples), once.flush()], axis=1)
    channel = SampleChannel(config, NARROW, seed=9)
    pieces = np.split(samples, np.cumsum(sizes)[:-1], axis=1)
    joined = np.concatenate([*(channel.process(p) for p in pieces), channel.flush()], axis=1)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Impairments, {"saturation_db": -20.0}),
        (Impairments, {"iq_gain_db": float("nan")}),
        (Impairments, {"iq_phase_deg": 90.0}),
        (Impairments, {"dc_db": 300.0}),
        (Interferer, {"power_db": float("inf")}),
        (Interferer, {"power_db": 0.0, "start_s": -1.0}),
        (Interferer, {"power_db": 0.0, "length_s": -1.0}),
        (Interferer, {"power_db": 0.0, "length_s": 2.0, "period_s": 1.0}),
        (Gaps, {"length_s": -1.0}),
        (Gaps, {"length_s": 1.0, "rate_hz": -1.0}),
        (Gaps, {"length_s": 1.0, "starts_s": (-1.0,)}),
    ],
)
def test_senseless_impairments_are_refused(kind: type, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="channel"):
        kind(**options)
