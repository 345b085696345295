# SPDX-License-Identifier: GPL-3.0-or-later
"""Modulation mappers of 3GPP TS 38.211, clause 5.1, and their soft demappers.

Log-likelihood ratios are ``log p(bit = 0) / p(bit = 1)`` throughout: positive means 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from semcom_phy.exchange import ComplexArray, FloatArray

BITS_PER_SYMBOL = {"BPSK": 1, "QPSK": 2, "16QAM": 4, "64QAM": 6, "256QAM": 8}
"""Modulation orders ``Q_m`` by name."""

_SMALLEST_NOISE = np.float32(1e-10)
_FEWEST = np.float32(1e-20)
# Observations beyond this are taken for this: ratios stay far inside float32's range, also when
# a decoder adds up thousands of them.
_FARTHEST = np.float32(1e3)


@lru_cache(maxsize=8)
def _levels(bits_per_symbol: int) -> NDArray[np.float32]:
    """Amplitudes of one quadrature, index = its bits read most significant first.

    The nested brackets of clauses 5.1.3 to 5.1.6: ``(1-2b)[2^m - (1-2b')[...]]``.
    """
    if bits_per_symbol not in BITS_PER_SYMBOL.values():
        orders = ", ".join(str(order) for order in BITS_PER_SYMBOL.values())
        raise ValueError(f"no modulation has {bits_per_symbol} bits a symbol; one of {orders}")
    depth = max(bits_per_symbol // 2, 1)
    index = np.arange(1 << depth)
    amplitude = np.ones(1 << depth)
    for place in range(depth):
        sign = 1.0 - 2.0 * ((index >> place) & 1)
        amplitude = sign * amplitude
        if place < depth - 1:
            amplitude = (2 << place) - amplitude
    amplitude /= sqrt(2.0 * np.mean(amplitude**2))
    levels = amplitude.astype(np.float32)
    levels.flags.writeable = False
    return levels


@lru_cache(maxsize=8)
def constellation(bits_per_symbol: int) -> ComplexArray:
    """Points of a modulation, unit mean power.

    Args:
        bits_per_symbol: 1 (BPSK), 2 (QPSK), 4, 6 or 8 (16, 64, 256QAM).

    Returns:
        ``[2**bits_per_symbol]``, read-only; the index is a symbol's bits read most significant
        first.

    Raises:
        ValueError: no such modulation.
    """
    levels = _levels(bits_per_symbol)
    index = np.arange(1 << bits_per_symbol)
    real = np.zeros_like(index)
    imaginary = np.zeros_like(index)
    if bits_per_symbol == 1:
        real = imaginary = index  # BPSK lies on the diagonal, clause 5.1.2
    else:
        # Even bits b_0, b_2, ... carry the in-phase part, odd ones the quadrature part.
        for place in range(bits_per_symbol // 2):
            real |= ((index >> (2 * place + 1)) & 1) << place
            imaginary |= ((index >> (2 * place)) & 1) << place
    points = (levels[real] + 1j * levels[imaginary]).astype(np.complex64)
    points.flags.writeable = False
    return points


@njit(cache=True, nogil=True)
def _map(
    bits: NDArray[np.uint8], points: NDArray[np.complex64], bits_per_symbol: int
) -> NDArray[np.complex64]:
    symbols = np.empty(bits.size // bits_per_symbol, np.complex64)
    for i in range(symbols.size):
        index = 0
        for place in range(bits_per_symbol):
            index = (index << 1) | (bits[i * bits_per_symbol + place] & 1)
        symbols[i] = points[index]
    return symbols


def map_bits(bits: ArrayLike, bits_per_symbol: int) -> ComplexArray:
    """Bits to symbols.

    Args:
        bits: ``[..., n]`` of 0 and 1, ``n`` a multiple of ``bits_per_symbol``.
        bits_per_symbol: 1, 2, 4, 6 or 8.

    Returns:
        ``[..., n / bits_per_symbol]``, unit mean power.

    Raises:
        ValueError: no such modulation, or bits that fill no whole number of symbols.
    """
    points = constellation(bits_per_symbol)
    array = np.asarray(bits, dtype=np.uint8)
    if array.shape[-1] % bits_per_symbol:
        raise ValueError(f"{array.shape[-1]} bits do not fill symbols of {bits_per_symbol} bits")
    symbols = _map(np.ascontiguousarray(array).reshape(-1), points, bits_per_symbol)
    return symbols.reshape(*array.shape[:-1], -1)


@njit(cache=True, nogil=True)
def _log_sum(metric: NDArray[np.float32], place: int, bit: int, best: np.float32) -> np.float32:
    """``log sum exp`` of the metrics whose level has ``bit`` at ``place``; ``best`` of them."""
    total = np.float32(0.0)
    for level in range(metric.size):
        if (level >> place) & 1 == bit:
            total += np.exp(metric[level] - best)
    return best + np.log(total)


@njit(cache=True, nogil=True)
def _demap_quadratures(
    values: NDArray[np.float32],
    precision: NDArray[np.float32],
    levels: NDArray[np.float32],
    exact: bool,
    llr: NDArray[np.float32],
) -> None:
    """Bit log-likelihood ratios of one quadrature, ``llr[n, depth]``."""
    count = levels.size
    depth = llr.shape[1]
    metric = np.empty(count, np.float32)
    weight = np.empty(count, np.float32)
    for i in range(values.size):
        if precision[i] == 0.0:
            llr[i, :] = 0.0
            continue
        best = np.float32(-np.inf)
        for level in range(count):
            distance = values[i] - levels[level]
            metric[level] = -precision[i] * distance * distance
            best = max(best, metric[level])
        if exact:
            for level in range(count):
                weight[level] = np.exp(metric[level] - best)
        for bit in range(depth):
            place = depth - 1 - bit
            best0 = np.float32(-np.inf)
            best1 = np.float32(-np.inf)
            sum0 = np.float32(0.0)
            sum1 = np.float32(0.0)
            for level in range(count):
                if (level >> place) & 1:
                    best1 = max(best1, metric[level])
                    sum1 += weight[level]
                else:
                    best0 = max(best0, metric[level])
                    sum0 += weight[level]
            if not exact:
                llr[i, bit] = best0 - best1
            elif sum0 > _FEWEST and sum1 > _FEWEST:
                llr[i, bit] = np.log(sum0) - np.log(sum1)
            else:
                # One sum holds the best level, the other one ran out of float32's range.
                log0 = _log_sum(metric, place, 0, best0)
                log1 = _log_sum(metric, place, 1, best1)
                llr[i, bit] = log0 - log1


@njit(cache=True, nogil=True)
def _demap_antipodal(
    y: NDArray[np.complex64], variance: NDArray[np.float32], scale: np.float32
) -> NDArray[np.float32]:
    """Two points in each quadrature: the ratios ``[k, 2]`` are linear in the observation."""
    llr = np.zeros((y.size, 2), np.float32)
    for i in range(y.size):
        if variance[i] >= 0.0 and np.isfinite(y[i].real) and np.isfinite(y[i].imag):
            weight = scale / max(variance[i], _SMALLEST_NOISE)
            llr[i, 0] = weight * min(max(y[i].real, -_FARTHEST), _FARTHEST)
            llr[i, 1] = weight * min(max(y[i].imag, -_FARTHEST), _FARTHEST)
    return llr


def demap(
    symbols: ComplexArray,
    noise_var: FloatArray | float,
    bits_per_symbol: int,
    *,
    exact: bool = True,
) -> FloatArray:
    """Soft demapping over complex Gaussian noise.

    Args:
        symbols: ``[k]``, unbiased: ``E[y|x] = x``.
        noise_var: complex noise variance ``E|y - x|^2``, ``[k]`` or one for all; infinite where
            nothing was received. Values that are no numbers count as not received.
        bits_per_symbol: 1, 2, 4, 6 or 8.
        exact: sums over all points (True) or the nearest point alone (max-log).

    Returns:
        ``[k * bits_per_symbol]`` log-likelihood ratios ``log p(0)/p(1)``; 0 where the noise is
        infinite.

    Raises:
        ValueError: no such modulation.
    """
    levels = _levels(bits_per_symbol)
    y = np.asarray(symbols, dtype=np.complex64).reshape(-1)
    variance = np.asarray(noise_var, dtype=np.float32)
    if variance.shape != y.shape:
        variance = np.broadcast_to(variance, y.shape)
    if bits_per_symbol <= 2:
        pairs = _demap_antipodal(np.ascontiguousarray(y), variance, np.float32(4.0) * levels[0])
        return np.asarray(pairs.sum(axis=1) if bits_per_symbol == 1 else pairs.reshape(-1))
    # Half of the noise falls into each quadrature: exp(-d^2 / N0) either way.
    usable = np.isfinite(y) & (variance >= 0)
    y = np.where(usable, y, np.complex64(0))
    precision = usable / np.fmax(variance, _SMALLEST_NOISE)
    depth = bits_per_symbol // 2
    values = np.clip(np.ascontiguousarray(y).view(np.float32), -_FARTHEST, _FARTHEST)
    llr = np.empty((values.size, depth), np.float32)
    _demap_quadratures(values, np.repeat(precision, 2), levels, exact, llr)
    # Quadrature-major to the standard's alternating bits b_0 (I), b_1 (Q), b_2 (I), ...
    return np.ascontiguousarray(llr.reshape(-1, 2, depth).swapaxes(1, 2)).reshape(-1)
