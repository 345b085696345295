# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels, noise, converters and imperfections of virtual radios."""

import math

import numpy as np
import pytest

from semcom_virtual.front_end import (
    ReceiveFrontEnd,
    TransmitFrontEnd,
    automatic_gain_db,
    quantise,
)
from semcom_virtual.radio_model import Imperfections, RadioModel, Range

RATE_HZ = 1e6
IDEAL = RadioModel("ideal", 2, 2, converter_bits=0)


def gaussian(shape, power, seed=0):
    """Complex samples of a mean power."""
    parts = np.random.default_rng(seed).standard_normal((*shape, 2)) * math.sqrt(power / 2)
    return np.ascontiguousarray(parts.astype(np.float32)).view(np.complex64)[..., 0]


def power(samples):
    return float(np.mean(np.abs(samples) ** 2))


def power_db(samples):
    return 10 * math.log10(power(samples))


@pytest.mark.parametrize("bits", [8, 12])
def test_quantisation_noise_is_a_twelfth_of_a_step_squared_a_part(bits):
    samples = gaussian((1, 200_000), 0.05)
    error = quantise(samples.copy(), bits) - samples
    expected = 2 * (2.0 ** (1 - bits)) ** 2 / 12
    assert power(error) == pytest.approx(expected, rel=0.02)
    assert abs(np.vdot(samples, error)) / samples.size < 0.01 * math.sqrt(expected * 0.05)


def test_twelve_bits_at_12_db_of_back_off_give_61_8_db():
    # Es/N0 of a Gaussian signal 12 dB below full scale: 6.02 * 12 - 1.25 + 3.01 - 12 dB.
    samples = gaussian((1, 200_000), 10**-1.2)
    error = quantise(samples.copy(), 12) - samples
    inside = np.abs(samples.view(np.float32)).reshape(-1, 2).max(axis=1) < 0.99
    snr = 10 * math.log10(power(samples[0, inside]) / power(error[0, inside]))
    assert snr == pytest.approx(6.0206 * 12 - 1.249 + 3.0103 - 12, abs=0.1)


def test_converters_clip_and_keep_within_their_range():
    samples = np.array([[2 + 0.5j, -3 - 4j, 0.99999 + 0j, -1 + 1j]], np.complex64)
    top = 2047 / 2048
    expected = [[top + 0.5j, -1 - 1j, top + 0j, -1 + 1j * top]]
    np.testing.assert_array_equal(quantise(samples.copy(), 12), np.array(expected, np.complex64))
    np.testing.assert_array_equal(quantise(samples.copy(), 0), samples)


def test_power_at_the_antenna_follows_the_gain():
    front = TransmitFrontEnd(IDEAL, Imperfections())
    sent = front.radiate(front.convert(gaussian((2, 100_000), 0.1)), [-10.0, -30.0])
    # 7 dBm at the highest gain, 0 dB; a mean power of 0.1 is 10 dB less.
    assert power_db(sent[0]) == pytest.approx(7 - 10 - 10, abs=0.1)
    assert power_db(sent[1]) == pytest.approx(7 - 30 - 10, abs=0.1)


def test_thermal_noise_is_ktb_times_the_noise_figure():
    front = ReceiveFrontEnd(IDEAL, Imperfections(), seed=1)
    noise = front.receive(None, 200_000, [60.0, 40.0], RATE_HZ)
    dbm = -173.975 + 60 + 3
    # A gain of 60 dB puts full scale at -60 dBm.
    assert power_db(noise[0]) == pytest.approx(dbm + 60, abs=0.05)
    assert power_db(noise[1]) == pytest.approx(dbm + 40, abs=0.05)
    assert abs(np.vdot(noise[0], noise[1])) / 200_000 < 0.01 * math.sqrt(
        power(noise[0]) * power(noise[1])
    )


