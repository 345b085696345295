# SPDX-License-Identifier: GPL-3.0-or-later
"""Rayleigh channels, and what transmitter and receiver know of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from semcom_phy.exchange import ComplexArray

Csi = Literal["perfect", "noisy", "stale"]

STREAM_POWER = 2.0
"""Transmit power of two streams, over both antennas."""


@dataclass(frozen=True, eq=False)
class Channels:
    """Independent 2x2 channels.

    Attributes:
        truth: ``H[n, 2, 2]``.
        transmitter: that the transmitter was told; the receiver remembers it.
        receiver: that the receiver estimated.
        error_var: variance of an entry's estimation error at the receiver, known to it.
    """

    truth: ComplexArray
    transmitter: ComplexArray
    receiver: ComplexArray
    error_var: float

    def noise_cov(self, noise_var: float) -> NDArray[np.complex128]:
        """Noise and estimation error as the receiver knows them, ``[n, 2, 2]``."""
        total = noise_var + STREAM_POWER * self.error_var
        return np.tile(total * np.eye(2, dtype=complex), (len(self.truth), 1, 1))


def complex_normal(shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
    """Circularly symmetric complex Gaussian samples of unit variance."""
    parts = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return np.asarray(parts.view(np.complex128)[..., 0], np.complex64)


def draw_channels(
    count: int, csi: Csi, error_var: float, doppler_delay: float, rng: np.random.Generator
) -> Channels:
    """Rayleigh channels, known perfectly, with noise, or as they were.

    Args:
        count: how many.
        csi: ``perfect``; ``noisy``: the receiver's estimate is off by ``CN(0, error_var)``, and it
            is what the transmitter is told (the imperfect CSI of SCSC); ``stale``: the receiver
            knows the channel, the transmitter an older one.
        error_var: of the noisy estimate.
        doppler_delay: largest Doppler shift times the age of stale CSI. After it the channel is
            correlated with itself by ``J0(2 pi doppler_delay)`` (Clarke 1968).
        rng: the same draws whatever ``csi`` is.
    """
    truth = complex_normal((count, 2, 2), rng)
    other = complex_normal((count, 2, 2), rng)
    if csi == "noisy":
        estimate = truth + np.float32(np.sqrt(error_var)) * other
        return Channels(truth, estimate, estimate, error_var)
    if csi == "stale":
        rho = np.float32(j0(2 * np.pi * doppler_delay))
        return Channels(truth, rho * truth + np.sqrt(1 - rho**2) * other, truth, 0.0)
    return Channels(truth, truth, truth, 0.0)
