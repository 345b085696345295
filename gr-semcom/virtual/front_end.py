# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to the antenna and from the antenna to samples.

Samples have full scale 1 in either part. At the antenna a signal is in sqrt(mW), so that its
squared magnitude is its power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import unbalance
from semcom_virtual.radio_model import Imperfections, RadioModel, Range

THERMAL_NOISE_DBM_HZ = -173.975
"""kT at 290 K."""

_AUTOMATIC_LEVEL_DB = -15.0
"""RMS magnitude that an automatic gain makes for, below full scale."""


def noise_power_dbm(model: RadioModel, rate_hz: float) -> float:
    """Noise of a receiver, referred to its antenna, within its sample rate."""
    return THERMAL_NOISE_DBM_HZ + 10 * math.log10(rate_hz) + model.noise_figure_db


def transmit_power_dbm(model: RadioModel, gain_db: float) -> float:
    """Of samples of magnitude 1."""
    return model.max_power_dbm + gain_db - model.tx_gain_db.high


def full_scale_dbm(model: RadioModel, gain_db: float) -> float:
    """What gives samples of magnitude 1."""
    return model.full_scale_dbm - gain_db


def quantise(samples: ComplexArray, bits: int) -> ComplexArray:
    """What a converter of so many bits a part makes of samples: it rounds, and it clips.

    Args:
        samples: of any shape, overwritten.
        bits: of each part; 0 for an ideal converter.

    Returns:
        Multiples of ``2^(1 - bits)`` from -1 to below 1.
    """
    if bits == 0:
        return samples
    steps = np.float32(1 << (bits - 1))
    parts = samples.view(np.float32)
    parts *= steps
    np.rint(parts, out=parts)
    np.maximum(parts, -steps, out=parts)
    np.minimum(parts, steps - 1, out=parts)
    parts *= 1 / steps
    return samples


def automatic_gain_db(samples: ComplexArray, gain_db: float, gains: Range) -> float:
    """The gain that follows, where a radio sets it itself: fast to fall, slow to rise.

    Args:
        samples: ``[n]`` that were received last.
        gain_db: with which they were.
        gains: that are possible.
    """
    power = float(np.mean(np.square(np.abs(samples)))) + 1e-12
    change = round(_AUTOMATIC_LEVEL_DB - 10 * math.log10(power))
    return gains.clamp(gain_db + min(max(change, -12), 1))


class TransmitFrontEnd:
    """Converter, mixer and amplifier of the transmitters of one radio."""

    def __init__(self, model: RadioModel, imperfections: Imperfections) -> None:
        self._model, self._wrong = model, imperfections
        self._channels = _channel_factors(
            model.tx_channels, imperfections.tx_channel_gain_db, imperfections.tx_channel_phase_deg
        )

    def convert(self, samples: ComplexArray) -> ComplexArray:
        """From the samples of a program to those behind the mixer, ``[channels, n]``."""
        analogue = quantise(np.array(samples, np.complex64, order="C"), self._model.converter_bits)
        wrong = self._wrong
        if wrong.tx_iq_gain_db or wrong.tx_iq_phase_deg:
            analogue = unbalance(analogue, wrong.tx_iq_gain_db, wrong.tx_iq_phase_deg)
        return analogue

    def radiate(self, analogue: ComplexArray, gains_db: Sequence[float]) -> ComplexArray:
        """At the antennas, in sqrt(mW)."""
        amplitude = [10 ** (transmit_power_dbm(self._model, gain) / 20) for gain in gains_db]
        factors = (self._channels * amplitude).astype(np.complex64)
        return analogue * factors[:, None]


class ReceiveFrontEnd:
    """Amplifier, mixer and converter of the receivers of one radio.

    Args:
        model: of the radio.
        imperfections: of the specimen.
        seed: of its noise, which is drawn afresh for every sample.
    """

    def __init__(self, model: RadioModel, imperfections: Imperfections, seed: int) -> None:
        self._model, self._wrong = model, imperfections
        self._generator = np.random.Generator(np.random.SFC64(seed))
        self._channels = _channel_factors(
            model.rx_channels, imperfections.rx_channel_gain_db, imperfections.rx_channel_phase_deg
        )

    def receive(
        self, signal: ComplexArray | None, count: int, gains_db: Sequence[float], rate_hz: float
    ) -> ComplexArray:
        """Samples from what comes in at the antennas.

        Args:
            signal: ``[channels, count]`` in sqrt(mW); None for silence.
            count: number of samples.
            gains_db: of each channel.
            rate_hz: samples a second, which are the noise's bandwidth.

        Returns:
            ``[channels, count]``.
        """
        model, wrong = self._model, self._wrong
        scale = np.array([10 ** (-full_scale_dbm(model, gain) / 20) for gain in gains_db])
        sigma = math.sqrt(10 ** (noise_power_dbm(model, rate_hz) / 10) / 2)
        shape = (model.rx_channels, 2 * count)
        noise = self._generator.standard_normal(shape, np.float32)
        noise *= (scale * sigma).astype(np.float32)[:, None]
        samples: ComplexArray = noise.view(np.complex64)
        if signal is not None:
            samples += signal * (self._channels * scale).astype(np.complex64)[:, None]
        if wrong.rx_iq_gain_db or wrong.rx_iq_phase_deg:
            samples = unbalance(samples, wrong.rx_iq_gain_db, wrong.rx_iq_phase_deg)
        if wrong.rx_dc:
            samples += np.complex64(wrong.rx_dc)
        return quantise(samples, model.converter_bits)


def _channel_factors(channels: int, gain_db: float, phase_deg: float) -> ComplexArray:
    """Of the first channel, 1, and of the second."""
    second = 10 ** (gain_db / 20) * np.exp(1j * math.radians(phase_deg))
    return np.array([1.0, second][:channels])
