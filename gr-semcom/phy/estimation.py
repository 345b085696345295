# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel and noise from known OFDM symbols.

All transmit antennas send the same known symbols with different cyclic delays, so what a
receive antenna sees on carrier ``k`` is one composite channel
``g[k] = sum_t h_t[k] exp(-2j pi k t / T)``. It is averaged over the known symbols and then
denoised and taken apart by the linear minimum mean square error estimator for echoes spread
evenly over the cyclic prefix (Edfors et al., "OFDM channel estimation by singular value
decomposition", IEEE Trans. Commun. 46(7), 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import cyclic_delay_phases

_DELAY_MARGIN = 0.5
"""Samples by which echoes may leave the cyclic prefix on either side in the prior."""

_NOISE_FLOOR = 1e-20

_PRIOR_EXCESS = 10.0
"""Power of the prior relative to the channel's. A few strong echoes hold all the power of a real
channel; a prior of just that power, spread evenly, would shrink them and bias the symbols."""


@dataclass(frozen=True, eq=False)
class ChannelEstimate:
    """The channel of one frame.

    Attributes:
        composite: ``[active carriers, rx]``, what known symbols see.
        channel: ``[active carriers, rx, tx]``, of each antenna.
        error_var: ``[active carriers, rx]``, variance of the error of ``channel``, summed over
            the transmit antennas.
        power: ``[rx]``, mean power of a transmit antenna's channel, unbiased; it may come out
            negative where there is nothing but noise.
    """

    composite: ComplexArray
    channel: ComplexArray
    error_var: FloatArray
    power: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _DelayPrior:
    """Channels with echoes anywhere in the cyclic prefix, in the prior's own axes.

    Attributes:
        strength: ``[n]`` eigenvalues of the composite channel's covariance.
        axes: ``[active carriers, n]`` its eigenvectors.
        parts: ``[tx, active carriers, n]`` covariance of each antenna's channel with them.
    """

    strength: NDArray[np.float32]
    axes: ComplexArray
    parts: ComplexArray


@lru_cache(maxsize=8)
def _delay_prior(numerology: Numerology) -> _DelayPrior:
    carriers = np.asarray(numerology.active_carriers) / numerology.fft_size
    distance = carriers[:, None] - carriers[None, :]
    centre = numerology.cyclic_prefix / 2
    width = numerology.cyclic_prefix + 2 * _DELAY_MARGIN
    # Fourier transform of a uniform density of echoes over the window.
    covariance = np.sinc(distance * width) * np.exp(-2j * np.pi * distance * centre)
    phases = cyclic_delay_phases(numerology).astype(np.complex128)
    composite = np.einsum("kt,kl,lt->kl", phases, covariance, phases.conj())
    strength, axes = np.linalg.eigh(composite)
    kept = strength > 1e-8 * strength[-1]
    strength, axes = strength[kept], axes[:, kept]
    parts = np.einsum("kl,lt,ln->tkn", covariance, phases.conj(), axes)
    return _DelayPrior(
        strength.astype(np.float32), axes.astype(np.complex64), parts.astype(np.complex64)
    )


def smooth_channel(
    average: ComplexArray, noise_var: NDArray[np.floating], numerology: Numerology
) -> ChannelEstimate:
    """Denoise the averaged composite channel and take it apart.

    Args:
        average: ``[active carriers, rx]``, averaged over the known symbols.
        noise_var: ``[rx]``, variance of the noise that is left in ``average``.
        numerology: of the waveform.

    Returns:
        The estimate; its error variance is the noise that comes through.
    """
    prior = _delay_prior(numerology)
    antennas = numerology.tx_antennas
    measured = (np.mean(np.abs(average) ** 2, axis=0, dtype=np.float64) - noise_var) / antennas
    # A path too weak to be seen keeps a prior far below the noise, so that it is set to zero.
    power = np.maximum(_PRIOR_EXCESS * measured, 1e-3 * noise_var)
    gain = 1 / (prior.strength[:, None] + (noise_var / power)[None, :])
    weighted = (prior.axes.conj().T @ average) * gain.astype(np.float32)
    channel = np.einsum("tkn,nr->krt", prior.parts, weighted)
    composite = prior.axes @ (prior.strength[:, None] * weighted)
    error = noise_var * (np.sum(np.abs(prior.parts) ** 2, axis=0) @ gain**2)
    return ChannelEstimate(
        composite.astype(np.complex64),
        channel.astype(np.complex64),
        error.astype(np.float32),
        measured,
    )


@dataclass(frozen=True, eq=False)
class Scatter:
    """How known symbols scatter about their average: the noise.

    Attributes:
        total: ``[rx]``, sum of squared deviations.
        freedom: complex degrees of freedom in it.
    """

    total: NDArray[np.float64]
    freedom: float

    @property
    def variance(self) -> NDArray[np.float64]:
        """Unbiased noise variance ``[rx]`` of a single symbol; never quite zero."""
        return np.maximum(self.total / self.freedom, _NOISE_FLOOR)

    def __add__(self, other: Scatter) -> Scatter:
        return Scatter(self.total + other.total, self.freedom + other.freedom)


def average_known(received: ComplexArray, known: ComplexArray) -> tuple[ComplexArray, Scatter]:
    """Average known symbols into a composite channel.

    Args:
        received: ``[symbols, carriers, rx]``, rotation and clock drift taken out.
        known: ``[symbols, carriers]`` of unit power.

    Returns:
        the average ``[carriers, rx]`` and the scatter. Each carrier's average takes one degree of
        freedom, the drifts of phase and of clock, common to all antennas, half of one each.
    """
    symbols, carriers, antennas = received.shape
    turned = received * np.conj(known)[:, :, None]
    average = turned.mean(axis=0)
    total = np.sum(np.abs(turned - average) ** 2, axis=(0, 1), dtype=np.float64)
    drifts = 1.0 / antennas if symbols > 1 else 0.0
    return average, Scatter(total, carriers * (symbols - 1) - drifts)
