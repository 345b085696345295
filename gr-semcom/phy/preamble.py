# SPDX-License-Identifier: GPL-3.0-or-later
"""What every frame carries that the receiver knows: training, pilots, fill and scrambling.

The training symbol is one pseudo-random QPSK sequence on the active carriers; of a few hundred
candidates the one with the lowest peak power is taken. It is sent ``training_symbols`` times
with signs whose differential pattern is balanced: correlating neighbouring symbols then sums
coherently over the preamble, while everything else that repeats (a tone, a DC offset, the
cyclic prefixes of the payload) cancels. Pseudo-random numbers come from the raw output of
PCG64, which NumPy guarantees not to change.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.numerology import Numerology

_TRAINING_CANDIDATES = 256
_TRAINING_SEED = 0x5EC0_0000
_PILOT_SEED = 0x5EC1_0000
_FILL_SEED = 0x5EC2_0000
_SCRAMBLE_SEED = 0x5EC3_0000

# Balanced, with low aperiodic autocorrelation, so that the detection metric has one peak.
_DIFFERENTIAL_SIGNS = {
    3: (1, -1),
    5: (1, 1, -1, -1),
    7: (1, 1, -1, 1, -1, -1),
    9: (1, 1, 1, -1, -1, 1, -1, -1),
    11: (1, 1, 1, -1, -1, 1, -1, 1, -1, -1),
}


def _random_bits(seed: int, shape: tuple[int, ...]) -> NDArray[np.uint64]:
    """Pseudo-random bits, the same with every NumPy."""
    raw: NDArray[np.uint64] = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return (raw >> np.uint64(63)).reshape(shape)


def _random_qpsk(seed: int, shape: tuple[int, ...]) -> ComplexArray:
    bits = _random_bits(seed, (*shape, 2)).astype(np.float32)
    signs = (1 - 2 * bits) * np.float32(np.sqrt(0.5))
    return (signs[..., 0] + 1j * signs[..., 1]).astype(np.complex64)


@lru_cache(maxsize=8)
def training_carriers(numerology: Numerology) -> ComplexArray:
    """Training sequence ``[active carriers]``, unit power, lowest peak of the candidates."""
    seed = _TRAINING_SEED + numerology.fft_size
    carriers = len(numerology.active_carriers)
    candidates = _random_qpsk(seed, (_TRAINING_CANDIDATES, carriers))
    spectrum = np.zeros((_TRAINING_CANDIDATES, 4 * numerology.fft_size), np.complex64)
    spectrum[:, np.asarray(numerology.active_carriers)] = candidates
    peaks = np.abs(scipy.fft.ifft(spectrum, axis=-1)).max(axis=-1)
    return _frozen(candidates[int(np.argmin(peaks))])


def differential_signs(numerology: Numerology) -> FloatArray:
    """Signs ``[training_symbols - 1]`` between neighbouring training symbols; they sum to 0."""
    return np.asarray(_DIFFERENTIAL_SIGNS[numerology.training_symbols], np.float32)


def training_signs(numerology: Numerology) -> FloatArray:
    """Signs ``[training_symbols]`` of the training symbols, the first one positive."""
    return np.concatenate([[1.0], np.cumprod(differential_signs(numerology))]).astype(np.float32)


@lru_cache(maxsize=8)
def training_grid(numerology: Numerology) -> ComplexArray:
    """The preamble in frequency, ``[training symbols, active carriers]``."""
    return _frozen(np.outer(training_signs(numerology), training_carriers(numerology)))


@lru_cache(maxsize=8)
def pilot_grid(numerology: Numerology) -> ComplexArray:
    """Pilots ``[header and payload symbols at most, pilot carriers]``, unit power."""
    symbols = numerology.header_ofdm_symbols + numerology.fragment_symbols
    shape = (symbols, len(numerology.pilot_carriers))
    return _frozen(_random_qpsk(_PILOT_SEED + numerology.fft_size, shape))


@lru_cache(maxsize=8)
def fill_symbols(numerology: Numerology) -> ComplexArray:
    """QPSK ``[streams at most, data carriers]`` for the cells that a last symbol leaves free."""
    shape = (numerology.tx_antennas, numerology.data_carriers_per_symbol)
    return _frozen(_random_qpsk(_FILL_SEED + numerology.fft_size, shape))


@lru_cache(maxsize=8)
def scrambling_signs(numerology: Numerology) -> FloatArray:
    """Signs ``[streams at most, fragment_capacity]`` that whiten the payload.

    Neighbouring symbols of a picture code are alike, which would make peaks and tones.
    """
    shape = (numerology.tx_antennas, numerology.fragment_capacity)
    bits = _random_bits(_SCRAMBLE_SEED + numerology.fft_size, shape)
    signs = (1 - 2 * bits.astype(np.float32)).astype(np.float32)
    signs.setflags(write=False)
    return signs


@lru_cache(maxsize=8)
def cyclic_delay_phases(numerology: Numerology) -> ComplexArray:
    """Phases ``[active carriers, tx]`` of the cyclic delay of each antenna.

    Antenna ``t`` sends known symbols delayed by ``t fft_size / tx_antennas`` samples within
    the OFDM symbol (cyclic delay diversity).
    """
    carriers = np.asarray(numerology.active_carriers)[:, None]
    antennas = np.arange(numerology.tx_antennas)[None, :]
    turns = carriers * antennas / numerology.tx_antennas
    return _frozen(np.exp(-2j * np.pi * turns))


def _frozen(array: NDArray[np.complexfloating]) -> ComplexArray:
    """Single precision and read-only: these arrays are shared."""
    single = np.ascontiguousarray(array, dtype=np.complex64)
    single.setflags(write=False)
    return single
