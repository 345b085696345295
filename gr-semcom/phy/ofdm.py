# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM symbols between frequency and time, with orthonormal transforms.

Subcarriers of unit power and complex noise of variance ``N0`` per time sample give
``Es/N0 = 1/N0`` on every subcarrier.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology


def ofdm_modulate(grid: ComplexArray, numerology: Numerology) -> ComplexArray:
    """Turn OFDM symbols into samples.

    Args:
        grid: ``[symbols, active carriers, antennas]``.
        numerology: of the waveform.

    Returns:
        ``[antennas, symbols * samples_per_symbol]``.
    """
    symbols, _, antennas = grid.shape
    prefix = numerology.cyclic_prefix
    spectrum = np.zeros((antennas, symbols, numerology.fft_size), np.complex64)
    spectrum[:, :, numerology.fft_bins] = grid.transpose(2, 0, 1)
    out = np.empty((antennas, symbols, numerology.samples_per_symbol), np.complex64)
    out[:, :, prefix:] = scipy.fft.ifft(spectrum, norm="ortho", overwrite_x=True)
    out[:, :, :prefix] = out[:, :, -prefix:]
    return out.reshape(antennas, -1)


@njit(cache=True, nogil=True)
def _windows(
    samples: NDArray[np.complex64],
    offset: NDArray[np.complex64],
    within: NDArray[np.complex64],
    advance: NDArray[np.complex64],
    first: int,
) -> NDArray[np.complex64]:
    """Windows ``[antennas, symbols, fft size]``, offset and rotation taken out."""
    antennas, symbols, size = samples.shape[0], advance.size, within.size
    period = samples.shape[1] // symbols
    windows = np.empty((antennas, symbols, size), np.complex64)
    for antenna in range(antennas):
        level = offset[antenna]
        for row in range(symbols):
            begin, turn = row * period + first, advance[row]
            for n in range(size):
                sample = samples[antenna, begin + n] - level
                windows[antenna, row, n] = sample * (within[n] * turn)
    return windows


@njit(cache=True, nogil=True)
def _take_carriers(
    spectrum: NDArray[np.complex64], bins: NDArray[np.intp]
) -> NDArray[np.complex64]:
    """``[antennas, symbols, fft size]`` to ``[symbols, carriers, antennas]``."""
    antennas, symbols = spectrum.shape[0], spectrum.shape[1]
    grid = np.empty((symbols, bins.size, antennas), np.complex64)
    for antenna in range(antennas):
        for row in range(symbols):
            for k in range(bins.size):
                grid[row, k, antenna] = spectrum[antenna, row, bins[k]]
    return grid


def ofdm_demodulate(
    samples: ComplexArray,
    numerology: Numerology,
    backoff: int = 0,
    cfo: float = 0.0,
    first: int = 0,
    offset: ComplexArray | None = None,
    gain: float = 1.0,
) -> ComplexArray:
    """Turn samples into OFDM symbols.

    Args:
        samples: ``[antennas, symbols * samples_per_symbol]`` from the first sample of a prefix.
        numerology: of the waveform.
        backoff: samples by which the window of the transform reaches into the prefix; the
            channel appears delayed by as much.
        cfo: carrier offset to take out, in cycles per sample.
        first: number of the first OFDM symbol; the carrier offset's phase counts from the first
            sample of symbol 0.
        offset: ``[antennas]`` DC offset to take out before; None for none.
        gain: the samples are multiplied by it.

    Returns:
        ``[symbols, active carriers, antennas]``, contiguous.
    """
    antennas, period = samples.shape[0], numerology.samples_per_symbol
    begin = numerology.cyclic_prefix - backoff
    symbols = samples.shape[1] // period
    within = gain * np.exp(-2j * np.pi * cfo * (begin + np.arange(numerology.fft_size)))
    advance = np.exp(-2j * np.pi * cfo * period * (first + np.arange(symbols)))
    level = np.zeros(antennas, np.complex64) if offset is None else offset
    windows = _windows(
        samples, level, within.astype(np.complex64), advance.astype(np.complex64), begin
    )
    spectrum = scipy.fft.fft(windows, norm="ortho", overwrite_x=True)
    grid: ComplexArray = _take_carriers(spectrum, numerology.fft_bins)
    return grid
