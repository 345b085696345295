# SPDX-License-Identifier: GPL-3.0-or-later
"""A tone that is sent, and what a receiver makes of it.

The frequency is that of the highest peak of the periodogram, refined by the phase that the tone
advances from the first to the last third of the samples: its variance is 9/8 of the Cramér-Rao
bound ``6 / ((2 pi)^2 snr n^3)`` of D. Rife, R. Boorstyn, "Single-tone parameter estimation from
discrete-time observations", IEEE Trans. Information Theory 20(5), 1974. Tone, image and offset are
then fitted together by least squares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from gnuradio.semcom.radios.bench import Bench
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray

FREQUENCY = 7 / 64
"""Of the tone in cycles a sample: its image, its harmonics and DC are elsewhere."""

AMPLITUDE = 0.5
"""Of the tone: 6 dB below full scale, near the peaks of a frame at a usual back-off."""

LENGTH = 8192
"""Samples of the tone."""

_RAMP = 256
"""Samples over which it comes and goes."""

_MARGIN = LENGTH // 8
"""Samples at either end of the tone that are not looked at."""

_LOWEST = 0.02
"""Cycles a sample; below are the receiver's DC offset and what hums around it."""

_HEARD = 25.0
"""Energy of a tone over the noise's in one bin; noise alone has as much once in ten million."""

SETTLE_S = 0.02
"""Of silence captured with what is sent, for devices that cannot time both ends."""


@dataclass(frozen=True, eq=False)
class HeardTone:
    """A tone as received.

    Attributes:
        frequency: cycles a sample.
        amplitude: ``[rx]``, relative to full scale.
        image: ``[rx]``, amplitude at minus the frequency.
        noise_power: ``[rx]``, of a sample, of all that is neither tone, image nor DC.
        peak: of either part of the samples.
        samples: that were looked at.
    """

    frequency: float
    amplitude: NDArray[np.complex128]
    image: NDArray[np.complex128]
    noise_power: NDArray[np.float64]
    peak: float
    samples: int

    def clear_db(self, antenna: int = 0) -> float:
        """Energy of the tone over the noise in its bin; 36 dB tell its level to 0.1 dB."""
        power = abs(self.amplitude[antenna]) ** 2 * self.samples
        return float(10 * np.log10(max(power, 1e-30) / max(self.noise_power[antenna], 1e-30)))

    def level_dbfs(self, antenna: int = 0) -> float:
        """Power of the tone; 0 is a complex exponential of amplitude 1."""
        return float(20 * np.log10(max(abs(self.amplitude[antenna]), 1e-15)))


def make_tone(frequency: float = FREQUENCY) -> ComplexArray:
    """A tone of :data:`LENGTH` samples that comes and goes gently.

    Args:
        frequency: in cycles a sample.
    """
    ramp = np.sin(np.linspace(0, np.pi / 2, _RAMP)) ** 2
    envelope = np.concatenate([ramp, np.ones(LENGTH - 2 * _RAMP), ramp[::-1]])
    turns = np.exp(2j * np.pi * frequency * np.arange(LENGTH))
    return (AMPLITUDE * envelope * turns).astype(np.complex64)


def exchange(bench: Bench, sent: ComplexArray) -> ComplexArray:
    """What is heard, ``[rx, n]``, while and around ``sent``, ``[tx, n]``, is sent."""
    return bench.exchange(sent, sent.shape[1] + round(SETTLE_S * bench.rate_hz))


def burst_start(heard: ComplexArray, length: int) -> int:
    """Where the ``length`` samples of the highest energy begin in ``[rx, n]``."""
    centred = heard - heard.mean(axis=1, keepdims=True)
    energy = np.cumsum(np.append(0.0, np.sum(np.abs(centred) ** 2, axis=0, dtype=np.float64)))
    return int(np.argmax(energy[length:] - energy[:-length]))


def hear_tone(bench: Bench, frequency: float = FREQUENCY, antenna: int = 0) -> HeardTone | None:
    """Send a tone.

    Args:
        bench: with its gains set.
        frequency: in cycles a sample.
        antenna: that sends it.

    Returns:
        What was heard; None where no antenna heard any tone.
    """
    sent = np.zeros((bench.tx_antennas, LENGTH), np.complex64)
    sent[antenna] = make_tone(frequency)
    heard = exchange(bench, sent)
    start = burst_start(heard, LENGTH)
    return fit_tone(heard[:, start + _MARGIN : start + LENGTH - _MARGIN])


def fit_tone(samples: ComplexArray) -> HeardTone | None:
    """Find the strongest tone in ``[rx, n]``, but for what is near DC.

    Returns:
        The tone; None where there is hardly more than noise.
    """
    frequency = _frequency(samples)
    count = samples.shape[1]
    turns = np.exp(2j * np.pi * frequency * np.arange(count))
    basis = np.stack([turns, turns.conj(), np.ones(count)], axis=1)
    amplitudes, *_ = np.linalg.lstsq(basis, samples.T.astype(np.complex128), rcond=None)
    rest = samples.T - basis @ amplitudes
    tone = HeardTone(
        frequency,
        amplitudes[0],
        amplitudes[1],
        np.sum(np.abs(rest) ** 2, axis=0) / (count - basis.shape[1]),
        float(max(np.abs(samples.real).max(), np.abs(samples.imag).max())),
        count,
    )
    heard = max(tone.clear_db(antenna) for antenna in range(samples.shape[0]))
    return tone if heard > 10 * np.log10(_HEARD) else None


def _frequency(samples: ComplexArray) -> float:
    """Of the strongest tone, all antennas together."""
    count = samples.shape[1]
    padded = 2 * scipy.fft.next_fast_len(count)
    periodogram = np.sum(np.abs(scipy.fft.fft(samples, padded)) ** 2, axis=0)
    frequencies = scipy.fft.fftfreq(padded)
    periodogram[np.abs(frequencies) < _LOWEST] = 0
    coarse = float(frequencies[np.argmax(periodogram)])
    # An offset would leak into the thirds.
    centred = samples - samples.mean(axis=1, keepdims=True)
    straight = centred * np.exp(-2j * np.pi * coarse * np.arange(count))
    third = count // 3
    first, last = straight[:, :third].sum(axis=1), straight[:, -third:].sum(axis=1)
    return coarse + float(np.angle(np.vdot(first, last))) / (2 * np.pi * (count - third))
