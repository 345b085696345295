# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase and sampling clock over a frame.

What is left of the carrier offset turns all carriers of OFDM symbol ``l`` by ``phase[l]``; a
sampling clock that is off turns carrier ``k`` by ``k slope[l]`` more. Both are fitted to all known
cells of the frame at once (maximum likelihood, Gauss-Newton), as straight lines over the frame;
the phase then follows what the known cells tell beyond that as a smoothing spline, whose
stiffness is that of an oscillator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.linalg
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray

_PHASE_WANDER = 1e-7
"""Variance of the second difference of an oscillator's phase, in rad^2. Over a frame of 150 OFDM
symbols such a phase strays from a straight line by some tenths of a rad; following it costs
about 0.01 dB."""

_NEWTON_STEPS = 3


@dataclass(frozen=True, eq=False)
class KnownCells:
    """Known cells of a frame, each matched with what was expected there.

    Attributes:
        symbol: ``[n]`` OFDM symbol of each cell, from 0.
        carrier: ``[n]`` carrier of each cell.
        match: ``[n]`` received times conjugate of expected, summed over the antennas, each
            weighted by one over its noise variance.
        weight: ``[n]`` expected power, weighted likewise: the SNR of each cell.
    """

    symbol: NDArray[np.float64]
    carrier: NDArray[np.float64]
    match: NDArray[np.complex128]
    weight: NDArray[np.float64]

    def of_symbols(self, chosen: NDArray[np.bool_]) -> KnownCells:
        """The cells of some OFDM symbols, ``chosen[symbol]``."""
        if chosen.all():
            return self
        kept = chosen[self.symbol.astype(np.intp)]
        return KnownCells(
            self.symbol[kept], self.carrier[kept], self.match[kept], self.weight[kept]
        )


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


def match_cells(
    received: ComplexArray,
    known: ComplexArray,
    composite: ComplexArray,
    noise_var: NDArray[np.floating],
    first_symbol: int,
    carriers: NDArray[np.floating],
) -> KnownCells:
    """Match a rectangle of known cells with what the channel makes of them.

    Args:
        received: ``[symbols, carriers, rx]``.
        known: ``[symbols, carriers]``.
        composite: ``[carriers, rx]`` channel of the known symbols.
        noise_var: ``[rx]``.
        first_symbol: number of the rectangle's first OFDM symbol in the frame.
        carriers: ``[carriers]``, their numbers.
    """
    symbols = received.shape[0]
    filtered = np.conj(composite) / noise_var
    match = np.sum(received * filtered, axis=2) * np.conj(known)
    weight = np.sum(np.abs(composite) ** 2 / noise_var, axis=1)
    cells = (symbols, carriers.size)
    symbol = np.broadcast_to(first_symbol + np.arange(symbols)[:, None], cells)
    return KnownCells(
        symbol.ravel().astype(np.float64),
        np.broadcast_to(carriers, cells).ravel().astype(np.float64),
        match.ravel().astype(np.complex128),
        np.broadcast_to(weight, cells).ravel().astype(np.float64),
    )


def join_cells(*parts: KnownCells) -> KnownCells:
    """All cells of several rectangles."""
    return KnownCells(
        np.concatenate([part.symbol for part in parts]),
        np.concatenate([part.carrier for part in parts]),
        np.concatenate([part.match for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def _strongest_drift(cells: KnownCells) -> float:
    """Drift in rad per OFDM symbol with the strongest coherent sum; no unwrapping needed."""
    symbols = cells.symbol.astype(np.intp)
    count = int(symbols.max()) + 1
    sums = np.bincount(symbols, cells.match.real, count) + 1j * np.bincount(
        symbols, cells.match.imag, count
    )
    length = scipy.fft.next_fast_len(8 * count)
    best = int(np.argmax(np.abs(scipy.fft.fft(sums, length))))
    return float(2 * np.pi * (best if best < length / 2 else best - length) / length)


def fit_rotation(cells: KnownCells, clock: bool) -> Rotation:
    """Maximum-likelihood rotation of the known cells.

    Args:
        cells: known cells of at least two OFDM symbols.
        clock: fit the slope over the carriers and its drift too.
    """
    drift = _strongest_drift(cells)
    turned = cells.match * np.exp(-1j * drift * cells.symbol)
    phase = float(np.angle(turned.sum()))
    columns = [np.ones_like(cells.symbol), cells.symbol]
    if clock:
        columns += [cells.carrier, cells.carrier * cells.symbol]
    design = np.stack(columns)
    scale = np.maximum(np.abs(design).max(axis=1), 1.0)
    design /= scale[:, None]
    # einsum, for threads of a BLAS cost more here than they save.
    normal = np.einsum("in,jn->ij", design * cells.weight, design)
    normal += 1e-9 * np.trace(normal) * np.eye(len(columns))
    factor = scipy.linalg.cho_factor(normal)
    solution = np.zeros(len(columns))
    solution[:2] = phase, drift * scale[1]
    for _ in range(_NEWTON_STEPS):
        angle = np.einsum("in,i->n", design, solution)
        error = cells.match.imag * np.cos(angle) - cells.match.real * np.sin(angle)
        solution += scipy.linalg.cho_solve(factor, np.einsum("in,n->i", design, error))
    return Rotation(*(float(value) for value in solution / scale))


def smooth_phase(cells: KnownCells, rotation: Rotation, symbols: int) -> NDArray[np.float64]:
    """Phase that the known cells show beyond the straight line.

    A penalised fit with second differences (a smoothing spline on the grid of OFDM symbols):
    straight lines cost nothing, curvature as much as ``_PHASE_WANDER`` makes it unlikely.

    Args:
        cells: known cells.
        rotation: straight-line fit to them.
        symbols: OFDM symbols of the frame, at least 3.

    Returns:
        ``[symbols]`` in rad.
    """
    index = cells.symbol.astype(np.intp)
    turned = cells.match * np.exp(-1j * rotation.at(cells.symbol, cells.carrier))
    # For small angles, Im(match) has mean `weight * angle` and variance `weight / 2`.
    evidence = 2 * np.bincount(index, turned.imag, symbols)
    precision = 2 * np.bincount(index, cells.weight, symbols)
    bands = np.zeros((3, symbols))
    bands[0, 2:] = 1.0
    bands[1, 1:] = -4.0
    bands[1, [1, -1]] = -2.0
    bands[2] = 6.0
    bands[2, [0, -1]] = 1.0
    bands[2, [1, -2]] = 5.0
    if symbols == 3:
        bands[2, 1] = 4.0
    bands /= _PHASE_WANDER
    bands[2] += precision
    phase: NDArray[np.float64] = scipy.linalg.solveh_banded(bands, evidence)
    return phase
