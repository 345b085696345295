# SPDX-License-Identifier: GPL-3.0-or-later
"""The spectrum of samples that pass, at little cost."""

from __future__ import annotations

import threading

import numpy as np
from gnuradio.semcom.guard import Arrays, GuardedBlock
from scipy.signal import welch

from semcom_phy.exchange import ComplexArray, FloatArray

BINS = 256
"""Frequencies of an estimate; half-overlapping Hann windows are as long."""

SEGMENT = 2048
"""Consecutive samples that are looked at: fifteen windows."""

STRIDE = 16 * SEGMENT
"""Samples from one segment to the next; those between are passed over."""

_KEPT = 64
"""Segments that are kept at most, until they are estimated from together, which is cheaper."""


class SpectrumTap(GuardedBlock):
    """Estimates the power density of streams by Welch's method from a sixteenth of their samples.

    Streams: one input of complex samples an antenna, which are looked at together.

    Args:
        streams: how many there are.
        sample_rate: in samples per second.
    """

    def __init__(self, streams: int, sample_rate: float) -> None:
        super().__init__("semcom_spectrum_tap", inputs=streams)
        self._sample_rate = sample_rate
        self._lock = threading.Lock()
        self._kept: list[ComplexArray] = []
        self._sum = np.zeros((streams, BINS))
        self._segments = 0
        self._segment = np.empty((streams, SEGMENT), np.complex64)
        self._position = 0  # of the next sample in its stride, which begins with a segment

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count, at = min(len(samples) for samples in inputs), 0
        while at < count:
            begin = self._position
            whole = SEGMENT if begin < SEGMENT else STRIDE
            passed = min(whole - begin, count - at)
            if begin < SEGMENT:
                for row, samples in zip(self._segment, inputs, strict=True):
                    row[begin : begin + passed] = samples[at : at + passed]
                if begin + passed == SEGMENT:
                    self._keep(self._segment.copy())
            self._position = (begin + passed) % STRIDE
            at += passed
        for port in range(len(inputs)):
            self.consume(port, count)
        return 0

    def _keep(self, samples: ComplexArray) -> None:
        if not np.isfinite(samples).all():
            return
        with self._lock:
            self._kept.append(samples)
            if len(self._kept) == _KEPT:
                self._estimate()

    def _estimate(self) -> None:
        """Add what the segments kept tell."""
        # A constant offset is part of the spectrum: nothing is detrended.
        _, density = welch(
            np.stack(self._kept),
            self._sample_rate,
            nperseg=BINS,
            detrend=False,
            return_onesided=False,
        )
        self._sum += density.sum(axis=0)
        self._segments += len(self._kept)
        self._kept.clear()

    def take(self) -> FloatArray | None:
        """The estimate from what came since the last call, which begins a new one.

        Any thread may call this.

        Returns:
            ``[streams, BINS]``, squared samples per Hz, frequencies ascending from
            ``-sample_rate / 2``; None where no segment came.
        """
        with self._lock:
            if self._kept:
                self._estimate()
            if self._segments == 0:
                return None
            mean = np.fft.fftshift(self._sum / self._segments, axes=1)
            self._sum, self._segments = np.zeros_like(self._sum), 0
        return mean.astype(np.float32)
