# SPDX-License-Identifier: GPL-3.0-or-later
"""Fading of single paths: Clarke's isotropic scattering, with a direct wave or without.

Clarke, "A statistical theory of mobile-radio reception", Bell System Technical Journal 47(6),
1968: the receiver moves among waves of equal power from all directions of the plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WAVES = 64
"""Waves that are added up. Mean power and autocorrelation are exact for any number; the fourth
moment of the amplitude, ``2 - 1 / WAVES``, is within a hundredth of a Gaussian process's."""

DIRECT_ANGLE = math.pi / 4
"""Of the direct wave to the receiver's motion; its Doppler shift is 0.7 of the largest."""


class ClarkeFading:
    """Independent fading of some paths, sampled evenly, at any sample.

    The improved Clarke model of Xiao, Zheng, Beaulieu, "Novel sum-of-sinusoids simulation models
    for Rayleigh and Rician fading channels", IEEE Trans. Wireless Communications 5(12), 2006. Over
    the ensemble, without a direct wave, ``E[h(i) h*(i - m)] = J0(2 pi doppler m)``; with one,
    ``(J0(2 pi doppler m) + K exp(2j pi doppler m cos(DIRECT_ANGLE))) / (1 + K)``. Every gain has
    unit mean power.

    Args:
        doppler: largest Doppler shift times the sampling interval, at least 0.
        generator: of angles and phases.
        rician_k: for each path, power of the direct wave over that of all others; 0 for Rayleigh
            fading.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self, doppler: float, generator: np.random.Generator, rician_k: Sequence[float] = (0.0,)
    ) -> None:
        for name, value in (("doppler", doppler), *(("rician_k", k) for k in rician_k)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value}; it must be a finite number, 0 or more")
        self._doppler = doppler
        paths = len(rician_k)
        offset = generator.uniform(-np.pi, np.pi, (paths, WAVES))
        angle = (2 * np.pi * np.arange(1, WAVES + 1) + offset) / WAVES
        phase = generator.uniform(-np.pi, np.pi, (paths, WAVES + 1))
        self._cosine = np.pad(np.cos(angle), ((0, 0), (0, 1)))
        self._cosine[:, -1] = math.cos(DIRECT_ANGLE)
        self._start = np.exp(1j * phase)
        k = np.asarray(rician_k, np.float64)[:, None]
        scattered = np.broadcast_to(np.sqrt(1 / WAVES), (paths, WAVES))
        self._start *= np.concatenate([scattered, np.sqrt(k)], axis=1) / np.sqrt(1 + k)

    def gains(self, first: int, count: int) -> NDArray[np.complex128]:
        """Complex gains ``[count, paths]`` from sample ``first`` on."""
        turns = self._doppler * (first + np.arange(count))[:, None]
        gains = np.zeros((count, self._start.shape[0]), np.complex128)
        for cosine, start in zip(self._cosine.T, self._start.T, strict=True):
            if start.any():
                gains += start * np.exp(2j * np.pi * turns * cosine)
        return gains


def clarke_fading(
    count: int, doppler: float, generator: np.random.Generator, rician_k: float = 0.0
) -> NDArray[np.complex128]:
    """Draw a stretch ``[count]`` of one path, see :class:`ClarkeFading`.

    Raises:
        ValueError: an argument out of range.
    """
    if count < 1:
        raise ValueError(f"count is {count}; it must be 1 or more")
    return ClarkeFading(doppler, generator, [rician_k]).gains(0, count)[:, 0]
