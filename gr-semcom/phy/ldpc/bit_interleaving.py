# SPDX-License-Identifier: GPL-3.0-or-later
"""Bit interleaving of LDPC-coded blocks: 3GPP TS 38.212, clause 5.4.2.2."""

from __future__ import annotations

import numpy as np

from semcom_phy.exchange import BitArray, FloatArray


def _check(n: int, bits_per_symbol: int) -> None:
    if bits_per_symbol < 1 or n % bits_per_symbol:
        raise ValueError(f"{n} bits make no whole symbols of {bits_per_symbol} bits")


def bit_interleave(coded: BitArray, bits_per_symbol: int) -> BitArray:
    """``f_{i + j Q_m} = e_{i E / Q_m + j}``: early (systematic) bits get the strong places.

    Args:
        coded: ``[..., E]`` bits after rate matching.
        bits_per_symbol: ``Q_m``.

    Raises:
        ValueError: ``E`` is no multiple of ``Q_m``.
    """
    _check(coded.shape[-1], bits_per_symbol)
    rows = coded.reshape(*coded.shape[:-1], bits_per_symbol, -1)
    return np.ascontiguousarray(rows.swapaxes(-1, -2)).reshape(coded.shape)


def bit_deinterleave(llr: FloatArray, bits_per_symbol: int) -> FloatArray:
    """Undo :func:`bit_interleave` on log-likelihood ratios (or bits) ``[..., E]``.

    Raises:
        ValueError: ``E`` is no multiple of ``Q_m``.
    """
    _check(llr.shape[-1], bits_per_symbol)
    rows = llr.reshape(*llr.shape[:-1], -1, bits_per_symbol)
    return np.ascontiguousarray(rows.swapaxes(-1, -2)).reshape(llr.shape)
