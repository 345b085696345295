# SPDX-License-Identifier: GPL-3.0-or-later
"""A limit to the magnitude of OFDM symbols that leaves the neighbouring channels alone.

Peaks are cut where the analogue signal has them, between the samples too, and what the cut spreads
beyond the active carriers is taken out again; peaks grow back a little, so that it is done more
than once: Armstrong, "Peak-to-average power reduction for OFDM by repeated clipping and frequency
domain filtering", Electronics Letters 38(5), 2002.

What remains is a gain below one and noise that is uncorrelated with the symbols (Bussgang; Ochiai
and Imai, "Performance analysis of deliberately clipped OFDM signals", IEEE Trans. Communications
50(1), 2002). The gain is taken out here, so that symbols arrive unbiased; the noise is what
clipping costs.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft

from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import clip
from semcom_phy.numerology import Numerology

_OVERSAMPLING = 4

_ROUNDS = 2
"""At like peaks a second round lowers the noise by 1.5 dB, two more by another 0.5 dB."""


def clip_and_filter(grid: ComplexArray, clipping_db: float, numerology: Numerology) -> ComplexArray:
    """Limit the magnitude of the samples that cells make.

    Args:
        grid: ``[symbols, active carriers, antennas]``.
        clipping_db: limit above the RMS magnitude of a frame of unit gain, in dB; peaks that grow
            back exceed it.
        numerology: of the waveform.

    Returns:
        Cells of the same shape: what was given plus clipping noise.
    """
    size = _OVERSAMPLING * numerology.fft_size
    bins = np.asarray(numerology.active_carriers) % size
    scale = math.sqrt(_OVERSAMPLING)  # samples have the magnitude that they have on the air
    spectrum = np.zeros((grid.shape[2], grid.shape[0], size), np.complex64)
    limited = sent = grid.transpose(2, 0, 1)
    for _ in range(_ROUNDS):
        spectrum[:, :, bins] = limited * np.float32(scale)
        samples = scipy.fft.ifft(spectrum, norm="ortho")
        samples = clip(samples, clipping_db, numerology)
        limited = scipy.fft.fft(samples, norm="ortho", overwrite_x=True)[:, :, bins]
        limited /= np.float32(scale)
    gain = _gain(sent, limited)
    return np.ascontiguousarray((limited / gain).transpose(1, 2, 0))


def _gain(sent: ComplexArray, limited: ComplexArray) -> ComplexArray:
    """Least-squares gain of each antenna, ``[antennas, 1, 1]``; one where nothing is sent."""
    energy = np.sum(np.abs(sent) ** 2, axis=(1, 2), keepdims=True)
    common = np.sum(limited * sent.conj(), axis=(1, 2), keepdims=True)
    return np.divide(common, energy, out=np.ones_like(common), where=energy > 0)
