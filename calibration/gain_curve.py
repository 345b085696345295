# SPDX-License-Identifier: GPL-3.0-or-later
"""A gain as measured over the gain that was set: offset, linear range, compression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from gnuradio.semcom.radios.bench import GainRange
from pydantic import Field
from scipy.stats import theilslopes

from semcom_calibration.errors import CalibrationError
from semcom_calibration.gains import settable
from semcom_calibration.result import Result, ascending

FEWEST = 4
"""Points that make a curve."""

_LINEAR_DB = 0.5
"""Off the line at most, in the linear range."""

_COMPRESSION_DB = 1.0

_CLOSE_DB = 1.0
"""Between the points on either side of the compression point, at most."""

_MOST_HALVINGS = 8


class GainPoint(Result):
    """One point of a curve.

    Attributes:
        set_db: gain as set.
        measured_db: as measured.
    """

    set_db: float
    measured_db: float


class GainCurve(Result):
    """Measured over set gain.

    Attributes:
        points: ascending in the gain that was set.
        slope_db_per_db, offset_db: of the line through the points of the lower half, the median
            of the slopes between any two of them (Theil and Sen): ``slope set + offset``.
        linear_from_db, linear_to_db: gains as set between which the curve is within 0.5 dB of
            that line.
        compression_db: gain as set at which the output is 1 dB less than that line; None where it
            is not reached.
        compression_dbfs: of the receiver, level of the tone there.
    """

    points: Annotated[tuple[GainPoint, ...], Field(min_length=FEWEST), ascending("set_db")]
    offset_db: float
    slope_db_per_db: float
    linear_from_db: float
    linear_to_db: float
    compression_db: float | None = None
    compression_dbfs: float | None = None

    def line_db(self, set_db: float) -> float:
        """What the line has at a gain."""
        return self.slope_db_per_db * set_db + self.offset_db

    def uncompressed_db(self, set_db: float, below_db: float) -> float:
        """What a gain comes to where nothing compresses; between the points by interpolation.

        Args:
            set_db: the gain.
            below_db: points that measured more are not looked at.
        """
        points = [p for p in self.points if p.measured_db <= below_db]
        if not points or not points[0].set_db <= set_db <= points[-1].set_db:
            return self.line_db(set_db)
        measured = [point.measured_db for point in points]
        return float(np.interp(set_db, [point.set_db for point in points], measured))


def fit_gain_curve(points: dict[float, float]) -> GainCurve:
    """Fit a line to the lower half of the points, and find where the curve leaves it.

    Args:
        points: measured by set gain.

    Raises:
        CalibrationError: fewer than :data:`FEWEST` points.
    """
    if len(points) < FEWEST:
        raise CalibrationError(
            f"a tone was heard clearly at {len(points)} gains only, a curve takes {FEWEST}: change "
            "the attenuation"
        )
    gains = np.array(sorted(points))
    measured = np.array([points[gain] for gain in gains])
    lower = max(FEWEST - 1, int(np.sum(gains <= (gains[0] + gains[-1]) / 2)))
    slope, offset, *_ = theilslopes(measured[:lower], gains[:lower])
    off = measured - slope * gains - offset
    linear = gains[np.abs(off) <= _LINEAR_DB]
    compression = _compression(gains, off)
    if compression is not None:
        linear = linear[linear < compression]
    return GainCurve(
        points=tuple(
            GainPoint(set_db=float(gain), measured_db=round(float(db), 3))
            for gain, db in zip(gains, measured, strict=True)
        ),
        offset_db=round(float(offset), 3),
        slope_db_per_db=round(float(slope), 5),
        linear_from_db=float(linear[0]),
        linear_to_db=float(linear[-1]),
        compression_db=compression,
    )


def _compression(gains: np.ndarray, off: np.ndarray) -> float | None:
    """Where the curve falls 1 dB below the line and stays there."""
    below = off < -_COMPRESSION_DB
    if not below[-1]:
        return None
    # The line runs through the middle of the lower points: some are not below it.
    first = int(np.flatnonzero(~below)[-1]) + 1
    crossing = np.interp(_COMPRESSION_DB, -off[first - 1 : first + 1], gains[first - 1 : first + 1])
    return round(float(crossing), 2)


def close_in(
    points: dict[float, float], measure: Callable[[float], float | None], gains: GainRange
) -> None:
    """Measure on between the points on either side of the compression point, until they are close.

    Args:
        points: measured by set gain; what is measured is added.
        measure: gives the measured of a gain, None where it cannot be told.
        gains: that can be set.

    Raises:
        CalibrationError: as :func:`fit_gain_curve`.
    """
    for _ in range(_MOST_HALVINGS):
        compression = fit_gain_curve(points).compression_db
        if compression is None:
            return
        below = max((gain for gain in points if gain < compression), default=compression)
        above = min(gain for gain in points if gain >= compression)
        middle = settable(gains, (below + above) / 2)
        if above - below <= _CLOSE_DB or middle in points:
            return
        found = measure(middle)
        if found is None:
            return
        points[middle] = found
