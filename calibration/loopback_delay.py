# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from a sample's sending to its being received."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.result import Result
from semcom_calibration.sounding import LENGTH, heard, sequence
from semcom_calibration.tone import exchange

_REPEATS = 4


class LoopbackDelay(Result):
    """The delay through transmitter, cable and receiver, filters included.

    Attributes:
        delay_samples: mean, whole samples and fraction.
        deviation_samples: from one measurement to the next. Where it is above a sample, the device
            does not time both ends, and the delay is that of its host.
        bound_samples: deviation that noise alone makes.
    """

    delay_samples: float
    deviation_samples: float
    bound_samples: float


def measure_loopback_delay(bench: Bench, carrier_offset_hz: float) -> LoopbackDelay:
    """Arrival of a noise-like sequence, see :mod:`semcom_calibration.sounding`.

    Wiring: first transmit antenna to first receive antenna, by a cable with attenuators.

    Args:
        bench: with its gains set.
        carrier_offset_hz: as measured before.

    Raises:
        CalibrationError: the sequence is not heard.
    """
    sent = np.zeros((bench.tx_antennas, LENGTH), np.complex64)
    sent[0] = sequence()
    turns = carrier_offset_hz / bench.rate_hz
    found = [heard(exchange(bench, sent)[0], turns) for _ in range(_REPEATS)]
    delays = [one.samples for one in found]
    return LoopbackDelay(
        delay_samples=round(float(np.mean(delays)), 4),
        deviation_samples=round(float(np.std(delays, ddof=1)), 4),
        bound_samples=round(float(np.mean([one.deviation for one in found])), 5),
    )
