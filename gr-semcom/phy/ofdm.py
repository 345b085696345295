# SPDX-License-Identifier: GPL-3.0-or-later
"""OFDM symbols between frequency and time, with orthonormal transforms.

Subcarriers of unit power and complex noise of variance ``N0`` per time sample give
``Es/N0 = 1/N0`` on every subcarrier.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

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


def ofdm_demodulate(
    samples: ComplexArray, numerology: Numerology, backoff: int = 0
) -> ComplexArray:
    """Turn samples into OFDM symbols.

    Args:
        samples: ``[antennas, symbols * samples_per_symbol]`` from the first sample of a prefix.
        numerology: of the waveform.
        backoff: samples by which the window of the transform reaches into the prefix; the
            channel appears delayed by as much.

    Returns:
        ``[symbols, active carriers, antennas]``, contiguous.
    """
    antennas = samples.shape[0]
    first = numerology.cyclic_prefix - backoff
    symbols = samples.reshape(antennas, -1, numerology.samples_per_symbol)
    window = np.ascontiguousarray(symbols[:, :, first : first + numerology.fft_size])
    spectrum = scipy.fft.fft(window, norm="ortho", overwrite_x=True)
    grid: ComplexArray = spectrum[:, :, numerology.fft_bins].transpose(1, 2, 0)
    return np.ascontiguousarray(grid)
