# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase and sampling clock over a frame.

What is left of the carrier offset turns all carriers of OFDM symbol ``l`` by ``phase[l]``; a
sampling clock that is off turns carrier ``k`` by ``k slope[l]`` more. Both are fitted to all known
cells of the frame at once (maximum likelihood, Gauss-Newton), as straight lines over the frame;
the phase then follows what the known cells tell beyond that as a smoothing spline, whose
stiffness is that of an oscillator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import cos, sin

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.positive_inverse import positive_inverse

_PHASE_WANDER = 1e-7
"""Variance of the second difference of an oscillator's phase, in rad^2. Over a frame of 150 OFDM
symbols such a phase strays from a straight line by some tenths of a rad; following it costs
about 0.01 dB."""

_NEWTON_STEPS = 3


@dataclass(frozen=True, eq=False)
class KnownCells:
    """A rectangle of known cells of a frame, each matched with what was expected there.

    Attributes:
        first: number of the rectangle's first OFDM symbol in the frame.
        carriers: ``[carriers]``, their numbers.
        match: ``[symbols, carriers]`` received times conjugate of expected, summed over the
            antennas, each weighted by one over its noise variance; 0 for symbols not used.
        weight: ``[carriers]`` expected power, weighted likewise: the SNR of a cell.
        used: ``[symbols]`` 1, or 0 for symbols that are not to be used.
    """

    first: int
    carriers: NDArray[np.float64]
    match: ComplexArray
    weight: NDArray[np.float64]
    used: NDArray[np.float64]

    @property
    def symbols(self) -> slice:
        """Of the frame."""
        return slice(self.first, self.first + self.match.shape[0])


@dataclass(frozen=True)
class Rotation:
    """``phase + drift l + k (slope + skew l)`` for OFDM symbol ``l`` and carrier ``k``, in rad."""

    phase: float = 0.0
    drift: float = 0.0
    slope: float = 0.0
    skew: float = 0.0

    def at(self, symbol: NDArray[np.number], carrier: NDArray[np.number]) -> NDArray[np.float64]:
        """The rotation of cells; the arguments broadcast."""
        phase = self.phase + self.drift * symbol
        slope = self.slope + self.skew * symbol
        return np.asarray(phase + slope * carrier, np.float64)

    @property
    def line(self) -> NDArray[np.float64]:
        """Its four numbers."""
        return np.array([self.phase, self.drift, self.slope, self.skew])


@lru_cache(maxsize=8)
def carrier_numbers(numerology: Numerology) -> NDArray[np.float64]:
    """Numbers ``[active carriers]`` of the active carriers, ascending."""
    return np.asarray(numerology.active_carriers, np.float64)


