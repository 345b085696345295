# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel that changes within a frame, from all known cells of the frame.

Echoes at whole samples of delay, each with a gain that changes over the frame like a slow process
of limited bandwidth: a sum of a few discrete prolate spheroidal sequences (Zemen, Mecklenbraeuker,
"Time-variant channel estimation using discrete prolate spheroidal sequences", IEEE Trans. Signal
Processing 53(9), 2005). The coefficients have a Gaussian prior, the product of a power of each
delay and a power of each sequence; these powers and the noise's are those under which the frame's
known cells are most likely (Tipping, "Sparse Bayesian learning and the relevance vector machine",
J. Machine Learning Research 1, 2001, equations 16 to 18), so that a channel that changes little
is hardly disturbed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.numerology import Numerology
from semcom_phy.positive_inverse import positive_inverse
from semcom_phy.preamble import cyclic_delay_phases

_LARGEST_DOPPLER_HZ = 110.0
"""That can be followed, from the strongest wave on, whose shift passes for carrier offset: the
waves of a channel with shifts of 50 Hz either way are up to 100 Hz apart."""

_SPARE_SEQUENCES = 4
"""Beyond the bandwidth's degrees of freedom: what the frame's ends need."""

_DETECTION_DEVIATIONS = 4.0

_SLOW = 3
"""Motions, the slowest, in which the strength of a channel as a whole is looked at by itself."""

_STRENGTH_MOVED = 20.0
"""Sum of squares of these and one more standard normal variable: beyond it is one in 2000."""

_MOST_COEFFICIENTS = 160
"""Bounds the cost, which is cubic. The weakest, a priori, are left out."""

_SEEN = 2.0
"""Power of a delay that is worth a try, in units of the noise of a static estimate."""

_ITERATIONS = 8

_WEAKEST = 1e-2
"""Power of a coefficient that is still estimated, in units of the noise of its estimate."""


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
class TrackedChannel:
    """The channel of one frame, symbol by symbol.

    Attributes:
        composite: ``[symbols, active carriers, rx]``, what known cells see.
        channel: ``[symbols, active carriers, rx, tx]``, of each antenna.
        error_var: ``[symbols, active carriers, rx]``, variance of the error of ``channel``,
            summed over the transmit antennas.
        noise_var: ``[rx]``.
    """

    composite: ComplexArray
    channel: ComplexArray
    error_var: FloatArray
    noise_var: NDArray[np.float64]


