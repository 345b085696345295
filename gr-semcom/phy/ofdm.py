# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM symbols between frequency and time, with orthonormal transforms.

Subcarriers of unit power and complex noise of variance ``N0`` per time sample give
``Es/N0 = 1/N0`` on every subcarrier.
"""

from __future__ import annotations

import math
from math import cos, pi, sin

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
    cfo: float,
    gain: float,
    period: int,
    first: int,
    size: int,
) -> NDArray[np.complex64]:
    """Windows ``[antennas, symbols, fft size]``, offset and rotation within a symbol taken out."""
    antennas, symbols = samples.shape[0], samples.shape[1] // period
    # Real and imaginary parts apart, for vector registers.
    real, imag = np.empty((2, size), np.float32)
    for n in range(size):
        angle = 2 * pi * cfo * (first + n)
        real[n], imag[n] = gain * cos(angle), -gain * sin(angle)
    windows = np.empty((antennas, symbols, size), np.complex64)
    for antenna in range(antennas):
        level_real, level_imag = offset[antenna].real, offset[antenna].imag
        for row in range(symbols):
            begin = row * period + first
            heard, window = samples[antenna, begin : begin + size], windows[antenna, row]
            for n in range(size):
                x, y = heard[n].real - level_real, heard[n].imag - level_imag
                window[n] = complex(x * real[n] - y * imag[n], x * imag[n] + y * real[n])
    return windows


@njit(cache=True, nogil=True)
def _turn(
    cells: NDArray[np.complex64],
    real: np.floating,
    imag: np.floating,
    turned: NDArray[np.complex64],
) -> None:
    for k in range(cells.size):
        x, y = cells[k].real, cells[k].imag
        turned[k] = complex(x * real - y * imag, x * imag + y * real)


@njit(cache=True, nogil=True)
def _take_carriers(
    spectrum: NDArray[np.complex64], width: int, cfo: float, period: int, first: int
) -> NDArray[np.complex64]:
    """``[antennas, symbols, fft size]`` to ``[symbols, carriers, antennas]``.

    The rotation from symbol to symbol is taken out.
    """
    antennas, symbols, size = spectrum.shape
    grid = np.empty((symbols, 2 * width, antennas), np.complex64)
    flat = grid.reshape(symbols, -1)
    for row in range(symbols):
        angle = 2 * pi * cfo * period * (first + row)
        real, imag = np.float32(cos(angle)), np.float32(-sin(angle))
        for antenna in range(antennas):
            for begin, bin in ((0, size - width), (width, 1)):
                cells = spectrum[antenna, row, bin : bin + width]
                # Neighbours in memory make vectors.
                if antennas == 1:
                    _turn(cells, real, imag, flat[row, begin : begin + width])
                else:
                    _turn(cells, real, imag, grid[row, begin : begin + width, antenna])
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
    size, begin = numerology.fft_size, numerology.cyclic_prefix - backoff
    level = np.zeros(antennas, np.complex64) if offset is None else offset
    # The transform is orthonormal with this gain.
    windows = _windows(samples, level, cfo, gain / math.sqrt(size), period, begin, size)
    spectrum = scipy.fft.fft(windows, overwrite_x=True)
    grid: ComplexArray = _take_carriers(spectrum, numerology.half_width, cfo, period, first)
    return grid
