# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmit gain as measured by a tone."""

from __future__ import annotations

from gnuradio.semcom.radios.bench import Bench

from semcom_calibration.errors import CalibrationError
from semcom_calibration.gain_curve import FEWEST, GainCurve, close_in, fit_gain_curve
from semcom_calibration.gains import settable, spread
from semcom_calibration.receive_gain import CLEAR_DB
from semcom_calibration.tone import hear_tone

GAINS = 12
"""Transmit gains at which it is measured first; more follow around the compression point."""

_LEVEL_DBFS = -15.0
"""At which the receiver is kept: no converter is near its end or its steps there."""

_TRUSTED_DBFS = -6.0
"""Level up to which the receive gain was measured without a trace of compression."""

_HEADROOM_DB = 3.0
"""Below the receiver's compression that a level is trusted."""


class TransmitGain(GainCurve):
    """The transmit gain as measured.

    Attributes:
        receiver_overloaded_db: transmit gain as set from which the receiver is overloaded whatever
            its own gain; None where there is none.
    """

    receiver_overloaded_db: float | None = None


def measure_transmit_gain(bench: Bench, receive: GainCurve) -> TransmitGain:
    """Level of a tone over transmit gain, the receive gain following it.

    Whatever is sent, the receiver is kept at about the same level, far from its own compression:
    the measured gain is the level less the receive gain as measured before. The transmit gain only
    rises; where the receiver is overloaded at its lowest gain, it rises no further.

    Wiring: first transmit antenna to first receive antenna, by a cable with attenuators.

    Args:
        bench: of the device.
        receive: its receive gain.

    Raises:
        CalibrationError: no tone is heard at enough gains, or the receiver is overloaded at most.
    """
    ladder = _Ladder(bench, receive)
    points: dict[float, float] = {}
    overloaded = None
    for gain_db in spread(bench.gain_tx, GAINS):
        measured = ladder.measure(gain_db)
        if ladder.overloaded:
            overloaded = gain_db
            break
        if measured is not None:
            points[gain_db] = measured
    if overloaded is not None and len(points) < FEWEST:
        raise CalibrationError(
            f"too little attenuation: from a transmit gain of {overloaded:g} dB on, the receiver "
            "is overloaded at its lowest gain: add attenuators"
        )
    close_in(points, ladder.measure, bench.gain_tx)
    curve = fit_gain_curve(points)
    return TransmitGain(**curve.model_dump(), receiver_overloaded_db=overloaded)


class _Ladder:
    """Hears a tone at a transmit gain, with a receive gain that suits it.

    Attributes:
        overloaded: the latest tone was too strong for the receiver at its lowest gain.
    """

    def __init__(self, bench: Bench, receive: GainCurve) -> None:
        self._bench, self._receive = bench, receive
        end = 0.0 if receive.compression_dbfs is None else receive.compression_dbfs
        self._end = min(end, 0.0) - _HEADROOM_DB
        self._level = min(_LEVEL_DBFS, self._end - _HEADROOM_DB)
        self._gain_rx = bench.set_gain_rx_db(bench.gain_rx.high)
        self._rest: float | None = None  # of the latest tone's level, less both gains
        self.overloaded = False

    def measure(self, gain_tx_db: float) -> float | None:
        """Level of the tone less the receive gain; None where it is not heard clearly."""
        bench = self._bench
        if self._rest is not None:  # the receive gain is lowered before, not after
            self._receive_at(self._level - self._rest - gain_tx_db)
        bench.set_gain_tx_db(gain_tx_db)
        tone = hear_tone(bench)
        while tone is not None and tone.level_dbfs() > self._end:
            self.overloaded = self._gain_rx <= bench.gain_rx.low
            if self.overloaded:
                return None
            self._receive_at(self._gain_rx + self._level - tone.level_dbfs())
            tone = hear_tone(bench)
        self.overloaded = False
        if tone is None:
            return None
        self._rest = tone.level_dbfs() - self._gain_rx - gain_tx_db
        if tone.clear_db() < CLEAR_DB:
            return None
        return tone.level_dbfs() - self._receive.uncompressed_db(self._gain_rx, _TRUSTED_DBFS)

    def _receive_at(self, gain_db: float) -> None:
        self._gain_rx = self._bench.set_gain_rx_db(settable(self._bench.gain_rx, gain_db))
