# SPDX-License-Identifier: GPL-3.0-or-later
"""Delay and sampling-clock offset by windowed-sinc interpolation."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.sample_buffer import SampleBuffer

HALF_TAPS = 24
"""Input samples on either side of an output sample."""

_KAISER_BETA = 9.0
"""Stop band of about 90 dB; flat to within 1e-4 up to 0.43 of the sample rate."""

_PHASES = 1024
"""Tabulated fractions of a sample, linearly interpolated between: error below -110 dB."""


def interpolation_weights(distance: NDArray[np.floating]) -> NDArray[np.float32]:
    """Windowed sinc of unit DC gain.

    Args:
        distance: ``[..., n]`` of the place wanted from each of the samples around, in samples;
            all samples less than 24 away must be among them.

    Returns:
        Weights of the samples ``[..., n]``; a place on a sample is exactly that sample.
    """
    edge = np.sqrt(np.maximum(1 - (distance / HALF_TAPS) ** 2, 0.0))
    window = np.where(edge > 0, np.i0(_KAISER_BETA * edge) / np.i0(_KAISER_BETA), 0.0)
    weights = np.where(distance == np.round(distance), distance == 0, np.sinc(distance)) * window
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)


def _interpolation_table() -> NDArray[np.float32]:
    """Filters ``[phases + 1, 2 half taps]`` for delays of 0 to 1 sample."""
    fraction = np.arange(_PHASES + 1)[:, None] / _PHASES
    return interpolation_weights(fraction - np.arange(-HALF_TAPS + 1, HALF_TAPS + 1)[None, :])


_TABLE = _interpolation_table()


@numba.njit(cache=True, nogil=True)
def _interpolate(
    samples: ComplexArray,
    first: int,
    begin: int,
    step: float,
    delay: float,
    table: NDArray[np.float32],
    out: ComplexArray,
) -> None:
    """Fill ``out[antennas, n]`` with the input at ``(begin + i) step - delay``.

    ``samples`` begins at input position ``first`` and covers all that is needed.
    """
    phases = table.shape[0] - 1
    taps = table.shape[1]
    weights = np.empty(taps, np.float32)
    for i in range(out.shape[1]):
        position = (begin + i) * step - delay
        whole = math.floor(position)
        phase = (position - whole) * phases
        row = min(int(phase), phases - 1)
        blend = np.float32(phase - row)
        for tap in range(taps):
            weights[tap] = table[row, tap] + blend * (table[row + 1, tap] - table[row, tap])
        offset = int(whole) - taps // 2 + 1 - first
        for antenna in range(out.shape[0]):
            real = np.float32(0)
            imag = np.float32(0)
            for tap in range(taps):
                value = samples[antenna, offset + tap]
                real += weights[tap] * value.real
                imag += weights[tap] * value.imag
            out[antenna, i] = complex(real, imag)


class Resampler:
    """Evaluates a stream at ``m step - delay`` for ``m = 0, 1, ...``, piece by piece.

    Args:
        antennas: streams side by side.
        delay: in input samples, at least 0.
        step: output sampling interval in input samples.
    """

    def __init__(self, antennas: int, delay: float, step: float) -> None:
        self._delay, self._step = delay, step
        self._buffer = SampleBuffer(antennas)
        self._antennas = antennas
        self._next = 0
        self._whole = step == 1.0 and float(delay).is_integer()

    def process(self, samples: ComplexArray) -> ComplexArray:
        """Take ``[antennas, n]``, give the outputs that no later input changes."""
        self._buffer.append(samples)
        reach = 0 if self._whole else HALF_TAPS
        # The last output at position p needs input up to floor(p) + reach.
        return self._produce(self._buffer.end - reach)

    def flush(self) -> ComplexArray:
        """The outputs up to the end of the last input sample's filter; then start afresh."""
        reach = 0 if self._whole else HALF_TAPS
        return self._produce(self._buffer.end + reach)

    def _produce(self, limit: int) -> ComplexArray:
        """Outputs whose position lies below ``limit``."""
        stop = max(math.ceil((limit + self._delay) / self._step), self._next)
        while stop > self._next and (stop - 1) * self._step - self._delay >= limit:
            stop -= 1  # rounding of the division
        first = math.floor(self._next * self._step - self._delay) - HALF_TAPS
        count = stop - self._next
        if self._whole:
            start = self._next - int(self._delay)
            out = self._buffer.view(start, start + count).copy()
        else:
            last = math.floor(max(stop - 1, 0) * self._step - self._delay) + HALF_TAPS + 2
            samples = np.ascontiguousarray(self._buffer.view(first, max(last, first)))
            out = np.empty((self._antennas, count), np.complex64)
            _interpolate(samples, first, self._next, self._step, self._delay, _TABLE, out)
        self._next = stop
        self._buffer.discard(math.floor(stop * self._step - self._delay) - HALF_TAPS)
        return out
