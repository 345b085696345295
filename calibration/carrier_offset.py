# SPDX-License-Identifier: GPL-3.0-or-later
"""By how much the receiver's oscillator is off the transmitter's."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.errors import CalibrationError
from semcom_calibration.result import Result
from semcom_calibration.tone import FREQUENCY, hear_tone

_REPEATS = 4


class CarrierOffset(Result):
    """The offset at one carrier.

    Attributes:
        offset_hz: by which the tone is heard too high; added to the receiver's frequency, it is
            heard where it should be.
        deviation_hz: from one measurement to the next: noise, and oscillators that drift.
        offset_ppm: relative to the carrier.
    """

    offset_hz: float
    deviation_hz: float
    offset_ppm: float


def measure_carrier_offset(bench: Bench) -> CarrierOffset:
    """Frequency of a tone as heard, less that of the tone as sent.

    Offsets up to about a third of the sample rate are told. A device that has one oscillator for
    both halves has none.

    Wiring: first transmit antenna to first receive antenna, by a cable with attenuators.

    Args:
        bench: with its gains set.

    Raises:
        CalibrationError: no tone is heard.
    """
    found = []
    for _ in range(_REPEATS):
        tone = hear_tone(bench)
        if tone is None:
            raise CalibrationError("no signal: the tone that tells the carrier is not heard")
        found.append((tone.frequency - FREQUENCY) * bench.rate_hz)
    offset = float(np.mean(found))
    return CarrierOffset(
        offset_hz=round(offset, 3),
        deviation_hz=round(float(np.std(found, ddof=1)), 3),
        offset_ppm=round(offset / bench.freq_hz * 1e6, 5),
    )