@njit(cache=True, nogil=True)
def _turns(
    line: NDArray[np.float64], first: int, carriers: NDArray[np.float64]
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """What undoes a rotation in the first symbol, and from each symbol to the next."""
    turn = np.empty(carriers.size, np.complex64)
    step = np.empty(carriers.size, np.complex64)
    for k in range(carriers.size):
        advance = line[1] + line[3] * carriers[k]
        angle = line[0] + line[2] * carriers[k] + first * advance
        turn[k] = complex(cos(angle), -sin(angle))
        step[k] = complex(cos(advance), -sin(advance))
    return turn, step


@njit(cache=True, nogil=True)
def _match(
    received: NDArray[np.complex64],
    known: NDArray[np.complex64],
    composite: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    used: NDArray[np.float64],
) -> tuple[NDArray[np.complex64], NDArray[np.float64]]:
    symbols, carriers, antennas = received.shape
    filtered = np.empty((carriers, antennas), np.complex64)
    weight = np.zeros(carriers)
    for antenna in range(antennas):
        precision = np.float32(1.0 / noise_var[antenna])
        for k in range(carriers):
            gain = composite[k, antenna]
            filtered[k, antenna] = gain.conjugate() * precision
            weight[k] += (gain.real * gain.real + gain.imag * gain.imag) * precision
    match = np.zeros((symbols, carriers), np.complex64)
    for row in range(symbols):
        if used[row] == 0.0:
            continue
        for antenna in range(antennas):
            for k in range(carriers):
                match[row, k] += received[row, k, antenna] * filtered[k, antenna]
        for k in range(carriers):
            match[row, k] *= known[row, k].conjugate()
    return match, weight


@njit(cache=True, nogil=True)
def _gradient(
    match: NDArray[np.complex64],
    line: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> None:
    """Add what cells turned by more than ``line`` pull its four numbers by."""
    turn, step = _turns(line, first, carriers)
    still = np.zeros(carriers.size)
    moving = np.zeros(carriers.size)
    for row in range(match.shape[0]):
        symbol = float(first + row)
        for k in range(carriers.size):
            pull = match[row, k].imag * turn[k].real + match[row, k].real * turn[k].imag
            still[k] += pull
            moving[k] += symbol * pull
            turn[k] *= step[k]
    for k in range(carriers.size):
        gradient[0] += still[k]
        gradient[1] += moving[k]
        gradient[2] += carriers[k] * still[k]
        gradient[3] += carriers[k] * moving[k]


@njit(cache=True, nogil=True)
def _add_curvature(
    used: NDArray[np.float64],
    weight: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
    normal: NDArray[np.float64],
) -> None:
    """Add the curvature of the likelihood in the four numbers of a rotation."""
    over_symbols, over_carriers = np.zeros(3), np.zeros(3)
    for row in range(used.size):
        symbol = float(first + row)
        over_symbols[0] += used[row]
        over_symbols[1] += used[row] * symbol
        over_symbols[2] += used[row] * symbol * symbol
    for k in range(carriers.size):
        over_carriers[0] += weight[k]
        over_carriers[1] += weight[k] * carriers[k]
        over_carriers[2] += weight[k] * carriers[k] * carriers[k]
    for i in range(4):
        for j in range(4):
            normal[i, j] += over_carriers[i // 2 + j // 2] * over_symbols[i % 2 + j % 2]


@njit(cache=True, nogil=True)
def _newton(
    matches: tuple[NDArray[np.complex64], ...],
    weights: tuple[NDArray[np.float64], ...],
    useds: tuple[NDArray[np.float64], ...],
    firsts: tuple[int, ...],
    carriers: tuple[NDArray[np.float64], ...],
    line: NDArray[np.float64],
    numbers: int,
) -> None:
    """Gauss-Newton steps in the first ``numbers`` numbers of ``line``, in place."""
    normal = np.zeros((4, 4))
    furthest, last = 1.0, 1.0
    for i in range(len(matches)):
        _add_curvature(useds[i], weights[i], firsts[i], carriers[i], normal)
        furthest = max(furthest, np.abs(carriers[i]).max())
        last = max(last, float(firsts[i] + useds[i].size - 1))
    # In units in which the four numbers are alike.
    scale = np.array([1.0, last, furthest, furthest * last])[:numbers]
    normal = normal[:numbers, :numbers] / np.outer(scale, scale)
    normal += 1e-9 * np.trace(normal) * np.eye(numbers)
    inverse = positive_inverse(normal) / np.outer(scale, scale)
    for _ in range(_NEWTON_STEPS):
        gradient = np.zeros(4)
        for i in range(len(matches)):
            _gradient(matches[i], line, firsts[i], carriers[i], gradient)
        for i in range(numbers):
            for j in range(numbers):
                line[i] += inverse[i, j] * gradient[j]


@njit(cache=True, nogil=True)
def _sums_by_symbol(
    match: NDArray[np.complex64],
    line: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
) -> NDArray[np.complex128]:
    """What is left in each symbol once ``line`` is undone."""
    turn, step = _turns(line, first, carriers)
    sums = np.zeros(match.shape[0], np.complex128)
    for row in range(match.shape[0]):
        for k in range(carriers.size):
            sums[row] += match[row, k] * turn[k]
            turn[k] *= step[k]
    return sums


@njit(cache=True, nogil=True)
def _straighten(
    received: NDArray[np.complex64],
    line: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
    wander: NDArray[np.float64],
) -> NDArray[np.complex64]:
    """Of symbols ``[symbols, cells]``; cells of several antennas repeat their carrier."""
    turn, step = _turns(line, first, carriers)
    straight = np.empty_like(received)
    for row in range(received.shape[0]):
        phase = np.complex64(1.0)
        if wander.size:
            phase = np.complex64(complex(cos(wander[row]), -sin(wander[row])))
        for k in range(carriers.size):
            straight[row, k] = received[row, k] * (turn[k] * phase)
            turn[k] *= step[k]
    return straight


def straighten(
    received: ComplexArray,
    rotation: Rotation,
    first: int,
    carriers: NDArray[np.float64],
    wander: NDArray[np.float64] | None = None,
) -> ComplexArray:
    """Take a rotation out of OFDM symbols.

    Args:
        received: ``[symbols, carriers, rx]``.
        rotation: of the frame.
        first: number of the first symbol in the frame.
        carriers: ``[carriers]``, their numbers.
        wander: ``[symbols]`` further phase in rad, None for none.
    """
    further = np.empty(0) if wander is None else wander
    symbols, _, antennas = received.shape
    cells = np.repeat(carriers, antennas) if antennas > 1 else carriers
    flat = np.ascontiguousarray(received).reshape(symbols, -1)
    straight: ComplexArray = _straighten(flat, rotation.line, first, cells, further)
    return straight.reshape(received.shape)


def match_cells(
    received: ComplexArray,
    known: ComplexArray,
    composite: ComplexArray,
    noise_var: NDArray[np.floating],
    first_symbol: int,
    carriers: NDArray[np.float64],
    used: NDArray[np.float64] | None = None,
) -> KnownCells:
    """Match a rectangle of known cells with what the channel makes of them.

    Args:
        received: ``[symbols, carriers, rx]``.
        known: ``[symbols, carriers]``.
        composite: ``[carriers, rx]`` channel of the known symbols.
        noise_var: ``[rx]``.
        first_symbol: number of the rectangle's first OFDM symbol in the frame.
        carriers: ``[carriers]``, their numbers.
        used: ``[symbols]`` 1, or 0 for symbols that are not to be used; None for all.
    """
    used = np.ones(received.shape[0]) if used is None else used
    match, weight = _match(received, known, composite, noise_var, used)
    return KnownCells(first_symbol, carriers, match, weight, used)


def _strongest_drift(parts: Sequence[KnownCells]) -> float:
    """Drift in rad per OFDM symbol with the strongest coherent sum; no unwrapping needed."""
    count = max(part.symbols.stop for part in parts)
    length = scipy.fft.next_fast_len(8 * count)
    sums = np.zeros(length, np.complex64)
    for part in parts:
        sums[part.symbols] += part.match.sum(axis=1)
    spectrum = scipy.fft.fft(sums, overwrite_x=True)
    best = int(np.argmax(spectrum.real**2 + spectrum.imag**2))
    return float(2 * np.pi * (best if best < length / 2 else best - length) / length)


def fit_rotation(
    parts: Sequence[KnownCells], clock: bool, near: Rotation | None = None
) -> Rotation:
    """Maximum-likelihood rotation of the known cells.

    Args:
        parts: known cells of at least two OFDM symbols.
        clock: fit the slope over the carriers and its drift too.
        near: a rotation that is off by less than half a turn in any cell; None to search.
    """
    line = np.zeros(4) if near is None else near.line
    if near is None:
        line[1] = _strongest_drift(parts)
        pull = [_sums_by_symbol(part.match, line, part.first, part.carriers) for part in parts]
        line[0] = np.angle(sum(part.sum() for part in pull))
    _newton(
        tuple(part.match for part in parts),
        tuple(part.weight for part in parts),
        tuple(part.used for part in parts),
        tuple(part.first for part in parts),
        tuple(part.carriers for part in parts),
        line,
        4 if clock else 2,
    )
    return Rotation(*line.tolist())


@njit(cache=True, nogil=True)
def _solve_spline(
    evidence: NDArray[np.float64], precision: NDArray[np.float64], stiffness: float
) -> NDArray[np.float64]:
    """``(diag(precision) + stiffness D'D) x = evidence``, ``D`` the second differences."""
    count = evidence.size
    diagonal = precision.copy()
    beside = np.zeros(count)  # entries [i, i + 1]
    beyond = np.zeros(count)  # entries [i, i + 2]
    for i in range(count - 2):
        diagonal[i] += stiffness
        diagonal[i + 1] += 4 * stiffness
        diagonal[i + 2] += stiffness
        beside[i] -= 2 * stiffness
        beside[i + 1] -= 2 * stiffness
        beyond[i] += stiffness
    # Cholesky's factors L D L' of a band of five, then both substitutions.
    solution = evidence.copy()
    for i in range(count):
        pivot = diagonal[i]
        one, two = beside[i] / pivot, beyond[i] / pivot
        if i + 1 < count:
            diagonal[i + 1] -= one * beside[i]
            beside[i + 1] -= one * beyond[i]
            solution[i + 1] -= one * solution[i]
        if i + 2 < count:
            diagonal[i + 2] -= two * beyond[i]
            solution[i + 2] -= two * solution[i]
    for i in range(count - 1, -1, -1):
        if i + 1 < count:
            solution[i] -= beside[i] * solution[i + 1]
        if i + 2 < count:
            solution[i] -= beyond[i] * solution[i + 2]
        solution[i] /= diagonal[i]
    return solution


def smooth_phase(
    parts: Sequence[KnownCells], rotation: Rotation, symbols: int
) -> NDArray[np.float64]:
    """Phase that the known cells show beyond the straight line.

    A penalised fit with second differences (a smoothing spline on the grid of OFDM symbols):
    straight lines cost nothing, curvature as much as ``_PHASE_WANDER`` makes it unlikely.

    Args:
        parts: known cells.
        rotation: straight-line fit to them.
        symbols: OFDM symbols of the frame, at least 3.

    Returns:
        ``[symbols]`` in rad.
    """
    # For small angles, Im(match) has mean `weight * angle` and variance `weight / 2`.
    evidence, precision = np.zeros(symbols), np.zeros(symbols)
    for part in parts:
        sums = _sums_by_symbol(part.match, rotation.line, part.first, part.carriers)
        evidence[part.symbols] += 2 * sums.imag
        precision[part.symbols] += 2 * part.weight.sum() * part.used
    # Of symbols that say nothing at all, the factors must not vanish.
    precision += 1e-12 / _PHASE_WANDER
    phase: NDArray[np.float64] = _solve_spline(evidence, precision, 1 / _PHASE_WANDER)
    return phase
