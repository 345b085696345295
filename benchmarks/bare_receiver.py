# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that a vectorised receiver of our frames does: a bound for the speed of a real one.

Schmidl and Cox's search of the whole capture, a transform, a one-tap equaliser from two training
symbols, a common phase from the pilots. It knows how long the frames are and reads no headers; it
smooths nothing, estimates no noise, follows no clock, and needs a good SNR.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import differential_signs, pilot_grid, training_grid

THRESHOLD = 0.5
"""Of the correlation's magnitude over the energy."""


def _search(samples: ComplexArray, numerology: Numerology) -> tuple[NDArray[np.intp], ComplexArray]:
    """First samples of preambles and the correlation there."""
    period, span = numerology.samples_per_symbol, numerology.training_samples
    signs = differential_signs(numerology)
    products = samples[:-period].conj()
    products *= samples[period:]
    np.cumsum(products, out=products)
    parts = samples.view(np.float32).reshape(-1, 2)
    power = np.cumsum(np.einsum("np,np->n", parts, parts), dtype=np.float64)
    # A window from sample n on is a difference of totals up to n - 1.
    count = samples.size - span
    # Neighbouring stretches of opposite sign have one end in common.
    steps = np.append(0, signs) - np.append(signs, 0)
    correlation = np.zeros(count, np.complex64)
    for index in np.flatnonzero(steps):
        correlation += np.float32(steps[index]) * products[index * period :][:count]
    energy = (power[span:] - power[:-span]).astype(np.float32)
    energy *= np.float32(THRESHOLD * signs.size / numerology.training_symbols)
    squared = correlation.real**2 + correlation.imag**2
    above = np.flatnonzero(squared > energy**2)
    # A part of a preamble looks a little like a whole one.
    groups = np.split(above, np.flatnonzero(np.diff(above) > span) + 1)
    peaks = [group[np.argmax(squared[group])] for group in groups if group.size]
    return np.array(peaks, np.intp) + 1, correlation[peaks]


def receive_bare(
    samples: ComplexArray, payload_symbols: int, numerology: Numerology
) -> tuple[NDArray[np.intp], ComplexArray]:
    """Find and equalise frames of one antenna.

    Args:
        samples: ``[n]``.
        payload_symbols: OFDM symbols of every frame's payload.
        numerology: of the waveform.

    Returns:
        First samples ``[frames]`` and payload cells ``[frames, payload_symbols, data carriers]``.
    """
    period, size = numerology.samples_per_symbol, numerology.fft_size
    starts, correlation = _search(samples, numerology)
    opening = numerology.training_symbols + numerology.header_ofdm_symbols
    symbols = opening + payload_symbols
    whole = starts + symbols * period <= samples.size
    starts, turn = starts[whole], np.angle(correlation[whole])[:, None]
    # The peak may be some samples off: the windows begin in the middle of the prefix.
    begin = numerology.cyclic_prefix // 2
    within = np.exp(-1j * turn * np.arange(size) / period).astype(np.complex64)
    advance = np.exp(-1j * turn * np.arange(symbols)).astype(np.complex64)
    windows = np.empty((starts.size, symbols, size), np.complex64)
    for frame, start in enumerate(starts):
        received = samples[start : start + symbols * period].reshape(symbols, period)
        np.multiply(received[:, begin : begin + size], within[frame], out=windows[frame])
    spectrum = scipy.fft.fft(windows, norm="ortho", overwrite_x=True)
    spectrum *= advance[:, :, None]
    training = training_grid(numerology)[:2]
    known = spectrum[:, :2][:, :, numerology.fft_bins]
    channel = np.mean(known * training.conj(), axis=1)
    payload = spectrum[:, opening:]
    bins, pilots = numerology.fft_bins, numerology.pilot_rows
    first = numerology.header_ofdm_symbols
    sent = pilot_grid(numerology)[first : first + payload_symbols]
    heard = payload[:, :, bins[pilots]] * (channel[:, None, pilots] * sent).conj()
    phase = np.exp(-1j * np.angle(heard.sum(axis=-1, keepdims=True)))
    rows = numerology.data_rows
    return starts, payload[:, :, bins[rows]] * phase / channel[:, None, rows]
