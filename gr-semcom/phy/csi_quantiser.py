# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel in few bits: taps within the cyclic prefix, uniformly quantised.

A channel has echoes no longer than the prefix, so that a few taps on the grid of samples hold all
its carriers. Every pair of antennas has a scale of its own, since one may be far weaker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology

_MARGIN = 2
"""Taps before and after the prefix: a path between two samples is spread over their neighbours."""

_RIDGE = 1e-4
"""Of the fit, relative to a tap's energy. Unused carriers leave combinations of taps that hardly
show on the others; they are kept from growing."""

_SCALE_BITS = 8
_SCALE_STEP_DB = 0.75
_SCALE_ZERO = 128

BITS_RANGE = (2, 12)


def delay_axes(numerology: Numerology) -> NDArray[np.complex128]:
    """Responses ``[active carriers, taps]`` of unit taps at whole samples within the prefix."""
    delays = np.arange(-_MARGIN, numerology.cyclic_prefix + _MARGIN + 1)
    carriers = np.asarray(numerology.active_carriers)[:, None]
    return np.exp(-2j * np.pi * carriers * delays / numerology.fft_size)


class CsiQuantiser:
    """Channels to bytes and back.

    A report is, for each pair of antennas, a scale of 8 bits (steps of 0.75 dB) and for each tap
    two numbers of ``bits`` bits, packed most significant bit first.

    Args:
        numerology: of the waveform: its prefix decides how many taps there are.
        bits: for each real number, 2 to 12.

    Attributes:
        report_bits: of a report.

    Raises:
        ValueError: ``bits`` out of range.
    """

    def __init__(self, numerology: Numerology, bits: int) -> None:
        low, high = BITS_RANGE
        if not low <= bits <= high:
            raise ValueError(f"{bits} bits asked for a real number of the CSI, choose {low}-{high}")
        self._bits = bits
        self._top = (1 << (bits - 1)) - 1
        self._axes = delay_axes(numerology)
        taps = self._axes.shape[1]
        gram = self._axes.conj().T @ self._axes + _RIDGE * len(self._axes) * np.eye(taps)
        self._fit = np.linalg.solve(gram, self._axes.conj().T)
        self._shape = (numerology.rx_antennas, numerology.tx_antennas)
        self._pairs = numerology.rx_antennas * numerology.tx_antennas
        self.report_bits = self._pairs * (_SCALE_BITS + 2 * bits * taps)

    def quantise(self, csi: ComplexArray) -> bytes:
        """A report on ``csi[active carriers, rx, tx]``.

        Raises:
            ValueError: a channel of another shape, or with values that are not finite.
        """
        carriers = len(self._axes)
        if csi.shape != (carriers, *self._shape):
            raise ValueError(f"csi has shape {csi.shape}, expected {(carriers, *self._shape)}")
        if not np.isfinite(csi).all():
            raise ValueError("csi has values that are not finite numbers")
        taps = (self._fit @ csi.reshape(carriers, -1)).T  # [pair, tap]
        parts = np.stack([taps.real, taps.imag], axis=-1).reshape(self._pairs, -1)
        with np.errstate(divide="ignore"):
            peak_db = 20 * np.log10(np.abs(parts).max(axis=1))
        steps = np.clip(np.ceil(peak_db / _SCALE_STEP_DB) + _SCALE_ZERO, 0, 255).astype(np.int64)
        levels = np.rint(parts / self._scales(steps)[:, None] * self._top)
        levels = np.clip(levels, -self._top, self._top).astype(np.int64) + self._top
        fields = [_to_bits(steps[:, None], _SCALE_BITS), _to_bits(levels, self._bits)]
        return np.packbits(np.concatenate(fields, axis=1)).tobytes()

    def restore(self, report: bytes) -> ComplexArray:
        """The channel ``[active carriers, rx, tx]`` that a report stands for.

        Raises:
            ValueError: a report of another length.
        """
        if len(report) != -(-self.report_bits // 8):
            raise ValueError(f"a report has {-(-self.report_bits // 8)} bytes, not {len(report)}")
        bits = np.unpackbits(np.frombuffer(report, np.uint8), count=self.report_bits)
        fields = bits.reshape(self._pairs, -1)
        scales = self._scales(_from_bits(fields[:, :_SCALE_BITS], _SCALE_BITS)[:, 0])
        levels = _from_bits(fields[:, _SCALE_BITS:], self._bits) - self._top
        parts = (levels * scales[:, None] / self._top).reshape(self._pairs, -1, 2)
        csi = self._axes @ (parts[..., 0] + 1j * parts[..., 1]).T
        return csi.reshape(-1, *self._shape).astype(np.complex64)

    def _scales(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        scales: NDArray[np.float64] = 10 ** ((steps - _SCALE_ZERO) * _SCALE_STEP_DB / 20)
        return scales


def _to_bits(values: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Unsigned numbers ``[n, m]`` as bits ``[n, m width]``, the most significant first."""
    bits = values[..., None] >> np.arange(width - 1, -1, -1) & 1
    return bits.astype(np.uint8).reshape(len(values), -1)


def _from_bits(bits: NDArray[np.uint8], width: int) -> NDArray[np.int64]:
    """And back."""
    places = 1 << np.arange(width - 1, -1, -1, dtype=np.int64)
    values: NDArray[np.int64] = bits.reshape(len(bits), -1, width) @ places
    return values
