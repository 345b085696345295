# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver's DC offset."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from gnuradio.semcom.radios.bench import Bench
from pydantic import Field

from semcom_calibration.gains import spread
from semcom_calibration.result import Result, ascending

GAINS = 4
"""Receive gains at which it is measured, besides the one asked for."""

_SAMPLES = 1 << 16


class DcPoint(Result):
    """The offset at one receive gain.

    Attributes:
        gain_rx_db: as set.
        in_phase_fs, quadrature_fs: mean of either part of the samples of each receive antenna,
            relative to full scale.
        deviation_fs: of such a mean, what noise makes of it.
    """

    gain_rx_db: float
    in_phase_fs: tuple[float, ...]
    quadrature_fs: tuple[float, ...]
    deviation_fs: tuple[float, ...]


class DcOffset(Result):
    """The offset over receive gain.

    Attributes:
        points: ascending in gain.
    """

    points: Annotated[tuple[DcPoint, ...], Field(min_length=1), ascending("gain_rx_db")]

    def at(self, gain_rx_db: float) -> tuple[complex, ...]:
        """Offset of each antenna at a gain, between the points by interpolation."""
        gains = [point.gain_rx_db for point in self.points]
        real = np.array([point.in_phase_fs for point in self.points]).T
        imaginary = np.array([point.quadrature_fs for point in self.points]).T
        return tuple(
            complex(np.interp(gain_rx_db, gains, re), np.interp(gain_rx_db, gains, im))
            for re, im in zip(real, imaginary, strict=True)
        )


def measure_dc_offset(bench: Bench, gain_rx_db: float) -> DcOffset:
    """Mean of what is heard while nothing is sent, over receive gain.

    ``d = mean(y)``, whose standard deviation is that of the samples over ``sqrt(n)``. The
    transmitter is at its lowest gain: its carrier leaks into the mean.

    Wiring: as for all; nothing is sent.

    Args:
        bench: of the device.
        gain_rx_db: at which it is surely measured.
    """
    bench.set_gain_tx_db(bench.gain_tx.low)
    gains = sorted({gain_rx_db, *spread(bench.gain_rx, GAINS)})
    return DcOffset(points=tuple(_at(bench, gain) for gain in gains))


def _at(bench: Bench, gain_db: float) -> DcPoint:
    gain_db = bench.set_gain_rx_db(gain_db)
    samples = bench.capture(_SAMPLES).astype(np.complex128)
    mean = samples.mean(axis=1)
    deviation = np.sqrt(samples.var(axis=1).real / samples.shape[1])
    return DcPoint(
        gain_rx_db=gain_db,
        in_phase_fs=tuple(round(float(value), 8) for value in mean.real),
        quadrature_fs=tuple(round(float(value), 8) for value in mean.imag),
        deviation_fs=tuple(round(float(value), 9) for value in deviation),
    )
