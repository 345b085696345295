# SPDX-License-Identifier: GPL-3.0-or-later
"""A noise-like sequence, and when it arrives.

The arrival is the delay at which the sequence correlates best. It has a variance of
``1 / (8 pi^2 B^2 n snr)`` for a root-mean-square bandwidth ``B``, the Cramér-Rao bound of A. Quazi,
"An overview on the time delay estimate in active and passive systems for target localization",
IEEE Trans. Acoustics, Speech, and Signal Processing 29(3), 1981: some thousandths of a sample at
20 dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from semcom_calibration.errors import CalibrationError
from semcom_phy.exchange import ComplexArray

_LENGTH = 4096
_OCCUPIED = 0.8
"""Of the band; front ends are not flat at its edges."""

_CYCLIC = 64
"""Samples before and behind, as a cyclic prefix: what is cut a little off is still all of it."""

_RMS = 10 ** (-12 / 20)

LENGTH = _LENGTH + 2 * _CYCLIC
"""Samples of the sequence."""

_LEAST_SHARE = 30 / _LENGTH
"""Of its energy that a piece has in common with the sequence; noise has it once in a billion."""


@dataclass(frozen=True)
class Arrival:
    """When a sequence arrived.

    Attributes:
        samples: from the first sample heard to the first of the sequence, with a fraction.
        snr_db: of the sequence over what else was heard in the band.
    """

    samples: float
    snr_db: float

    @property
    def deviation(self) -> float:
        """Of ``samples``, what noise makes of it: the bound."""
        width = _OCCUPIED / np.sqrt(12)
        energy = _LENGTH * 10 ** (self.snr_db / 10)
        return float(1 / (2 * np.pi * width * np.sqrt(2 * energy)))


@cache
def _spectrum() -> NDArray[np.complex128]:
    """Of the sequence, ``[n]``: random phases over the occupied band, but for DC."""
    rng = np.random.default_rng(20)
    frequencies = scipy.fft.fftfreq(_LENGTH)
    occupied = (np.abs(frequencies) <= _OCCUPIED / 2) & (frequencies != 0)
    return np.where(occupied, np.exp(2j * np.pi * rng.random(_LENGTH)), 0)


@cache
def sequence() -> ComplexArray:
    """The sequence, ``[LENGTH]``, 12 dB below full scale."""
    samples = scipy.fft.ifft(_spectrum())
    samples *= _RMS / np.sqrt(np.mean(np.abs(samples) ** 2))
    cyclic = np.concatenate([samples[-_CYCLIC:], samples, samples[:_CYCLIC]])
    return cyclic.astype(np.complex64)


def heard(samples: ComplexArray, turns: float) -> Arrival:
    """When the sequence arrived.

    Args:
        samples: ``[n]`` of one antenna.
        turns: carrier offset, in cycles a sample, known to a fraction of a cycle over a sequence.

    Returns:
        The arrival, of the strongest if there are several.

    Raises:
        CalibrationError: there is none.
    """
    straight = samples * np.exp(-2j * np.pi * turns * np.arange(samples.size))
    core = sequence()[_CYCLIC:-_CYCLIC].conj()
    padded = scipy.fft.next_fast_len(samples.size + _LENGTH)
    correlation = scipy.fft.ifft(
        scipy.fft.fft(straight, padded) * scipy.fft.fft(core[::-1], padded)
    )[_LENGTH - 1 : samples.size]
    peak = int(np.argmax(np.abs(correlation)))
    spectrum = scipy.fft.fft(straight[peak : peak + _LENGTH])
    # Within the occupied band: DC offsets and noise beside it tell nothing.
    product = spectrum * _spectrum().conj()
    fraction = _delay(product)
    band = _spectrum() != 0
    energy = float(np.sum(np.abs(spectrum[band]) ** 2))
    common = abs(_at_delay(product, fraction)) ** 2 / band.sum()
    if energy <= 0 or common < _LEAST_SHARE * energy:
        raise CalibrationError("no signal: the sequence that tells the delay is not heard")
    snr_db = 10 * np.log10(common / max(energy - common, 1e-9 * energy))
    return Arrival(peak + fraction - _CYCLIC, float(snr_db))


def _at_delay(product: NDArray[np.complex128], delay: float) -> complex:
    return complex(np.sum(product * np.exp(2j * np.pi * scipy.fft.fftfreq(_LENGTH) * delay)))


def _delay(product: NDArray[np.complex128]) -> float:
    """Delay in samples, within one of the peak, at which the sequence correlates best."""
    best = minimize_scalar(
        lambda delay: -abs(_at_delay(product, delay)),
        bounds=(-1.0, 1.0),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(best.x)