def test_noise_is_fresh_and_follows_the_seed():
    first, again, other = (ReceiveFrontEnd(IDEAL, Imperfections(), seed) for seed in (1, 1, 2))
    pieces = [first.receive(None, 1000, [0.0, 0.0], RATE_HZ) for _ in range(2)]
    assert not np.array_equal(pieces[0], pieces[1])
    np.testing.assert_array_equal(pieces[0], again.receive(None, 1000, [0.0, 0.0], RATE_HZ))
    assert not np.array_equal(pieces[0], other.receive(None, 1000, [0.0, 0.0], RATE_HZ))


def received(imperfections):
    """A strong signal ``[2, n]`` and what a receiver with imperfections makes of it."""
    signal = gaussian((2, 100_000), 1.0, seed=3)
    front = ReceiveFrontEnd(IDEAL, imperfections, seed=1)
    # Gain 0 dB, full scale 0 dBm: noise is 110 dB down.
    return signal, front.receive(signal.copy(), signal.shape[1], [0.0, 0.0], RATE_HZ)


def test_a_perfect_receiver_changes_nothing():
    signal, samples = received(Imperfections())
    assert power_db(samples - signal) < -100


def test_dc_offset_and_second_channel():
    wrong = Imperfections(rx_dc=0.1 - 0.05j, rx_channel_gain_db=-6.0, rx_channel_phase_deg=70.0)
    signal, samples = received(wrong)
    samples = samples - np.complex64(0.1 - 0.05j)
    assert power_db(samples[0] - signal[0]) < -100
    factor = np.vdot(signal[1], samples[1]) / np.vdot(signal[1], signal[1])
    assert 20 * math.log10(abs(factor)) == pytest.approx(-6.0, abs=0.01)
    assert math.degrees(np.angle(factor)) == pytest.approx(70.0, abs=0.01)


def test_imbalance_gives_an_image_of_theory():
    signal, samples = received(Imperfections(rx_iq_gain_db=0.5, rx_iq_phase_deg=3.0))
    branch = 10 ** (0.5 / 20) * np.exp(1j * math.radians(3.0))
    both = np.stack([signal[0], signal[0].conj()], axis=1)
    straight, image = np.linalg.lstsq(both, samples[0], rcond=None)[0]
    assert straight == pytest.approx((1 + branch.conjugate()) / 2, abs=1e-4)
    assert image == pytest.approx((1 - branch) / 2, abs=1e-4)


def test_the_transmitter_has_an_imbalance_of_its_own():
    front = TransmitFrontEnd(IDEAL, Imperfections(tx_iq_gain_db=1.0))
    samples = gaussian((2, 100_000), 0.1)
    made = front.convert(samples)
    np.testing.assert_allclose(made.real, samples.real, atol=1e-5)
    np.testing.assert_allclose(made.imag, samples.imag * 10**0.05, atol=1e-5)


def test_automatic_gain_falls_fast_rises_slowly_and_settles():
    gains, gain = Range(-3.0, 71.0, 1.0), 71.0
    signal_dbfs_at_gain_0 = -40.0
    heights = []
    for _ in range(40):
        level = min(signal_dbfs_at_gain_0 + gain, 0.0)
        gain = automatic_gain_db(gaussian((4000,), 10 ** (level / 10)), gain, gains)
        heights.append(gain)
    assert heights[0] <= 60
    assert abs(heights[-1] + signal_dbfs_at_gain_0 + 15) <= 1
    assert automatic_gain_db(np.zeros(10, np.complex64), 10.0, gains) == 11.0
    assert automatic_gain_db(np.zeros(10, np.complex64), 71.0, gains) == 71.0


@pytest.mark.parametrize(
    "options",
    [{"ppm": 1e4}, {"rx_iq_phase_deg": 90.0}, {"rx_dc": 1 + 1j}, {"tx_iq_gain_db": math.nan}],
)
def test_imperfections_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Imperfections(**options)


def test_models_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="converter_bits"):
        RadioModel("x", converter_bits=1)
    with pytest.raises(ValueError, match="rx_channels"):
        RadioModel("x", rx_channels=3)
