# SPDX-License-Identifier: GPL-3.0-or-later
"""A multipath channel as the cells of OFDM symbols meet it."""

from __future__ import annotations

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.tap_process import TapProcess


def frequency_response(
    process: TapProcess, start_sample: int, symbols: int, numerology: Numerology
) -> ComplexArray:
    """Gains of the active carriers over a run of OFDM symbols.

    A symbol has the gains of the middle of its transform's window. That the channel changes within
    a symbol is left out: at a Doppler shift of 50 Hz the carriers then leak into each other by at
    most -42 dB on the narrow waveform and -62 dB on the wide one (Li and Cimini, "Bounds on the
    interchannel interference of OFDM in time-varying impairments", IEEE Trans. Commun. 49(3),
    2001, equation 13).

    Args:
        process: of the channel.
        start_sample: first sample of the first symbol's cyclic prefix, counted from where the
            process begins.
        symbols: how many OFDM symbols.
        numerology: of the waveform.

    Returns:
        ``H[symbols, active carriers, rx, tx]``, of one symbol where the channel never changes.
    """
    gains = _gains(process, start_sample, symbols, numerology)
    frequencies = np.asarray(numerology.active_carriers) * numerology.subcarrier_spacing_hz
    turns = np.exp(-2j * np.pi * np.outer(frequencies, process.delays_s))
    response: ComplexArray = np.einsum("kp,lpij->lkij", turns, gains, optimize=True)
    return response.astype(np.complex64)


def _gains(
    process: TapProcess, start_sample: int, symbols: int, numerology: Numerology
) -> ComplexArray:
    """Gains ``[symbols, tap, rx, tx]`` in the middle of each symbol's window."""
    if np.isinf(process.interval_s):
        return process.gains(0, 1)
    middle = numerology.cyclic_prefix + (numerology.fft_size - 1) / 2
    samples = start_sample + np.arange(symbols) * numerology.samples_per_symbol + middle
    places = samples / (numerology.sample_rate * process.interval_s)
    points = np.floor(places).astype(np.int64)
    first = int(points[0])
    grid = process.gains(first, int(points[-1]) - first + 2)
    late = (places - points)[:, None, None, None]
    early: ComplexArray = grid[points - first] * (1 - late) + grid[points - first + 1] * late
    return early
