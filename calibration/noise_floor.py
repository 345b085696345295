# SPDX-License-Identifier: GPL-3.0-or-later
"""What a receiver hears while nothing is sent.

The density is the median over frequency of Welch's estimate (P. Welch, "The use of fast Fourier
transform for the estimation of power spectra", IEEE Trans. Audio and Electroacoustics 15(2), 1967):
a signal in a part of the band does not move it. The power is that of all samples but for their
mean, the DC offset.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from gnuradio.semcom.radios.bench import Bench
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import welch

from semcom_calibration.gains import spread
from semcom_calibration.result import Result, ascending

SILENCE_DBFS = -300.0
"""Stands for samples that are all the same."""

GAINS = 8
"""Receive gains at which it is measured."""

_SAMPLES = 1 << 15
_BINS = 256
_FOLLOWS_DB = 0.5
"""By which the noise less the gain may differ from that at the highest gain."""

_OTHERS_DB = 3.0
"""Power above what the density makes of the whole band that noise alone does not have."""


class NoisePoint(Result):
    """The noise at one receive gain.

    Attributes:
        gain_rx_db: as set.
        power_dbfs: of each receive antenna; :data:`SILENCE_DBFS` where it is lost between the
            converter's steps.
        density_dbfs_per_hz: likewise.
    """

    gain_rx_db: float
    power_dbfs: Annotated[tuple[float, ...], Field(min_length=1)]
    density_dbfs_per_hz: Annotated[tuple[float, ...], Field(min_length=1)]


class NoiseFloor(Result):
    """The noise over receive gain.

    Attributes:
        points: ascending in gain.
    """

    points: Annotated[tuple[NoisePoint, ...], Field(min_length=1), ascending("gain_rx_db")]

    def least_useful_gain_db(self) -> float:
        """The lowest gain from which on the noise rises with the gain, one for one.

        Below, the converter's own noise is heard, or the receiver's is lost between its steps; a
        higher gain takes away from what fits between noise and full scale.
        """
        referred = [point.density_dbfs_per_hz[0] - point.gain_rx_db for point in self.points]
        gain_db = self.points[-1].gain_rx_db
        for point, own in zip(reversed(self.points), reversed(referred), strict=True):
            if abs(own - referred[-1]) > _FOLLOWS_DB:
                break
            gain_db = point.gain_rx_db
        return gain_db

    def heard_others(self, rate_hz: float) -> list[float]:
        """Gains at which something else than noise was heard in a part of the band."""
        return [
            point.gain_rx_db
            for point in self.points
            for power, density in zip(point.power_dbfs, point.density_dbfs_per_hz, strict=True)
            if power > density + 10 * np.log10(rate_hz) + _OTHERS_DB
        ]


def measure_noise_floor(bench: Bench) -> NoiseFloor:
    """Noise over receive gain, the transmitter at its lowest gain: its own noise stays out.

    Wiring: as for all; nothing is sent. With antennas, what others send is heard too.
    """
    bench.set_gain_tx_db(bench.gain_tx.low)
    gains = spread(bench.gain_rx, GAINS)
    return NoiseFloor(points=tuple(_at(bench, gain) for gain in gains))


def _at(bench: Bench, gain_db: float) -> NoisePoint:
    gain_db = bench.set_gain_rx_db(gain_db)
    samples = bench.capture(_SAMPLES)
    _, spectrum = welch(samples, bench.rate_hz, nperseg=_BINS, detrend=False, return_onesided=False)
    # An even mean of exponentials is hardly skewed: 255 half-overlapping windows.
    density = np.median(spectrum, axis=1)
    power = samples.var(axis=1, dtype=np.complex128).real
    return NoisePoint(gain_rx_db=gain_db, power_dbfs=_db(power), density_dbfs_per_hz=_db(density))


def _db(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(
        round(float(10 * np.log10(max(value, 10 ** (SILENCE_DBFS / 10)))), 3) for value in values
    )
