# SPDX-License-Identifier: GPL-3.0-or-later
"""Echoes: a time-varying filter over a stream."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.resampler import HALF_TAPS, interpolation_weights
from semcom_phy.sample_buffer import SampleBuffer
from semcom_phy.tap_process import TapProcess

_LONGEST_STEP = 8192
"""Samples filtered at a time; bounds the memory for filters of a channel that changes fast."""

LONGEST_RESPONSE = 16384
"""Samples that an impulse response may last."""


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _convolve(
    real: NDArray[np.float32],
    imag: NDArray[np.float32],
    begin: int,
    step: float,
    first_point: int,
    filters_real: NDArray[np.float32],
    filters_imag: NDArray[np.float32],
    out: ComplexArray,
) -> None:
    """Fill ``out[rx, n]``; ``filters[grid, rx, tx, taps]`` lie in the order of the samples.

    Sample ``i`` is number ``begin + i`` of the stream, at grid place ``(begin + i) step``; its
    filter covers columns ``i, i + 1, ...`` of the samples ``[tx, n + taps - 1]``.
    """
    taps = filters_real.shape[3]
    for i in range(out.shape[1]):
        place = (begin + i) * step
        point = math.floor(place)
        late = np.float32(place - point)
        early = np.float32(1) - late
        row = point - first_point
        for rx in range(out.shape[0]):
            sum_real = np.float32(0)
            sum_imag = np.float32(0)
            for tx in range(real.shape[0]):
                here_real, next_real = filters_real[row, rx, tx], filters_real[row + 1, rx, tx]
                here_imag, next_imag = filters_imag[row, rx, tx], filters_imag[row + 1, rx, tx]
                for tap in range(taps):
                    gain_real = early * here_real[tap] + late * next_real[tap]
                    gain_imag = early * here_imag[tap] + late * next_imag[tap]
                    x, y = real[tx, i + tap], imag[tx, i + tap]
                    sum_real += gain_real * x - gain_imag * y
                    sum_imag += gain_real * y + gain_imag * x
            out[rx, i] = complex(sum_real, sum_imag)


class EchoFilter:
    """Sends a stream through a channel of several taps, piece by piece.

    Delays need not be whole samples: each tap is a windowed sinc, good to 0.43 of the sample rate
    (see :mod:`semcom_phy.resampler`).

    Args:
        process: the channel.
        sample_rate: in samples per second.
        tx_antennas: of the stream.

    Raises:
        ValueError: echoes that last longer than :data:`LONGEST_RESPONSE` samples.
    """

    def __init__(self, process: TapProcess, sample_rate: float, tx_antennas: int) -> None:
        self._process = process
        self._step = 1 / (sample_rate * process.interval_s)  # grid points per sample
        delays = process.delays_s * sample_rate
        # What should be a whole sample is, whatever its way through seconds did to it.
        whole = np.round(delays)
        delays = np.where(np.abs(delays - whole) < 1e-6, whole, delays)
        reach = np.where(delays == np.round(delays), 0, HALF_TAPS)
        self._first = int(np.min(np.ceil(delays) - reach))
        self._last = int(np.max(np.floor(delays) + reach))
        taps = self._last - self._first + 1
        if taps > LONGEST_RESPONSE:
            raise ValueError(
                f"the channel's echoes last {taps} samples, {LONGEST_RESPONSE} are possible: "
                "choose a shorter delay spread"
            )
        around = np.arange(self._first - HALF_TAPS, self._last + HALF_TAPS + 1)
        shapes = interpolation_weights(delays[:, None] - around)[:, HALF_TAPS:-HALF_TAPS]
        # In the order of the samples, of which the last echo wants the earliest.
        self._shapes = np.ascontiguousarray(shapes[:, ::-1])
        self._buffer = SampleBuffer(tx_antennas)
        self._next = 0

    def process(self, samples: ComplexArray) -> ComplexArray:
        """Take ``[tx, n]``, give ``[rx, m]``, all that no later input changes."""
        self._buffer.append(samples)
        return self._produce(self._buffer.end + min(self._first, 0))

    def flush(self) -> ComplexArray:
        """The stream ends: the rest, until the last echo has died away."""
        return self._produce(self._buffer.end + max(self._last, 0))

    def _produce(self, stop: int) -> ComplexArray:
        steps = range(self._next, max(stop, self._next + 1), _LONGEST_STEP)
        pieces = [self._filter(begin, min(begin + _LONGEST_STEP, stop)) for begin in steps]
        self._next = max(stop, self._next)
        self._buffer.discard(self._next - self._last)
        return np.concatenate(pieces, axis=1)

    def _filter(self, begin: int, stop: int) -> ComplexArray:
        """Samples ``begin`` to ``stop`` of the output; none where ``stop`` is no later."""
        count = max(stop - begin, 0)
        first_point = math.floor(begin * self._step)
        points = math.floor((begin + count) * self._step) - first_point + 2
        gains = self._process.gains(first_point, points)
        filters = np.einsum("gpij,pl->gijl", gains, self._shapes)
        filters = np.ascontiguousarray(filters, dtype=np.complex64)
        samples = self._buffer.view(begin - self._last, begin + count - self._first)
        out = np.empty((gains.shape[2], count), np.complex64)
        _convolve(
            np.ascontiguousarray(samples.real),
            np.ascontiguousarray(samples.imag),
            begin,
            self._step,
            first_point,
            np.ascontiguousarray(filters.real),
            np.ascontiguousarray(filters.imag),
            out,
        )
        return out
