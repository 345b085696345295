# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase and sampling clock over a frame.

What is left of the carrier offset turns all carriers of OFDM symbol ``l`` by ``phase[l]``; a
sampling clock that is off turns carrier ``k`` by ``k slope[l]`` more. Both are fitted to all known
cells of the frame at once (maximum likelihood, Gauss-Newton), as straight lines over the frame;
the phase then follows what the known cells tell beyond that as a smoothing spline, whose
stiffness is that of an oscillator.

All of it is compiled, to be called by compiled code. A rotation is ``phase + drift l + k (slope +
skew l)`` in rad for OFDM symbol ``l`` of a frame and carrier ``k``; it is handed on as the four
numbers ``[phase, drift, slope, skew]``.
"""

from __future__ import annotations

from functools import lru_cache
from math import atan2, ceil, cos, sin
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.numerology import Numerology
from semcom_phy.positive_inverse import positive_inverse

_PHASE_WANDER = 1e-7
"""Variance of the second difference of an oscillator's phase, in rad^2. Over a frame of 150 OFDM
symbols such a phase strays from a straight line by some tenths of a rad; following it costs
about 0.01 dB."""

_NEWTON_STEPS = 3


class KnownCells(NamedTuple):
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
    match: NDArray[np.complex64]
    weight: NDArray[np.float64]
    used: NDArray[np.float64]


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
    # From one carrier to the next the angles grow evenly, and products are cheaper than cosines.
    number, slope, skew = carriers[0], line[2] + first * line[3], line[3]
    angle, advance = line[0] + first * line[1] + slope * number, line[1] + skew * number
    turned, stepped = complex(cos(angle), -sin(angle)), complex(cos(advance), -sin(advance))
    turns, steps = complex(cos(slope), -sin(slope)), complex(cos(skew), -sin(skew))
    for k in range(carriers.size):
        while number < carriers[k]:
            turned, stepped, number = turned * turns, stepped * steps, number + 1.0
        turn[k], step[k] = turned, stepped
    return turn, step


@njit(cache=True, nogil=True)
def match_cells(
    received: NDArray[np.complex64],
    known: NDArray[np.complex64],
    composite: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
    used: NDArray[np.float64],
) -> KnownCells:
    """Match a rectangle of known cells with what the channel makes of them.

    Args:
        received: ``[symbols, carriers, rx]``.
        known: ``[symbols, carriers]``.
        composite: ``[carriers, rx]`` channel of the known symbols.
        noise_var: ``[rx]``.
        first: number of the rectangle's first OFDM symbol in the frame.
        carriers: ``[carriers]``, their numbers.
        used: ``[symbols]`` 1, or 0 for symbols that are not to be used.
    """
    symbols, width, antennas = received.shape
    filtered = np.empty((antennas, width), np.complex64)
    weight = np.zeros(width)
    for antenna in range(antennas):
        precision = np.float32(1.0 / noise_var[antenna])
        for k in range(width):
            gain = composite[k, antenna]
            filtered[antenna, k] = gain.conjugate() * precision
            weight[k] += (gain.real * gain.real + gain.imag * gain.imag) * precision
    match = np.zeros((symbols, width), np.complex64)
    flat = received.reshape(symbols, -1)
    for row in range(symbols):
        if used[row] == 0.0:
            continue
        if antennas == 1:
            # Neighbours in memory make vectors.
            for k in range(width):
                match[row, k] = flat[row, k] * filtered[0, k] * known[row, k].conjugate()
            continue
        for antenna in range(antennas):
            for k in range(width):
                match[row, k] += received[row, k, antenna] * filtered[antenna, k]
        for k in range(width):
            match[row, k] *= known[row, k].conjugate()
    return KnownCells(first, carriers, match, weight, used)


@njit(cache=True, nogil=True)
def match_both(
    opened: NDArray[np.complex64],
    opening: NDArray[np.complex64],
    piloted: NDArray[np.complex64],
    pilots: NDArray[np.complex64],
    composite: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    carriers: NDArray[np.float64],
    rows: NDArray[np.intp],
    used: NDArray[np.float64],
) -> tuple[KnownCells, KnownCells]:
    """Match a frame's first symbols, of which every carrier is known, and pilots behind them.

    Args:
        opened: ``[symbols, active carriers, rx]``.
        opening: likewise as sent.
        piloted: ``[further symbols, pilots, rx]``.
        pilots: likewise as sent.
        composite: ``[active carriers, rx]`` channel of the known symbols.
        noise_var: ``[rx]``.
        carriers: ``[active carriers]``, their numbers.
        rows: ``[pilots]`` their positions among the active carriers.
        used: of all these symbols 1, or 0 for those that are not to be used.
    """
    count = opened.shape[0]
    channel = np.empty((rows.size, composite.shape[1]), np.complex64)
    numbers = np.empty(rows.size)
    for k in range(rows.size):
        numbers[k] = carriers[rows[k]]
        for antenna in range(channel.shape[1]):
            channel[k, antenna] = composite[rows[k], antenna]
    return (
        match_cells(opened, opening, composite, noise_var, 0, carriers, used[:count]),
        match_cells(piloted, pilots, channel, noise_var, count, numbers, used[count:]),
    )


@njit(cache=True, nogil=True)
def _add_gradient(
    cells: KnownCells, line: NDArray[np.float64], gradient: NDArray[np.float64]
) -> None:
    """Add what cells turned by more than ``line`` pull its four numbers by."""
    carriers = cells.carriers
    turn, step = _turns(line, cells.first, carriers)
    still = np.zeros(carriers.size)
    moving = np.zeros(carriers.size)
    for row in range(cells.match.shape[0]):
        symbol = float(cells.first + row)
        for k in range(carriers.size):
            match = cells.match[row, k]
            pull = match.imag * turn[k].real + match.real * turn[k].imag
            still[k] += pull
            moving[k] += symbol * pull
            turn[k] *= step[k]
    for k in range(carriers.size):
        gradient[0] += still[k]
        gradient[1] += moving[k]
        gradient[2] += carriers[k] * still[k]
        gradient[3] += carriers[k] * moving[k]


@njit(cache=True, nogil=True)
def _add_curvature(cells: KnownCells, normal: NDArray[np.float64]) -> None:
    """Add the curvature of the likelihood in the four numbers of a rotation."""
    over_symbols, over_carriers = np.zeros(3), np.zeros(3)
    for row in range(cells.used.size):
        symbol, used = float(cells.first + row), cells.used[row]
        over_symbols[0] += used
        over_symbols[1] += used * symbol
        over_symbols[2] += used * symbol * symbol
    for k in range(cells.carriers.size):
        carrier, weight = cells.carriers[k], cells.weight[k]
        over_carriers[0] += weight
        over_carriers[1] += weight * carrier
        over_carriers[2] += weight * carrier * carrier
    for i in range(4):
        for j in range(4):
            normal[i, j] += over_carriers[i // 2 + j // 2] * over_symbols[i % 2 + j % 2]


@njit(cache=True, nogil=True)
def refine_rotation(parts: tuple[KnownCells, ...], line: NDArray[np.float64], clock: bool) -> None:
    """Maximum-likelihood rotation of known cells, from one close by, in place.

    Args:
        parts: known cells of at least two OFDM symbols.
        line: ``[phase, drift, slope, skew]``, off by less than half a turn in any cell.
        clock: fit the slope over the carriers and its drift too.
    """
    numbers = 4 if clock else 2
    normal = np.zeros((4, 4))
    furthest, last = 1.0, 1.0
    for part in parts:
        _add_curvature(part, normal)
        furthest = max(furthest, abs(part.carriers[0]), abs(part.carriers[-1]))
        last = max(last, float(part.first + part.used.size - 1))
    # In units in which the four numbers are alike.
    scale = (1.0, last, furthest, furthest * last)
    trace = 1e-30
    for i in range(numbers):
        trace += normal[i, i] / (scale[i] * scale[i])
    scaled = np.empty((numbers, numbers))
    for i in range(numbers):
        for j in range(numbers):
            scaled[i, j] = normal[i, j] / (scale[i] * scale[j])
        scaled[i, i] += 1e-9 * trace
    inverse = positive_inverse(scaled)
    for _ in range(_NEWTON_STEPS):
        gradient = np.zeros(4)
        for part in parts:
            _add_gradient(part, line, gradient)
        for i in range(numbers):
            for j in range(numbers):
                line[i] += inverse[i, j] * gradient[j] / (scale[i] * scale[j])


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sums_by_symbol(cells: KnownCells, line: NDArray[np.float64]) -> NDArray[np.complex128]:
    """What is left in each symbol once ``line`` is undone."""
    turn, step = _turns(line, cells.first, cells.carriers)
    sums = np.zeros(cells.match.shape[0], np.complex128)
    for row in range(sums.size):
        real, imag = 0.0, 0.0
        for k in range(turn.size):
            cell = cells.match[row, k] * turn[k]
            real, imag = real + cell.real, imag + cell.imag
            turn[k] *= step[k]
        sums[row] = complex(real, imag)
    return sums


@njit(cache=True, nogil=True)
def refine_clock(pilots: KnownCells, line: NDArray[np.float64]) -> None:
    """The clock where the channel fades: ``skew`` anew, ``slope`` 0, in place.

    A channel taken from the frame's opening fits the opening, and pilots behind it less well: only
    what changes from pilot to pilot tells of the clock. What all carriers of a symbol turn by does
    not, but would pass for it where the carriers are not equally strong.

    Args:
        pilots: known cells behind the opening.
        line: ``[phase, drift, slope, skew]``.
    """
    line[2], line[3] = 0.0, 0.0
    total, about, spread = max(pilots.weight.sum(), 1e-300), 0.0, 0.0
    for k in range(pilots.carriers.size):
        about += pilots.weight[k] * pilots.carriers[k] / total
    for k in range(pilots.carriers.size):
        spread += pilots.weight[k] * (pilots.carriers[k] - about) ** 2
    for _ in range(_NEWTON_STEPS):
        turn, step = _turns(line, pilots.first, pilots.carriers)
        lean, moving, heard, first, second = 0.0, 0.0, 1e-300, 0.0, 0.0
        for row in range(pilots.used.size):
            common, leaning = 0j, 0j
            for k in range(turn.size):
                cell = pilots.match[row, k] * turn[k]
                common += cell
                leaning += (pilots.carriers[k] - about) * cell
                turn[k] *= step[k]
            strength = abs(common)
            if strength == 0.0:
                continue
            # A symbol says as much as was heard of it: little in a fade.
            here, weight = (leaning * common.conjugate()).imag / strength, strength * spread / total
            symbol = float(pilots.first + row)
            lean += here
            moving += symbol * here
            heard += weight
            first += weight * symbol
            second += weight * symbol * symbol
        determinant = heard * second - first * first
        if determinant <= 1e-12 * heard * second:
            break
        line[2] += (second * lean - first * moving) / determinant
        line[3] += (heard * moving - first * lean) / determinant
    line[2] = 0.0


@njit(cache=True, nogil=True)
def search_drift(parts: tuple[KnownCells, ...], line: NDArray[np.float64], furthest: float) -> None:
    """The drift near that of ``line`` with the strongest coherent sum, and its phase, in place.

    Args:
        parts: known cells.
        line: ``[phase, drift, slope, skew]``; slope and skew stay.
        furthest: how far from its drift is searched, in rad per OFDM symbol.
    """
    last = 1
    for part in parts:
        last = max(last, part.first + part.used.size - 1)
    # At half a radian from the right drift, at the frame's ends, the sum is still nearly whole.
    steps = ceil(furthest * last)
    totals = np.zeros(2 * steps + 1, np.complex128)
    turn, step = np.empty_like(totals), np.empty_like(totals)
    for part in parts:
        sums = _sums_by_symbol(part, line)
        for i in range(totals.size):
            advance = (i - steps) / last
            turn[i] = complex(cos(advance * part.first), -sin(advance * part.first))
            step[i] = complex(cos(advance), -sin(advance))
        # All drifts side by side: one after the other would wait for each product.
        for row in range(sums.size):
            for i in range(totals.size):
                totals[i] += sums[row] * turn[i]
                turn[i] *= step[i]
    best = 0
    for i in range(1, totals.size):
        if abs(totals[i]) > abs(totals[best]):
            best = i
    line[0] += atan2(totals[best].imag, totals[best].real)
    line[1] += (best - steps) / last


@njit(cache=True, nogil=True)
def straighten(
    received: NDArray[np.complex64],
    line: NDArray[np.float64],
    first: int,
    carriers: NDArray[np.float64],
    wander: NDArray[np.float64],
) -> NDArray[np.complex64]:
    """Take a rotation out of OFDM symbols.

    Args:
        received: ``[symbols, carriers, rx]``.
        line: ``[phase, drift, slope, skew]``.
        first: number of the first symbol in the frame.
        carriers: ``[carriers]``, their numbers.
        wander: ``[symbols]`` further phase in rad; empty for none.
    """
    turn, step = _turns(line, first, carriers)
    straight = np.empty_like(received)
    heard, flat = received.reshape(received.shape[0], -1), straight.reshape(received.shape[0], -1)
    for row in range(received.shape[0]):
        phase = np.complex64(1.0)
        if wander.size:
            phase = np.complex64(complex(cos(wander[row]), -sin(wander[row])))
        if received.shape[2] == 1:
            for k in range(carriers.size):
                flat[row, k] = heard[row, k] * (turn[k] * phase)
        else:
            for k in range(carriers.size):
                whole = turn[k] * phase
                for antenna in range(received.shape[2]):
                    straight[row, k, antenna] = received[row, k, antenna] * whole
        for k in range(carriers.size):
            turn[k] *= step[k]
    return straight


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


@njit(cache=True, nogil=True)
def smooth_phase(
    parts: tuple[KnownCells, ...], line: NDArray[np.float64], symbols: int
) -> NDArray[np.float64]:
    """Phase that the known cells show beyond the straight line.

    A penalised fit with second differences (a smoothing spline on the grid of OFDM symbols):
    straight lines cost nothing, curvature as much as ``_PHASE_WANDER`` makes it unlikely.

    Args:
        parts: known cells.
        line: ``[phase, drift, slope, skew]``, fitted to them.
        symbols: OFDM symbols of the frame, at least 3.

    Returns:
        ``[symbols]`` in rad.
    """
    # Of symbols that say nothing at all, the factors must not vanish.
    evidence, precision = np.zeros(symbols), np.full(symbols, 1e-12 / _PHASE_WANDER)
    for part in parts:
        # For small angles, Im(match) has mean `weight * angle` and variance `weight / 2`.
        sums, weight = _sums_by_symbol(part, line), part.weight.sum()
        for row in range(sums.size):
            evidence[part.first + row] += 2 * sums[row].imag
            precision[part.first + row] += 2 * weight * part.used[row]
    return _solve_spline(evidence, precision, 1 / _PHASE_WANDER)
