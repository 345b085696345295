# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from a sample's sending to its being received."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.result import Result
from semcom_calibration.sounding import LENGTH, heard, sequence
from semcom_calibration.tone import exchange

_BEGINNINGS = (0, 400, 100, 800)
"""Where the sequence begins in what is sent: a device that times both ends hears it as far on."""


class LoopbackDelay(Result):
    """The delay through transmitter, cable and receiver, filters included.

    Attributes:
        delay_samples: mean, whole samples and fraction.
        deviation_samples: from one measurement to the next. Above a sample the device does not
            time both ends, and the delay tells nothing.
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
    turns = carrier_offset_hz / bench.rate_hz
    found = []
    for begin in _BEGINNINGS:
        sent = np.zeros((bench.tx_antennas, begin + LENGTH), np.complex64)
        sent[0, begin:] = sequence()
        found.append(heard(exchange(bench, sent)[0], turns))
    delays = [one.samples - begin for one, begin in zip(found, _BEGINNINGS, strict=True)]
    return LoopbackDelay(
        delay_samples=round(float(np.mean(delays)), 4),
        deviation_samples=round(float(np.std(delays, ddof=1)), 4),
        bound_samples=round(float(np.mean([one.deviation for one in found])), 5),
    )
