# SPDX-License-Identifier: GPL-3.0-or-later
"""Payload symbols and their noise variance, once channel and noise are known."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import Combiner, ComplexArray, FloatArray


@njit(cache=True, nogil=True)
def combine_antennas(
    received: NDArray[np.complex64],
    channel: NDArray[np.complex64],
    noise_var: NDArray[np.float32],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Unbiased combination of the antennas for a single stream (maximum ratio).

    For one stream and noise that is uncorrelated between the antennas this is the unbiased linear
    minimum mean square error estimate.

    Args:
        received: ``[symbols, carriers, rx]``.
        channel: ``[symbols, carriers, rx]``; ``symbols`` may be 1 where all are alike.
        noise_var: likewise.
        rows: ``[n]`` positions of the carriers that are wanted.

    Returns:
        ``[symbols, n]`` and noise variance ``[symbols, n]``, of one symbol where all are alike;
        zero with infinite variance where nothing is heard.
    """
    symbols, _, antennas = received.shape
    carriers = rows.size
    alike = channel.shape[0] == 1 and noise_var.shape[0] == 1
    filtered = np.zeros((antennas, carriers), np.complex64)
    taken = np.empty(carriers, np.complex64)
    variance = np.empty((1 if alike else symbols, carriers), np.float32)
    estimate = np.zeros((symbols, carriers), np.complex64)
    for row in range(symbols):
        if row == 0 or not alike:
            now, noisy = min(row, channel.shape[0] - 1), min(row, noise_var.shape[0] - 1)
            for k in range(carriers):
                snr = np.float32(0.0)
                for antenna in range(antennas):
                    gain = channel[now, rows[k], antenna]
                    noise = max(noise_var[noisy, rows[k], antenna], np.float32(1e-30))
                    weight = np.float32(1.0) / noise
                    filtered[antenna, k] = gain.conjugate() * weight
                    snr += (gain.real * gain.real + gain.imag * gain.imag) * weight
                heard = snr > np.float32(1e-12)
                variance[row, k] = np.float32(1.0) / snr if heard else np.float32(np.inf)
                for antenna in range(antennas):
                    scale = variance[row, k] if heard else np.float32(0.0)
                    filtered[antenna, k] = filtered[antenna, k] * scale
        cells = estimate[row]
        for antenna in range(antennas):
            there, scaled = received[row, :, antenna], filtered[antenna]
            for k in range(carriers):
                taken[k] = there[rows[k]]
            for k in range(carriers):
                cells[k] += taken[k] * scaled[k]
    return estimate, variance


def separate_streams(
    received: ComplexArray,
    channel: ComplexArray,
    noise_var: NDArray[np.floating],
    combiner: Combiner,
    csi_sent: ComplexArray | None,
) -> tuple[ComplexArray, FloatArray]:
    """Streams by way of a combiner.

    Args:
        received: ``[symbols, carriers, rx]``.
        channel: ``[symbols, carriers, rx, tx]``; ``symbols`` may be 1 where all are alike.
        noise_var: ``[symbols, carriers, rx]`` or of one symbol; uncorrelated between antennas.
        combiner: inverts channel and precoder.
        csi_sent: ``[carriers, rx, tx]`` that the precoder used, None for none.

    Returns:
        ``[symbols, carriers, streams]`` and their noise variance, of one symbol where all are
        alike.
    """
    if max(channel.shape[0], noise_var.shape[0]) == 1:
        cells, variance = combiner.combine(
            received, channel[0], csi_sent, _uncorrelated(noise_var[0])
        )
        return cells, variance[None]
    # To a combiner every cell is a subcarrier of its own.
    symbols, carriers, rx = received.shape
    channel = np.broadcast_to(channel, (symbols, *channel.shape[1:]))
    channel = channel.reshape(-1, rx, channel.shape[3])
    noise_var = np.broadcast_to(noise_var, received.shape).reshape(-1, rx)
    cells, variance = combiner.combine(
        received.reshape(1, -1, rx), channel, csi_sent, _uncorrelated(noise_var)
    )
    return cells.reshape(symbols, carriers, -1), variance.reshape(symbols, carriers, -1)


@njit(cache=True, nogil=True)
def unscramble(
    cells: NDArray[np.complex64], variance: NDArray[np.float32], signs: NDArray[np.float32]
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Payload symbols in the order of sending, and their noise variance.

    Args:
        cells: ``[streams, OFDM symbols, carriers]``.
        variance: likewise, or of one symbol where all are alike.
        signs: ``[streams, k]`` with which the symbols were scrambled; cells behind them are fill.

    Returns:
        ``[streams, k]`` each.
    """
    streams, count = signs.shape
    carriers = cells.shape[2]
    payload = np.empty((streams, count), np.complex64)
    noise_var = np.empty((streams, count), np.float32)
    for stream in range(streams):
        for row, first in enumerate(range(0, count, carriers)):
            last = min(first + carriers, count)
            known, heard = signs[stream, first:last], cells[stream, row]
            noise = variance[stream, row if variance.shape[1] > 1 else 0]
            symbols, noises = payload[stream, first:last], noise_var[stream, first:last]
            for k in range(known.size):
                symbols[k] = complex(heard[k].real * known[k], heard[k].imag * known[k])
                noises[k] = noise[k]
    return payload, noise_var


def _uncorrelated(noise_var: NDArray[np.floating]) -> ComplexArray:
    """Covariance ``[carriers, rx, rx]`` of noise of variance ``[carriers, rx]``."""
    identity = np.eye(noise_var.shape[1], dtype=np.complex64)
    covariance: ComplexArray = noise_var[:, :, None].astype(np.complex64) * identity
    return covariance
