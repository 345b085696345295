# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel that adds white Gaussian noise to every symbol, and does nothing else."""

from __future__ import annotations

import numpy as np

from semcom_phy.exchange import BitArray, ComplexArray, FloatArray
from semcom_phy.qam import demap, map_bits


def add_noise(symbols: ComplexArray, noise_var: float, rng: np.random.Generator) -> ComplexArray:
    """Symbols, of any shape, with complex noise of variance ``noise_var``."""
    quadratures = rng.standard_normal((*symbols.shape, 2), np.float32)
    noise = np.float32(np.sqrt(noise_var / 2)) * quadratures.view(np.complex64)[..., 0]
    return np.asarray(symbols + noise)


def send_bits(
    bits: BitArray, bits_per_symbol: int, snr_db: float, rng: np.random.Generator
) -> FloatArray:
    """Map bits, add noise and demap.

    Args:
        bits: of any shape, in all a whole number of symbols.
        bits_per_symbol: ``Q_m``.
        snr_db: Es/N0.
        rng: of the noise.

    Returns:
        Log-likelihood ratios ``log p(0)/p(1)`` in the shape of ``bits``.

    Raises:
        ValueError: no such modulation, or bits that fill no whole number of symbols.
    """
    noise_var = 10.0 ** (-snr_db / 10.0)
    received = add_noise(map_bits(bits.reshape(-1), bits_per_symbol), noise_var, rng)
    return demap(received, noise_var, bits_per_symbol).reshape(bits.shape)
