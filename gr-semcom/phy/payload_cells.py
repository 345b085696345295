# SPDX-License-Identifier: GPL-3.0-or-later
"""Payload symbols to the cells of OFDM symbols, and back.

Signs are scrambled, what a last OFDM symbol leaves free is filled up, and the numerology may
spread the symbols over the carriers (:mod:`semcom_phy.spreading`).
"""

from __future__ import annotations

import numpy as np

from semcom_phy.equalisation import unscramble
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import fill_symbols, scrambling_signs
from semcom_phy.spreading import despread, spread


def to_cells(payload: ComplexArray, numerology: Numerology) -> ComplexArray:
    """Cells of a frame's payload.

    Args:
        payload: ``[streams, k]``.
        numerology: of the waveform.

    Returns:
        ``[OFDM symbols, data carriers, streams]``.

    Raises:
        ValueError: more symbols than a frame carries, or none.
    """
    streams, count = payload.shape
    symbols = numerology.payload_ofdm_symbols(count)
    width = numerology.data_carriers_per_symbol
    cells = np.empty((streams, symbols * width), np.complex64)
    cells[:, :count] = payload * scrambling_signs(numerology)[:streams, :count]
    cells[:, count:] = fill_symbols(numerology)[:streams, : symbols * width - count]
    return spread(cells.reshape(streams, symbols, width), numerology.spreading).transpose(1, 2, 0)


def from_cells(
    cells: ComplexArray, noise_var: FloatArray, count: int, numerology: Numerology
) -> tuple[ComplexArray, FloatArray]:
    """Payload symbols of equalised cells.

    Args:
        cells: ``[OFDM symbols, data carriers, streams]``, unbiased.
        noise_var: ``[1 or OFDM symbols, data carriers, streams]``.
        count: payload symbols per stream.
        numerology: of the waveform.

    Returns:
        ``[streams, count]`` and their noise variance, likewise.
    """
    symbols, variance = despread(cells, noise_var, numerology.spreading)
    signs = scrambling_signs(numerology)[: cells.shape[2], :count]
    by_stream = np.ascontiguousarray(symbols.transpose(2, 0, 1))
    return unscramble(by_stream, np.ascontiguousarray(variance.transpose(2, 0, 1)), signs)
