# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel and noise from known OFDM symbols.

All transmit antennas send the same known symbols with different cyclic delays, so what a
receive antenna sees on carrier ``k`` is one composite channel
``g[k] = sum_t h_t[k] exp(-2j pi k t / T)``. It is averaged over the known cells of a frame, of
which pilot carriers have more than others, and then denoised: while a frame is opened, by the
linear minimum mean square error estimator for echoes spread evenly over the cyclic prefix (Edfors
et al., "OFDM channel estimation by singular value decomposition", IEEE Trans. Commun. 46(7), 1998);
in the end, by way of the echoes that there are (:mod:`semcom_phy.few_echoes`), which also takes
the antennas apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.echo_grid import EchoGrid, echo_grid, respond, spread
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.few_echoes import few_echoes, unfound
from semcom_phy.many_echoes import many_echoes
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import cyclic_delay_phases

_DELAY_MARGIN = 0.5
"""Samples by which echoes may leave the cyclic prefix on either side in the prior."""

_NOISE_FLOOR = 1e-20

_CLEANEST = 1e-8
"""Noise of a known cell, relative to its power, below which an echo's error is of no interest."""

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


class KnownAverage(NamedTuple):
    """The composite channel averaged over known cells, which scatter about it by the noise.

    Attributes:
        mean: ``[active carriers, rx]``.
        full: OFDM symbols of which every carrier is known.
        piloted: those of which the pilot carriers are known.
        noise_var: ``[rx]``, of a single cell, unbiased; never quite zero.
    """

    mean: NDArray[np.complex64]
    full: int
    piloted: int
    noise_var: NDArray[np.float64]


class DelayPrior(NamedTuple):
    """Channels with echoes anywhere in the cyclic prefix, in axes in which both they and the noise
    of averaged known cells are uncorrelated.

    Attributes:
        strength: ``[n]`` eigenvalues of the averaged composite channel's covariance, noise being
            that of a single cell.
        match: ``[active carriers, n]`` the average in these axes, transposed.
        rebuild: ``[n, active carriers]`` and back, transposed.
    """

    strength: NDArray[np.float64]
    match: NDArray[np.complex64]
    rebuild: NDArray[np.complex64]


@lru_cache(maxsize=64)
def delay_prior(numerology: Numerology, full: int) -> DelayPrior:
    """The prior of channels that are averaged over so many known cells.

    Args:
        numerology: of the waveform.
        full: OFDM symbols of which every carrier is known, at least 1.
    """
    carriers = np.asarray(numerology.active_carriers) / numerology.fft_size
    distance = carriers[:, None] - carriers[None, :]
    centre = numerology.cyclic_prefix / 2
    width = numerology.cyclic_prefix + 2 * _DELAY_MARGIN
    # Fourier transform of a uniform density of echoes over the window.
    covariance = np.sinc(distance * width) * np.exp(-2j * np.pi * distance * centre)
    phases = cyclic_delay_phases(numerology).astype(np.complex128)
    composite = np.einsum("kt,kl,lt->kl", phases, covariance, phases.conj())
    looks = np.full(carriers.size, float(full))
    # Averages over `looks` cells, times the root of that, have the noise of one cell.
    root = np.sqrt(looks)
    strength, axes = np.linalg.eigh(root[:, None] * composite * root)
    kept = strength > 1e-8 * strength[-1]
    strength, axes = strength[kept], axes[:, kept]
    return DelayPrior(
        strength,
        np.ascontiguousarray(axes.conj() * root[:, None], np.complex64),
        np.ascontiguousarray((axes * strength / root[:, None]).T, np.complex64),
    )


@njit(cache=True, nogil=True)
def smooth_composite(
    average: KnownAverage, prior: DelayPrior, pilots: int, antennas: int
) -> NDArray[np.complex64]:
    """Denoise the averaged composite channel, ``[active carriers, rx]``.

    Args:
        average: over the known cells.
        prior: for as many of them.
        pilots: number of pilot carriers.
        antennas: of the transmitter.
    """
    mean, noise_var, strength = average.mean, average.noise_var, prior.strength
    carriers, receivers = mean.shape
    looks = average.full + average.piloted
    noise_share = ((carriers - pilots) / average.full + pilots / looks) / carriers
    composite = np.empty((carriers, receivers), np.complex64)
    matched, smooth = np.empty(strength.size, np.complex64), np.empty(carriers, np.complex64)
    for r in range(receivers):
        power = 0.0
        matched[:], smooth[:] = 0.0, 0.0
        for k in range(carriers):
            value, match = mean[k, r], prior.match[k]
            power += value.real * value.real + value.imag * value.imag
            for n in range(strength.size):
                matched[n] += match[n] * value
        measured = (power / carriers - noise_var[r] * noise_share) / antennas
        # A path too weak to be seen keeps a prior far below the noise: it is set to zero.
        assumed = max(_PRIOR_EXCESS * measured, 1e-3 * noise_var[r] / average.full)
        for n in range(strength.size):
            value = matched[n] * np.float32(1 / (strength[n] + noise_var[r] / assumed))
            axis = prior.rebuild[n]
            for k in range(carriers):
                smooth[k] += axis[k] * value
        composite[:, r] = smooth
    return composite


