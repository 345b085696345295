# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples that a receiver missed in the middle of a frame.

What follows a gap comes early by as much. Pilots tell of it, but for gaps by which they all turn
alike: multiples of the transform's length over the distance of the pilots. The cyclic prefixes
tell of any: each is found where it is like the end of its symbol (the correlation of van de Beek,
Sandell and Börjesson, IEEE Trans. Signal Process. 45(7), 1997), and from the gap on that is
elsewhere.
"""

from __future__ import annotations

import cmath

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology

_SIGNIFICANT = 7.0
"""Standard deviations by which the prefixes must be more alike at another place."""

_FEWEST_LATE = 8
_AS_ALIKE = 0.9
"""A gap of a tenth of the prefix, before the last quarter of a frame's symbols, makes them less."""

_MOST = 3.0
"""Of them, that a single prefix is worth."""


@njit(cache=True, nogil=True)
def _prefixes(
    samples: NDArray[np.complex64], begin: int, end: int, period: int, prefix: int, turn: complex
) -> float:
    """How alike prefixes and ends of symbols are on average, 0 to 1, where they should be."""
    size, total = period - prefix, 0.0
    # Sums side by side, as wide as a vector register.
    real, imag, energy = np.empty((3, 4), np.float32)
    for row in range(begin, end):
        real[:], imag[:], energy[:] = 0.0, 0.0, 0.0
        for antenna in range(samples.shape[0]):
            for first in range(row * period, row * period + prefix - prefix % 4, 4):
                for lane in range(4):
                    one, other = (
                        samples[antenna, first + lane],
                        samples[antenna, first + lane + size],
                    )
                    pair = one.conjugate() * other
                    real[lane] += pair.real
                    imag[lane] += pair.imag
                    energy[lane] += one.real * one.real + one.imag * one.imag
                    energy[lane] += other.real * other.real + other.imag * other.imag
        if energy.sum() > 0.0:
            total += 2 * (real.sum() * turn.real - imag.sum() * turn.imag) / energy.sum()
    return total / (end - begin)


@njit(cache=True, nogil=True)
def _likeness(
    samples: NDArray[np.complex64], size: int, turn: complex
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running totals of how alike samples and those ``size`` behind are, and of their energy."""
    antennas, count = samples.shape
    alike, energy = np.zeros(count - size + 1), np.zeros(count + 1)
    for n in range(count):
        more = 0.0
        for antenna in range(antennas):
            now = samples[antenna, n]
            more += now.real * now.real + now.imag * now.imag
        energy[n + 1] = energy[n] + more
    for n in range(count - size):
        more = 0.0
        for antenna in range(antennas):
            pair = samples[antenna, n].conjugate() * samples[antenna, n + size]
            more += pair.real * turn.real - pair.imag * turn.imag
        alike[n + 1] = alike[n] + more
    return alike, energy


@njit(cache=True, nogil=True)
def _find_break(
    alike: NDArray[np.float64],
    energy: NDArray[np.float64],
    symbols: int,
    first: int,
    period: int,
    prefix: int,
) -> tuple[int, int, float]:
    """From which symbol on the prefixes come early, by how much, and how sure that is."""
    # Of each symbol the mean power counts as one, so that bursts weigh no more than others.
    scale = np.zeros(symbols)
    for row in range(symbols):
        power = (energy[(row + 1) * period] - energy[row * period]) / period
        scale[row] = 1 / power if power > 0.0 else 0.0
    usual, best = 0, -np.inf
    for late in range(prefix):
        total = 0.0
        for row in range(first):
            at = row * period + late
            total += scale[row] * (alike[at + prefix] - alike[at])
        if total > best:
            usual, best = late, total
    where, missing, surest = symbols, 0, 0.0
    for early in range(1, period // 2):
        spread = float(min(early, prefix))
        total = 0.0
        for row in range(symbols - 1, first - 1, -1):
            at = row * period + usual
            if at + prefix >= alike.size:
                continue
            here = alike[at + prefix] - alike[at]
            there = alike[at - early + prefix] - alike[at - early]
            more = scale[row] * (there - here) / np.sqrt(spread)
            # A burst that hits part of a symbol must not decide alone.
            total += min(max(more, -_MOST), _MOST)
            surety = total / np.sqrt(symbols - row)
            if surety > surest:
                where, missing, surest = row, early, surety
    # Where there is little noise, prefixes that are found in part are already worth the most.
    best = -np.inf
    for early in range(1, period // 2):
        total = 0.0
        for row in range(where, symbols):
            at = row * period + usual - early
            if at + prefix < alike.size:
                total += scale[row] * (alike[at + prefix] - alike[at])
        if total > best:
            missing, best = early, total
    return where, missing, surest


def missing_samples(
    samples: ComplexArray, numerology: Numerology, first: int, cfo: float
) -> tuple[int, int]:
    """Find a gap shorter than half an OFDM symbol.

    Args:
        samples: ``[rx, symbols * samples_per_symbol]`` of a frame, from its first sample on.
        numerology: of the waveform.
        first: symbols at the frame's beginning that are known to be whole.
        cfo: carrier offset in cycles per sample.

    Returns:
        The sample where as many must be put in as are missing, and how many; 0 for none.
    """
    size, period = numerology.fft_size, numerology.samples_per_symbol
    prefix, symbols = numerology.cyclic_prefix, samples.shape[1] // period
    turn = cmath.exp(-2j * cmath.pi * cfo * size)
    # Hardly any frame has a gap, and then its last prefixes are where its first ones were.
    late = max(first, symbols - max(_FEWEST_LATE, (symbols - first) // 4))
    usual = _prefixes(samples, 0, first, period, prefix, turn)
    if _prefixes(samples, late, symbols, period, prefix, turn) > _AS_ALIKE * usual:
        return samples.shape[1], 0
    alike, energy = _likeness(samples, size, turn)
    row, missing, surety = _find_break(alike, energy, symbols, first, period, prefix)
    if surety < _SIGNIFICANT:
        return samples.shape[1], 0
    return row * period - missing, missing


def put_back(samples: ComplexArray, at: int, missing: int) -> ComplexArray:
    """Zeros in place of missing samples; as many others at the end are no longer the frame's.

    Args:
        samples: ``[rx, n]``.
        at: where they belong.
        missing: how many.

    Returns:
        ``[rx, n]``.
    """
    nothing = np.zeros((samples.shape[0], missing), np.complex64)
    parts = [samples[:, :at], nothing, samples[:, at : samples.shape[1] - missing]]
    return np.concatenate(parts, axis=1)
