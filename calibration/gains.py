# SPDX-License-Identifier: GPL-3.0-or-later
"""Which gains to measure at, and the transmit gain at which a tone has the level wanted."""

from __future__ import annotations

from gnuradio.semcom.radios.bench import Bench, GainRange

from semcom_calibration.errors import CalibrationError
from semcom_calibration.tone import hear_tone

_BLIND_STEP_DB = 20.0
"""By which the gain is raised while nothing is heard."""

_CLOSE_DB = 2.0
"""A level is reached within so much."""

_MOST_STEPS = 10


def spread(gains: GainRange, count: int) -> list[float]:
    """Gains from one end of a range to the other, each one that can be set, ascending."""
    width = gains.high - gains.low
    even = [gains.low + width * i / (count - 1) for i in range(count)]
    return sorted({settable(gains, gain) for gain in even})


def settable(gains: GainRange, gain_db: float) -> float:
    """The nearest gain that can be set."""
    gain_db = min(max(gain_db, gains.low), gains.high)
    if gains.step > 0:
        steps = round((gain_db - gains.low) / gains.step)
        gain_db = min(gains.low + steps * gains.step, gains.high)
    return round(gain_db, 6)


def raise_gain_tx(bench: Bench, level_dbfs: float) -> float:
    """Raise the transmit gain, from the lowest, until the tone arrives at a level.

    Nothing is sent at a gain whose level at the receiver could not be told before from a lower
    one, or stands far below its noise.

    Args:
        bench: with its receive gain set; its transmit gain is left at what is found.
        level_dbfs: wanted at the first receive antenna; what the highest gain gives where that is
            less.

    Returns:
        That gain, as read back.

    Raises:
        CalibrationError: nothing is heard at the highest gain.
    """
    gains = bench.gain_tx
    gain_db = bench.set_gain_tx_db(gains.low)
    tone = hear_tone(bench)
    for _ in range(_MOST_STEPS):
        missing = _BLIND_STEP_DB if tone is None else level_dbfs - tone.level_dbfs()
        wanted = settable(gains, gain_db + missing)
        if (tone is not None and missing < _CLOSE_DB) or wanted <= gain_db:
            break
        gain_db = bench.set_gain_tx_db(wanted)
        tone = hear_tone(bench)
    if tone is None:
        raise CalibrationError(
            f"no signal: a tone sent with {gain_db:g} dB of gain is not heard: is the cable on the "
            "right connectors, and is there too much attenuation?"
        )
    return gain_db
