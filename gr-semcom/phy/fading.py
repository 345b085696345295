# SPDX-License-Identifier: GPL-3.0-or-later
"""Fading of a channel with one path: Clarke's isotropic scattering, with a direct wave or without.

Clarke, "A statistical theory of mobile-radio reception", Bell System Technical Journal 47(6),
1968: the receiver moves among waves of equal power from all directions of the plane.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

WAVES = 64
"""Waves that are added up. Mean power and autocorrelation are exact for any number; the fourth
moment of the amplitude, ``2 - 1 / WAVES``, is within a hundredth of a Gaussian process's."""

DIRECT_ANGLE = math.pi / 4
"""Of the direct wave to the receiver's motion."""


def clarke_fading(
    count: int, doppler: float, generator: np.random.Generator, rician_k: float = 0.0
) -> NDArray[np.complex128]:
    """Draw a stretch of fading, sampled evenly.

    The improved Clarke model of Xiao, Zheng, Beaulieu, "Novel sum-of-sinusoids simulation models
    for Rayleigh and Rician fading channels", IEEE Trans. Wireless Communications 5(12), 2006. Over
    the ensemble, without a direct wave, ``E[h(i) h*(i - m)] = J0(2 pi doppler m)``; with one,
    ``(J0(2 pi doppler m) + K exp(2j pi doppler m cos(DIRECT_ANGLE))) / (1 + K)``.

    Args:
        count: samples.
        doppler: largest Doppler shift times the sampling interval, at least 0.
        generator: of angles and phases.
        rician_k: power of the direct wave over that of all others; 0 for Rayleigh fading.

    Returns:
        ``[count]`` complex gains of unit mean power.

    Raises:
        ValueError: an argument out of range.
    """
    for name, value in (("doppler", doppler), ("rician_k", rician_k)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}; it must be a finite number, 0 or more")
    if count < 1:
        raise ValueError(f"count is {count}; it must be 1 or more")
    offset = generator.uniform(-np.pi, np.pi, WAVES)
    angle = (2 * np.pi * np.arange(1, WAVES + 1) + offset) / WAVES
    phase = generator.uniform(-np.pi, np.pi, WAVES + 1)
    turns = doppler * np.arange(count)
    gains = np.zeros(count, np.complex128)
    for cosine, start in zip(np.cos(angle), phase[:-1], strict=True):
        gains += _wave(turns, cosine, start)
    gains /= math.sqrt(WAVES)
    gains += math.sqrt(rician_k) * _wave(turns, math.cos(DIRECT_ANGLE), phase[-1])
    gains /= math.sqrt(1 + rician_k)
    return gains


def _wave(turns: NDArray[np.float64], cosine: float, start: float) -> NDArray[np.complex128]:
    angle = 2 * np.pi * cosine * turns + start
    return np.asarray(np.exp(1j * angle), np.complex128)
