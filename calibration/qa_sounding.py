# SPDX-License-Identifier: GPL-3.0-or-later
"""The sequence arrives when it does, to the bound."""

from __future__ import annotations

import numpy as np
import pytest

from semcom_calibration.errors import CalibrationError
from semcom_calibration.sounding import LENGTH, heard, sequence
from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW

POWER_DB = -12.0


def behind(**channel: float) -> ComplexArray:
    """The sequence behind a channel, with silence around it, at its own level."""
    silence = np.zeros(1000, np.complex64)
    sent = np.concatenate([silence, sequence(), silence])[None]
    return SampleChannel(ChannelConfig(**channel), NARROW, seed=7).process(sent)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.875])
def test_fraction_of_a_sample(fraction: float) -> None:
    found = heard(behind(delay=50 + fraction, snr_db=60.0), 0.0)
    assert found.samples == pytest.approx(1050 + fraction, abs=5e-3)
    # The noise of the channel is at full scale less 60 dB, the band takes 0.8 of it.
    assert found.snr_db == pytest.approx(60 + POWER_DB - 10 * np.log10(0.8), abs=1.5)


def test_deviation_is_the_bound() -> None:
    """Over 60 trials at 5 dB."""
    delays = []
    for seed in range(60):
        config = ChannelConfig(delay=20.3, snr_db=5.0 - POWER_DB)
        channel = SampleChannel(config, NARROW, seed)
        padded = np.pad(sequence(), (0, 500))[None]
        delays.append(heard(channel.process(padded)[0], 0.0))
    bound = np.mean([one.deviation for one in delays])
    assert np.std([one.samples for one in delays]) == pytest.approx(bound, rel=0.3)
    assert np.mean([one.samples for one in delays]) == pytest.approx(20.3, abs=4 * bound / 60**0.5)


def test_carrier_offset_is_taken_out() -> None:
    samples = behind(delay=10.5, cfo_hz=90e3, snr_db=50.0)
    assert heard(samples, 0.09).samples == pytest.approx(1010.5, abs=0.02)
    with pytest.raises(CalibrationError, match="not heard"):
        heard(samples, 0.0)


def test_noise_is_no_sequence() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        samples = (rng.standard_normal(3 * LENGTH) + 1j * rng.standard_normal(3 * LENGTH)) / 10
        with pytest.raises(CalibrationError, match="not heard"):
            heard(samples.astype(np.complex64) + 0.5, 0.0)
