# SPDX-License-Identifier: GPL-3.0-or-later
"""The receive gain as measured by a tone."""

from __future__ import annotations

from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.gain_curve import GainCurve, close_in, fit_gain_curve
from semcom_calibration.gains import raise_gain_tx, spread
from semcom_calibration.tone import hear_tone

GAINS = 12
"""Receive gains at which it is measured first; more follow around the compression point."""

CLEAR_DB = 36.0
"""Of a tone over the noise in its bin, at which its level is told to 0.1 dB."""

_FAINTEST_DBFS = -50.0
"""Below, a tone is but a few steps of a converter of 12 bits, which bend its level."""

_OVER_DBFS = 4.0
"""Level that the tone would have at the highest gain: enough to see the converter's end."""


def measure_receive_gain(bench: Bench) -> GainCurve:
    """Level of a tone over receive gain, the transmit gain standing still.

    The measured gain is the level of the tone in dB relative to full scale: what the receiver's
    gain does, on top of a constant of the transmitter and the cable. Its compression is that of
    the receiver, of its converter as a rule; the transmitter's stays the same.

    Wiring: first transmit antenna to first receive antenna, by a cable with attenuators.

    Raises:
        CalibrationError: no tone is heard.
    """
    gains = bench.gain_rx
    bench.set_gain_rx_db(gains.high)
    raise_gain_tx(bench, _OVER_DBFS)
    points: dict[float, float] = {}

    def measure(gain_db: float) -> float | None:
        bench.set_gain_rx_db(gain_db)
        tone = hear_tone(bench)
        clear = tone is not None and tone.clear_db() >= CLEAR_DB
        return tone.level_dbfs() if tone and clear and tone.level_dbfs() > _FAINTEST_DBFS else None

    for gain_db in spread(gains, GAINS):
        level = measure(gain_db)
        if level is not None:
            points[gain_db] = level
    close_in(points, measure, gains)
    curve = fit_gain_curve(points)
    if curve.compression_db is None:
        return curve
    level = round(curve.line_db(curve.compression_db) - 1, 2)
    return curve.model_copy(update={"compression_dbfs": level})