@lru_cache(maxsize=16)
def _sequences(symbols: int, numerology: Numerology) -> NDArray[np.float64]:
    """Orthonormal sequences ``[symbols, n]``, the slowest first."""
    # A third of a second, spent only where a channel moves.
    from scipy.signal.windows import dpss

    duration = symbols * numerology.samples_per_symbol / numerology.sample_rate
    bandwidth = _LARGEST_DOPPLER_HZ * duration
    count = min(math.ceil(2 * bandwidth) + _SPARE_SEQUENCES, symbols // 2)
    bandwidth = min(bandwidth, 0.45 * symbols)
    windows: NDArray[np.float64] = dpss(symbols, bandwidth, count)
    return windows.T


@lru_cache(maxsize=16)
def _motions(symbols: int, numerology: Numerology) -> FloatArray:
    """Orthonormal ways ``[n, symbols]`` to move that leave the mean as it is."""
    return _without_mean(_sequences(symbols, numerology), np.ones(symbols))


def _without_mean(sequences: NDArray[np.float64], weight: NDArray[np.float64]) -> FloatArray:
    sequences = sequences * weight[:, None]
    sequences = sequences - weight[:, None] * sequences.sum(axis=0) / weight.sum()
    sequences, triangle = np.linalg.qr(sequences)
    diagonal = np.abs(np.diag(triangle))
    kept = sequences[:, diagonal > 1e-3 * diagonal.max()]
    return np.ascontiguousarray(kept.T, np.float32)


def channel_moves(
    pilots: ComplexArray,
    opening: ComplexArray,
    weight: NDArray[np.float64],
    noise_var: NDArray[np.floating],
    looks: float,
    numerology: Numerology,
) -> bool:
    """Whether the channel changes over the frame by more than noise explains.

    Args:
        pilots: ``[symbols, pilots, rx]`` of the payload, received times conjugate of sent,
            whatever is the same for all carriers tracked already.
        opening: ``[pilots, rx]``, the channel that the frame's opening shows.
        weight: ``[symbols]``, 1, or 0 for symbols that are not to be used.
        noise_var: ``[rx]``.
        looks: known cells of the opening.
        numerology: of the waveform.
    """
    symbols, used = pilots.shape[0], weight.sum()
    if used < 8:
        return False
    if used == symbols:
        motions = _motions(symbols, numerology)
    else:
        motions = _without_mean(_sequences(symbols, numerology), weight)
    moved = motions.shape[0] * pilots.shape[1] * pilots.shape[2]
    anyhow, strength = _moved_power(motions, pilots, opening, weight, noise_var, looks)
    most = 1 + _DETECTION_DEVIATIONS / math.sqrt(moved)
    return anyhow / moved > most or strength > _STRENGTH_MOVED


@njit(cache=True, nogil=True)
def _moved_power(
    motions: NDArray[np.float32],
    pilots: NDArray[np.complex64],
    opening: NDArray[np.complex64],
    weight: NDArray[np.float64],
    noise_var: NDArray[np.float64],
    looks: float,
) -> tuple[float, float]:
    """Power of ``pilots`` in the ways to move ``[n, symbols]``, in units of the noise.

    Returns:
        Of all pilots by themselves; and of the strength that they have in common, in the slowest
        ways and against the opening, in units of its variance. A channel that moves little does so
        mostly in strength, which is known far better than a single pilot.
    """
    symbols, carriers, antennas = pilots.shape
    flat, steady, total = pilots.reshape(symbols, -1), opening.reshape(-1), 0.0
    moved = np.zeros(carriers * antennas, np.complex64)
    used = weight.sum()
    for row in range(symbols):
        share = np.float32(weight[row] / used)
        for k in range(moved.size):
            moved[k] += share * flat[row, k]
    along, power = 0.0, 1e-300
    for k in range(moved.size):
        noise, away = noise_var[k % antennas], moved[k] - steady[k]
        along += (away.real * steady[k].real + away.imag * steady[k].imag) / noise
        power += (steady[k].real ** 2 + steady[k].imag ** 2) / noise
    common = 2 * along * along / (power * (1 / used + carriers / looks))
    for way in range(motions.shape[0]):
        moved[:] = 0.0
        for row in range(symbols):
            share, cells = motions[way, row], flat[row]
            for k in range(moved.size):
                moved[k] += complex(share * cells[k].real, share * cells[k].imag)
        along = 0.0
        for k in range(moved.size):
            noise = noise_var[k % antennas]
            total += (moved[k].real * moved[k].real + moved[k].imag * moved[k].imag) / noise
            along += (moved[k].real * steady[k].real + moved[k].imag * steady[k].imag) / noise
        if way < _SLOW:
            common += 2 * along * along / power
    return total, common


class _Echoes:
    """Delays that the channel may have, and what they look like on the carriers.

    Attributes:
        antenna: ``[n]`` transmit antenna of each.
        response: ``[active carriers, n]`` as known cells see it.
        power: ``[n]`` as a static estimate has it.
    """

    def __init__(self, static: ComplexArray, floor: float, numerology: Numerology) -> None:
        carriers = np.asarray(numerology.active_carriers)
        delays = np.arange(-1, numerology.cyclic_prefix + 2)
        waves = np.exp(-2j * np.pi * np.outer(carriers, delays) / numerology.fft_size)
        phases = cyclic_delay_phases(numerology)
        seen = np.einsum("kd,krt->tdr", waves.conj(), static) / carriers.size
        power = np.mean(np.abs(seen) ** 2, axis=2).ravel()
        chosen = np.flatnonzero(power >= min(floor, power.max()))
        self.antenna = chosen // delays.size
        self.response = waves[:, chosen % delays.size] * phases[:, self.antenna]
        self.power = power[chosen]


class _Evidence:
    """What the known cells say of the coefficients, ``[echo, sequence]`` in one axis.

    Attributes:
        precision: ``[n, n]`` Gram matrix, for noise of unit variance.
        match: ``[n, rx]``.
        energy: ``[rx]`` of the known cells.
        cells: how many of them.
    """

    def __init__(
        self, grids: list[KnownGrid], response: NDArray, sequences: NDArray[np.float64]
    ) -> None:
        size = response.shape[1] * sequences.shape[1]
        self.precision = np.zeros((size, size), np.complex128)
        self.match = np.zeros((size, grids[0].channel.shape[2]), np.complex128)
        self.energy = np.zeros(grids[0].channel.shape[2])
        self.cells = 0.0
        for grid in grids:
            waves, times = response[grid.rows], sequences[grid.symbols]
            weighted = times * grid.weight[:, None]
            self.precision += np.kron(waves.conj().T @ waves, times.T @ weighted)
            in_time = np.einsum("lq,lcr->qcr", weighted, grid.channel)
            match = np.einsum("cn,qcr->nqr", waves.conj(), in_time)
            self.match += match.reshape(size, -1)
            power = np.sum(np.abs(grid.channel) ** 2, axis=1, dtype=np.float64)
            self.energy += grid.weight @ power
            self.cells += grid.weight.sum() * grid.rows.size


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Of the coefficients of a receive antenna, and its noise.

    Attributes:
        mean: ``[n]``.
        covariance: ``[n, n]``.
        noise_var: of a known cell.
    """

    mean: NDArray[np.complex128]
    covariance: NDArray[np.complex128]
    noise_var: float


def _posterior(
    evidence: _Evidence,
    chosen: NDArray[np.intp],
    prior: NDArray[np.float64],
    noise_var: float,
    antenna: int,
) -> _Posterior:
    """The chosen coefficients, the others being zero."""
    precision = evidence.precision[np.ix_(chosen, chosen)]
    match, prior = evidence.match[chosen, antenna], prior[chosen]
    root = np.sqrt(prior / noise_var)
    matrix = root[:, None] * precision * root + np.eye(root.size)
    inverse = positive_inverse(matrix) * root[:, None] * root
    mean = inverse @ match
    covariance = noise_var * inverse
    explained = 2 * np.vdot(mean, match).real - np.vdot(mean, precision @ mean).real
    freedom = root.size - np.sum(np.diag(covariance).real / prior)
    left = max(evidence.energy[antenna] - explained, 0.0) + noise_var * freedom
    return _Posterior(mean, covariance, max(left / evidence.cells, 1e-20))


class _Prior:
    """Powers of delays and of sequences, of which each coefficient has the product.

    Attributes:
        power: ``[n]`` of the delays.
        motion: ``[count]`` of the sequences, that of the slowest being 1 at first.
    """

    def __init__(self, power: NDArray[np.float64], count: int) -> None:
        self.power = power
        self.motion = np.full(count, 0.3)
        self.motion[0] = 1.0

    def of_coefficients(self) -> NDArray[np.float64]:
        """``[n x count]``."""
        return np.outer(self.power, self.motion).ravel()

    def learn(self, chosen: NDArray[np.intp], results: list[_Posterior]) -> None:
        """The powers that make what was found more likely (MacKay's fixed point)."""
        shape, prior = (self.power.size, self.motion.size), self.of_coefficients()
        power, known = np.zeros(prior.size), np.zeros(prior.size)
        power[chosen] = np.sum([np.abs(result.mean) ** 2 for result in results], axis=0)
        # How many of the coefficients the evidence determines, rather than the prior.
        spread = [np.diag(result.covariance).real for result in results]
        known[chosen] = np.sum([1 - own / prior[chosen] for own in spread], axis=0)
        power, known = power.reshape(shape), np.maximum(known, 0).reshape(shape)
        # Delays and sequences of which nothing is known yet stay as they were taken to be.
        self.power = _ratio(np.sum(power / self.motion, axis=1), known.sum(axis=1), self.power)
        relative = np.sum(_ratio(power, np.broadcast_to(self.power[:, None], shape), 0.0), axis=0)
        self.motion = np.maximum(_ratio(relative, known.sum(axis=0), self.motion), 1e-8)


def _ratio(
    total: NDArray[np.float64], count: NDArray[np.float64], otherwise: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    return np.where(count > 1e-9, total / np.maximum(count, 1e-300), otherwise)


def track_channel(
    grids: list[KnownGrid],
    static: ComplexArray,
    noise_var: NDArray[np.floating],
    symbols: int,
    numerology: Numerology,
) -> TrackedChannel:
    """Estimate a channel that changes over a frame.

    Args:
        grids: known cells; residual carrier offset and clock drift are taken out.
        static: ``[active carriers, rx, tx]``, an estimate that knows no change.
        noise_var: ``[rx]``, a first guess.
        symbols: OFDM symbols of the frame.
        numerology: of the waveform.
    """
    sequences = _sequences(symbols, numerology) * math.sqrt(symbols)
    cells = sum(grid.weight.sum() * grid.rows.size for grid in grids)
    floor = float(_SEEN * np.mean(noise_var) / cells)
    echoes = _Echoes(static, floor, numerology)
    evidence = _Evidence(grids, echoes.response, sequences)
    noise = np.array(noise_var, np.float64)
    prior = _Prior(echoes.power, sequences.shape[1])
    for _ in range(_ITERATIONS):
        powers = prior.of_coefficients()
        strongest = np.argsort(powers)[::-1][:_MOST_COEFFICIENTS]
        weakest = min(_WEAKEST * float(np.mean(noise)) / cells, powers[strongest[0]])
        chosen = np.sort(strongest[powers[strongest] >= weakest])
        results = [_posterior(evidence, chosen, powers, noise[r], r) for r in range(noise.size)]
        noise = np.array([result.noise_var for result in results])
        prior.learn(chosen, results)
    return _assemble(echoes, sequences, chosen, results, numerology)


def _assemble(
    echoes: _Echoes,
    sequences: NDArray[np.float64],
    chosen: NDArray[np.intp],
    results: list[_Posterior],
    numerology: Numerology,
) -> TrackedChannel:
    """Coefficients as a channel on all symbols and carriers."""
    (symbols, count), carriers = sequences.shape, echoes.response.shape[0]
    shape = (symbols, carriers, len(results))
    channel = np.zeros((*shape, numerology.tx_antennas), np.complex64)
    error_var = np.zeros(shape, np.float32)
    phases = cyclic_delay_phases(numerology)
    echo, sequence = np.divmod(chosen, count)
    for t in range(numerology.tx_antennas):
        own = np.flatnonzero(echoes.antenna[echo] == t)
        waves = echoes.response[:, echo[own]] * phases[:, t, None].conj()
        times = sequences[:, sequence[own]]
        for r, result in enumerate(results):
            channel[:, :, r, t] = times @ (result.mean[own] * waves).T
            error_var[:, :, r] += _error_var(
                waves, sequence[own], sequences, result.covariance[np.ix_(own, own)]
            )
    composite = np.einsum("lkrt,kt->lkr", channel, phases)
    return TrackedChannel(
        composite.astype(np.complex64, copy=False),
        channel,
        np.maximum(error_var, 0),
        np.array([result.noise_var for result in results]),
    )


def _error_var(
    waves: NDArray[np.complex128],
    sequence: NDArray[np.intp],
    sequences: NDArray[np.float64],
    covariance: NDArray[np.complex128],
) -> NDArray[np.float64]:
    """Variance ``[symbols, carriers]`` of a channel whose coefficients have this covariance."""
    count = sequences.shape[1]
    spread = np.zeros((waves.shape[0], count, count))
    for q in range(count):
        of_q = np.flatnonzero(sequence == q)
        for p in range(q + 1):
            of_p = np.flatnonzero(sequence == p)
            half = waves[:, of_q] @ covariance[np.ix_(of_q, of_p)]
            spread[:, q, p] = spread[:, p, q] = np.sum(half * waves[:, of_p].conj(), axis=1).real
    return np.einsum("lq,kqp,lp->lk", sequences, spread, sequences, optimize=True)
