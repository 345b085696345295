# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel and noise from known OFDM symbols.

All transmit antennas send the same known symbols with different cyclic delays, so what a
receive antenna sees on carrier ``k`` is one composite channel
``g[k] = sum_t h_t[k] exp(-2j pi k t / T)``. It is averaged over the known cells of a frame, of
which pilot carriers have more than others, and then denoised and taken apart by the linear minimum
mean square error estimator for echoes spread evenly over the cyclic prefix (Edfors et al., "OFDM
channel estimation by singular value decomposition", IEEE Trans. Commun. 46(7), 1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
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
class KnownGrid:
    """Known cells: some carriers of consecutive OFDM symbols.

    Attributes:
        first: number of the first OFDM symbol in the frame.
        rows: ``[carriers]`` positions among the active carriers.
        channel: ``[symbols, carriers, rx]``, received times conjugate of sent: channel and noise.
        weight: ``[symbols]``, 1, or 0 for symbols that are not to be used.
    """

    first: int
    rows: NDArray[np.intp]
    channel: ComplexArray
    weight: NDArray[np.float64]

    @property
    def symbols(self) -> slice:
        """Of the frame."""
        return slice(self.first, self.first + self.channel.shape[0])


@dataclass(frozen=True, eq=False)
class KnownAverage:
    """The composite channel averaged over known cells, which scatter about it by the noise.

    Attributes:
        mean: ``[active carriers, rx]``.
        full: OFDM symbols of which every carrier is known.
        piloted: those of which the pilot carriers are known.
        scatter: ``[rx]``, sum of squared deviations from ``mean``.
        freedom: complex degrees of freedom in it.
    """

    mean: ComplexArray
    full: int
    piloted: int
    scatter: NDArray[np.float64]
    freedom: float

    @property
    def noise_var(self) -> NDArray[np.float64]:
        """Unbiased noise variance ``[rx]`` of a single cell; never quite zero."""
        return np.maximum(self.scatter / self.freedom, _NOISE_FLOOR)


@dataclass(frozen=True, eq=False)
class _DelayPrior:
    """Channels with echoes anywhere in the cyclic prefix, in axes in which both they and the noise
    of averaged known cells are uncorrelated.

    Attributes:
        strength: ``[n]`` eigenvalues of the averaged composite channel's covariance, noise being
            that of a single cell.
        match: ``[n, active carriers]`` the average in these axes.
        rebuild: ``[active carriers, n]`` and back.
        parts: ``[active carriers x tx, n]`` covariance of each antenna's channel with them.
        spread: ``[active carriers, n]`` squares of ``parts``, summed over the antennas.
    """

    strength: NDArray[np.float64]
    match: ComplexArray
    rebuild: ComplexArray
    parts: ComplexArray
    spread: NDArray[np.float64]


@lru_cache(maxsize=64)
def _delay_prior(numerology: Numerology, full: int, piloted: int) -> _DelayPrior:
    carriers = np.asarray(numerology.active_carriers) / numerology.fft_size
    distance = carriers[:, None] - carriers[None, :]
    centre = numerology.cyclic_prefix / 2
    width = numerology.cyclic_prefix + 2 * _DELAY_MARGIN
    # Fourier transform of a uniform density of echoes over the window.
    covariance = np.sinc(distance * width) * np.exp(-2j * np.pi * distance * centre)
    phases = cyclic_delay_phases(numerology).astype(np.complex128)
    composite = np.einsum("kt,kl,lt->kl", phases, covariance, phases.conj())
    looks = np.full(carriers.size, float(full))
    looks[numerology.pilot_rows] += piloted
    # Averages over `looks` cells, times the root of that, have the noise of one cell.
    root = np.sqrt(looks)
    strength, axes = np.linalg.eigh(root[:, None] * composite * root)
    kept = strength > 1e-8 * strength[-1]
    strength, axes = strength[kept], axes[:, kept]
    parts = np.einsum("kl,lt,ln->ktn", covariance, phases.conj(), root[:, None] * axes)
    spread = np.sum(np.abs(parts) ** 2, axis=1)
    return _DelayPrior(
        strength,
        (axes.conj().T * root).astype(np.complex64),
        (axes * strength / root[:, None]).astype(np.complex64),
        np.ascontiguousarray(parts.reshape(-1, strength.size), np.complex64),
        spread,
    )


@njit(cache=True, nogil=True)
def _weigh(
    mean: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    noise_share: float,
    least: float,
    antennas: int,
    strength: NDArray[np.float64],
    match: NDArray[np.complex64],
) -> tuple[NDArray[np.complex64], NDArray[np.float64], NDArray[np.float64]]:
    """The average in the prior's axes, denoised, with what it was multiplied by and its power."""
    carriers, receivers = mean.shape
    weighted = np.empty((strength.size, receivers), np.complex64)
    gain = np.empty((strength.size, receivers))
    measured = np.empty(receivers)
    column = np.empty(carriers, np.complex64)
    for r in range(receivers):
        power = 0.0
        for k in range(carriers):
            column[k] = mean[k, r]
            power += column[k].real * column[k].real + column[k].imag * column[k].imag
        measured[r] = (power / carriers - noise_var[r] * noise_share) / antennas
        # A path too weak to be seen keeps a prior far below the noise: it is set to zero.
        prior = max(_PRIOR_EXCESS * measured[r], least * noise_var[r])
        for n in range(strength.size):
            gain[n, r] = 1 / (strength[n] + noise_var[r] / prior)
            total = np.complex64(0.0)
            for k in range(carriers):
                total += match[n, k] * column[k]
            weighted[n, r] = total * np.float32(gain[n, r])
    return weighted, gain, measured


def _weighted(
    average: KnownAverage, numerology: Numerology
) -> tuple[_DelayPrior, NDArray[np.complex64], NDArray[np.float64], NDArray[np.float64]]:
    # A few priors serve for frames of all lengths: what lies beyond a power of two is no harm.
    piloted = 1 << average.piloted.bit_length() - 1 if average.piloted else 0
    prior = _delay_prior(numerology, average.full, piloted)
    carriers, pilots = average.mean.shape[0], len(numerology.pilot_carriers)
    noise = (carriers - pilots) / average.full + pilots / (average.full + average.piloted)
    return prior, *_weigh(
        average.mean,
        average.noise_var,
        noise / carriers,
        1e-3 / average.full,
        numerology.tx_antennas,
        prior.strength,
        prior.match,
    )


def smooth_composite(average: KnownAverage, numerology: Numerology) -> ComplexArray:
    """Denoise the averaged composite channel, ``[active carriers, rx]``.

    Args:
        average: over the known cells.
        numerology: of the waveform.
    """
    prior, weighted, _, _ = _weighted(average, numerology)
    composite: ComplexArray = prior.rebuild @ weighted
    return composite


def smooth_channel(average: KnownAverage, numerology: Numerology) -> ChannelEstimate:
    """Denoise the averaged composite channel and take it apart.

    Args:
        average: over the known cells.
        numerology: of the waveform.

    Returns:
        The estimate; its error variance is the noise that comes through.
    """
    prior, weighted, gain, measured = _weighted(average, numerology)
    carriers, receivers = average.mean.shape
    channel = (prior.parts @ weighted).reshape(carriers, -1, receivers)
    return ChannelEstimate(
        prior.rebuild @ weighted,
        np.ascontiguousarray(channel.swapaxes(1, 2)),
        (average.noise_var * (prior.spread @ gain**2)).astype(np.float32),
        measured,
    )


@njit(cache=True, nogil=True)
def squared_deviations(
    channel: NDArray[np.complex64], expected: NDArray[np.complex64]
) -> NDArray[np.float64]:
    """Squared deviations ``[symbols, rx]`` of cells, summed over carriers.

    Args:
        channel: ``[symbols, carriers, rx]``.
        expected: likewise, or of a single symbol where all are alike.
    """
    symbols, carriers, antennas = channel.shape
    squares = np.zeros((symbols, antennas))
    # Eight sums side by side, as wide as a vector register.
    lanes = np.empty(8, np.float32)
    for row in range(symbols):
        like = row if expected.shape[0] > 1 else 0
        for antenna in range(antennas):
            lanes[:] = 0.0
            for k in range(carriers):
                away = channel[row, k, antenna] - expected[like, k, antenna]
                lanes[k & 7] += away.real * away.real + away.imag * away.imag
            squares[row, antenna] = lanes.sum()
    return squares


@njit(cache=True, nogil=True)
def _add_up(
    channel: NDArray[np.complex64],
    weight: NDArray[np.float64],
    rows: NDArray[np.intp],
    total: NDArray[np.complex64],
    looks: NDArray[np.float32],
) -> None:
    """Add the cells of a grid to ``total[rows]``, their number to ``looks[rows]``."""
    sums = np.zeros(channel.shape[1:], np.complex64)
    used = np.float32(0.0)
    for row in range(channel.shape[0]):
        if weight[row] != 0.0:
            used += np.float32(1.0)
            sums += channel[row]
    for k in range(rows.size):
        looks[rows[k]] += used
        for antenna in range(total.shape[1]):
            total[rows[k], antenna] += sums[k, antenna]


@njit(cache=True, nogil=True)
def _average(
    opening: NDArray[np.complex64],
    opening_weight: NDArray[np.float64],
    everywhere: NDArray[np.intp],
    pilots: NDArray[np.complex64],
    pilots_weight: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.complex64], NDArray[np.float64]]:
    """Mean of known cells on each carrier, and their summed squared deviations from it."""
    carriers, antennas = opening.shape[1:]
    mean = np.zeros((1, carriers, antennas), np.complex64)
    looks = np.zeros(carriers, np.float32)
    _add_up(opening, opening_weight, everywhere, mean[0], looks)
    _add_up(pilots, pilots_weight, rows, mean[0], looks)
    for k in range(carriers):
        for antenna in range(antennas):
            mean[0, k, antenna] /= looks[k]
    scatter = np.zeros(antennas)
    squares = squared_deviations(opening, mean)
    for row in range(opening.shape[0]):
        scatter += opening_weight[row] * squares[row]
    squares = squared_deviations(pilots, mean[:, rows])
    for row in range(pilots.shape[0]):
        scatter += pilots_weight[row] * squares[row]
    return mean[0], scatter


def average_known(opening: KnownGrid, pilots: KnownGrid | None = None) -> KnownAverage:
    """Average known cells, rotation and clock drift taken out, into a composite channel.

    Each carrier's average takes one complex degree of freedom of the scatter, the drifts of phase
    and of clock, common to all antennas, half of one each.

    Args:
        opening: OFDM symbols of which every active carrier is known; one at least is used.
        pilots: further ones of which the pilot carriers are; None for none.
    """
    if pilots is None:
        none = np.empty((0, 0, opening.channel.shape[2]), np.complex64)
        pilots = KnownGrid(0, np.empty(0, np.intp), none, np.empty(0))
    mean, scatter = _average(
        opening.channel, opening.weight, opening.rows, pilots.channel, pilots.weight, pilots.rows
    )
    full, piloted = int(opening.weight.sum()), int(pilots.weight.sum())
    carriers, antennas = mean.shape
    freedom = carriers * (full - 1) + pilots.rows.size * piloted
    drifts = 1.0 / antennas if full + piloted > 1 else 0.0
    return KnownAverage(mean, full, piloted, scatter, freedom - drifts)
