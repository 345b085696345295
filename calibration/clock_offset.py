# SPDX-License-Identifier: GPL-3.0-or-later
"""By how much the receiver's sampling clock is off the transmitter's."""

from __future__ import annotations

import math

import numpy as np
from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.result import Result
from semcom_calibration.sounding import LENGTH, heard, sequence
from semcom_calibration.tone import exchange

APART = 1 << 18
"""Samples from one sequence to the other."""

_REPEATS = 2


class ClockOffset(Result):
    """The offset of sampling clocks.

    Attributes:
        offset_ppm: by how much the receiver's sampling interval is too long.
        deviation_ppm: that noise makes of it.
    """

    offset_ppm: float
    deviation_ppm: float


def measure_clock_offset(bench: Bench, carrier_offset_hz: float) -> ClockOffset:
    """Time between the arrivals of two sequences that are sent far apart.

    Sent ``L`` samples apart and heard ``M`` apart, the interval is ``L / M - 1`` too long. Each
    arrival is told to some thousandths of a sample (:mod:`semcom_calibration.sounding`), so that
    the offset is told to ``sqrt(2) s / L``: a hundredth of a ppm at 20 dB over 2^18 samples.

    A device that has one oscillator for both halves has none.

    Wiring: first transmit antenna to first receive antenna, by a cable with attenuators.

    Args:
        bench: with its gains set.
        carrier_offset_hz: as measured before.

    Raises:
        CalibrationError: a sequence is not heard.
    """
    turns = carrier_offset_hz / bench.rate_hz
    sent = np.zeros((bench.tx_antennas, APART + LENGTH), np.complex64)
    sent[0, :LENGTH] = sent[0, APART:] = sequence()
    offsets, deviations = [], []
    for _ in range(_REPEATS):
        samples = exchange(bench, sent)[0]
        first = heard(samples[: samples.size - APART], turns)
        near = round(first.samples) + APART - LENGTH
        second = heard(samples[near : near + 3 * LENGTH], turns)
        offsets.append(APART / (near + second.samples - first.samples) - 1)
        deviations.append(math.hypot(first.deviation, second.deviation) / APART)
    return ClockOffset(
        offset_ppm=round(float(np.mean(offsets)) * 1e6, 5),
        deviation_ppm=round(float(np.mean(deviations)) / math.sqrt(_REPEATS) * 1e6, 6),
    )