@lru_cache(maxsize=8)
def _carrier_numbers(numerology: Numerology) -> NDArray[np.intp]:
    return np.asarray(numerology.active_carriers, np.intp)


@lru_cache(maxsize=64)
def _known_looks(
    numerology: Numerology, full: int, piloted: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How often carriers are known, and how an echo there matches another.

    Returns:
        ``[active carriers, 1]``; and ``[2 period]``, see :func:`few_echoes`.
    """
    looks = np.full(len(numerology.active_carriers), float(full))
    looks[numerology.pilot_rows] += piloted
    # Where a carrier is known more often than the one across the middle, that is of no use.
    looks = np.minimum(looks, looks[::-1])
    bins = np.zeros(echo_grid(numerology).period)
    bins[_carrier_numbers(numerology)] = looks
    gram = np.fft.fft(bins).real
    return looks[:, None], np.concatenate([gram, gram])


def smooth_channel(average: KnownAverage, numerology: Numerology) -> ChannelEstimate:
    """Denoise the averaged composite channel and take it apart.

    Args:
        average: over the known cells.
        numerology: of the waveform.
    """
    looks, gram = _known_looks(numerology, average.full, average.piloted)
    grid, numbers = echo_grid(numerology), _carrier_numbers(numerology)
    bins = np.zeros((grid.period, average.mean.shape[1]), np.complex128)
    bins[numbers] = looks * average.mean
    matches = np.fft.ifft(bins, axis=0, norm="forward")[grid.places]
    channel, error_var, power = _learn(matches, gram, grid, average, numbers)
    composite = np.einsum("krt,kt->kr", channel, cyclic_delay_phases(numerology))
    return ChannelEstimate(composite, channel, error_var, power)


@njit(cache=True, nogil=True)
def _learn(
    matches: NDArray[np.complex128],
    gram: NDArray[np.float64],
    grid: EchoGrid,
    average: KnownAverage,
    numbers: NDArray[np.intp],
) -> tuple[NDArray[np.complex64], NDArray[np.float32], NDArray[np.float64]]:
    """Channel, error variance and power as in :class:`ChannelEstimate`.

    Args:
        matches: ``[delays, rx]``, with ``gram`` and ``grid`` see :func:`few_echoes`.
        gram: likewise.
        grid: likewise.
        average: over the known cells.
        numbers: ``[active carriers]``, theirs.
    """
    carriers, receivers = average.mean.shape
    antennas, looks = grid.antennas[-1] + 1, gram[grid.period]
    channel = np.empty((carriers, receivers, antennas), np.complex64)
    error_var = np.empty((carriers, receivers), np.float32)
    power = np.zeros(receivers)
    for r in range(receivers):
        heard = 0.0
        for k in range(carriers):
            cell = average.mean[k, r]
            heard += (cell.real * cell.real + cell.imag * cell.imag) / carriers
        noise_var = max(average.noise_var[r], _CLEANEST * heard)
        match = matches[:, r].copy()
        echoes = few_echoes(match, gram, grid, noise_var)
        if echoes.rows.size == grid.few:
            echoes = many_echoes(match, gram, grid, noise_var, heard)
        respond(echoes, grid, numbers, channel[:, r])
        variance = spread(echoes, grid, numbers)
        again, beside = unfound(variance.mean(), grid, carriers, looks)
        for k in range(carriers):
            error_var[k, r] = noise_var * (variance[k] * (1 + again) + beside)
            # An estimate is weaker than what it is of by as much as it may be off.
            power[r] += noise_var * variance[k]
            for t in range(antennas):
                power[r] += channel[k, r, t].real ** 2 + channel[k, r, t].imag ** 2
        power[r] /= carriers * antennas
    return channel, error_var, power


@njit(cache=True, nogil=True)
def take_carriers(grid: NDArray[np.complex64], rows: NDArray[np.intp]) -> NDArray[np.complex64]:
    """Some carriers of OFDM symbols ``[symbols, carriers, rx]``."""
    taken = np.empty((grid.shape[0], rows.size, grid.shape[2]), np.complex64)
    for row in range(grid.shape[0]):
        for antenna in range(grid.shape[2]):
            cells, chosen = grid[row, :, antenna], taken[row, :, antenna]
            for k in range(rows.size):
                chosen[k] = cells[rows[k]]
    return taken


@njit(cache=True, nogil=True)
def without(received: NDArray[np.complex64], known: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Take out of received cells what was sent.

    Args:
        received: ``[symbols, carriers, rx]``.
        known: ``[symbols, carriers]``.
    """
    cells = np.empty_like(received)
    symbols, carriers, antennas = cells.shape
    heard, flat = received.reshape(symbols, -1), cells.reshape(symbols, -1)
    for row in range(symbols):
        if antennas == 1:
            # Neighbours in memory make vectors.
            for k in range(carriers):
                flat[row, k] = heard[row, k] * known[row, k].conjugate()
            continue
        for k in range(carriers):
            sent = known[row, k].conjugate()
            for antenna in range(antennas):
                cells[row, k, antenna] = received[row, k, antenna] * sent
    return cells


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _squared_distance(here: NDArray[np.complex64], there: NDArray[np.complex64]) -> np.float32:
    total = np.float32(0.0)
    for k in range(here.size):
        x, y = here[k].real - there[k].real, here[k].imag - there[k].imag
        total += x * x + y * y
    return total


@njit(cache=True, nogil=True)
def squared_deviations(
    channel: NDArray[np.complex64], expected: NDArray[np.complex64]
) -> NDArray[np.float64]:
    """Squared deviations ``[symbols, rx]`` of cells, summed over carriers.

    Args:
        channel: ``[symbols, carriers, rx]``.
        expected: likewise, or of a single symbol where all are alike.
    """
    symbols, _, antennas = channel.shape
    squares = np.zeros((symbols, antennas))
    cells, flat = channel.reshape(symbols, -1), expected.reshape(expected.shape[0], -1)
    for row in range(symbols):
        like = row if expected.shape[0] > 1 else 0
        if antennas == 1:
            squares[row, 0] = _squared_distance(cells[row], flat[like])
            continue
        for antenna in range(antennas):
            here, there = channel[row, :, antenna], expected[like, :, antenna]
            squares[row, antenna] = _squared_distance(here, there)
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
    sums = np.zeros((channel.shape[1], channel.shape[2]), np.complex64)
    flat, cells = sums.reshape(-1), channel.reshape(channel.shape[0], -1)
    used = np.float32(0.0)
    for row in range(channel.shape[0]):
        if weight[row] != 0.0:
            used += np.float32(1.0)
            for cell in range(flat.size):
                flat[cell] += cells[row, cell]
    for k in range(rows.size):
        looks[rows[k]] += used
        for antenna in range(total.shape[1]):
            total[rows[k], antenna] += sums[k, antenna]


@njit(cache=True, nogil=True)
def average_cells(
    opening: NDArray[np.complex64],
    opening_weight: NDArray[np.float64],
    pilots: NDArray[np.complex64],
    pilots_weight: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> KnownAverage:
    """Average known cells, rotation and clock drift taken out, into a composite channel.

    Each carrier's average takes one complex degree of freedom of the scatter, the drifts of phase
    and of clock, common to all antennas, half of one each.

    Args:
        opening: ``[symbols, active carriers, rx]`` received times conjugate of sent.
        opening_weight: ``[symbols]``, 1, or 0 for symbols that are not used; some are.
        pilots: likewise of further symbols, ``[symbols, pilots, rx]``; there may be none.
        pilots_weight: likewise.
        rows: ``[pilots]`` their positions among the active carriers.
    """
    carriers, antennas = opening.shape[1:]
    mean = np.zeros((1, carriers, antennas), np.complex64)
    looks = np.zeros(carriers, np.float32)
    _add_up(opening, opening_weight, np.arange(carriers), mean[0], looks)
    _add_up(pilots, pilots_weight, rows, mean[0], looks)
    for k in range(carriers):
        for antenna in range(antennas):
            mean[0, k, antenna] /= looks[k]
    full, piloted = int(opening_weight.sum()), int(pilots_weight.sum())
    freedom = carriers * (full - 1) + rows.size * piloted
    drifts = 1.0 / antennas if full + piloted > 1 else 0.0
    of_opening = squared_deviations(opening, mean)
    of_pilots = squared_deviations(pilots, take_carriers(mean, rows))
    noise_var = np.empty(antennas)
    for antenna in range(antennas):
        scatter = 0.0
        for row in range(opening.shape[0]):
            scatter += opening_weight[row] * of_opening[row, antenna]
        for row in range(pilots.shape[0]):
            scatter += pilots_weight[row] * of_pilots[row, antenna]
        noise_var[antenna] = max(scatter / max(freedom - drifts, 1.0), _NOISE_FLOOR)
    return KnownAverage(mean[0], full, piloted, noise_var)
