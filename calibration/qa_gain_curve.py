# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines, and where curves leave them."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio.semcom.radios.bench import GainRange
from hypothesis import given
from hypothesis import strategies as st

from semcom_calibration.errors import CalibrationError
from semcom_calibration.gain_curve import close_in, fit_gain_curve
from semcom_calibration.gains import settable, spread

RANGE = GainRange(0.0, 60.0, 0.5)


def soft(gain_db: float, end_db: float) -> float:
    """Rapp's amplifier of smoothness 1: 1 dB down at the output end_db - 5.87 dB, or so."""
    return gain_db - 10 * float(np.log10(1 + 10 ** ((gain_db - end_db) / 10)))


def compression_of_soft(end_db: float) -> float:
    return end_db + 10 * float(np.log10(10**0.1 - 1))


def test_compression_is_closed_in_on() -> None:
    points = {gain: soft(gain, 50.0) - 70 for gain in spread(RANGE, 12)}
    asked = []

    def measure(gain_db: float) -> float:
        asked.append(gain_db)
        return soft(gain_db, 50.0) - 70

    close_in(points, measure, RANGE)
    curve = fit_gain_curve(points)
    assert curve.compression_db == pytest.approx(compression_of_soft(50.0), abs=0.15)
    assert curve.offset_db == pytest.approx(-70, abs=0.05)
    assert curve.slope_db_per_db == pytest.approx(1, abs=0.01)
    assert 35 < curve.linear_to_db < compression_of_soft(50.0)
    assert len(asked) <= 4


def test_a_line_has_no_compression() -> None:
    """Steps that are 0.4 dB off, as those of gain tables, are no compression."""
    curve = fit_gain_curve({gain: gain + 3 + 0.4 * (-1) ** n for n, gain in enumerate(range(9))})
    assert curve.compression_db is None
    assert (curve.linear_from_db, curve.linear_to_db) == (0.0, 8.0)


def test_a_dip_is_no_compression() -> None:
    points = {float(gain): float(gain) for gain in range(0, 60, 5)}
    points[30.0] = 27.0
    curve = fit_gain_curve(points)
    assert curve.compression_db is None
    assert curve.uncompressed_db(30.0, 100.0) == 27.0
    assert curve.uncompressed_db(30.0, 20.0) == 30.0
    assert curve.uncompressed_db(70.0, 100.0) == 70.0


def test_slope_tells_an_automatic_gain() -> None:
    assert fit_gain_curve({float(g): 0.9 * g for g in range(5)}).slope_db_per_db == pytest.approx(
        0.9
    )


def test_too_few_points() -> None:
    with pytest.raises(CalibrationError, match="at 3 gains only"):
        fit_gain_curve({0.0: 1.0, 1.0: 2.0, 2.0: 3.0})


@given(
    low=st.floats(-100, 100),
    width=st.floats(0, 100),
    step=st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.0]),
    wanted=st.floats(-300, 300),
)
def test_gains_can_be_set(low: float, width: float, step: float, wanted: float) -> None:
    gains = GainRange(low, low + width, step)
    near = settable(gains, wanted)
    assert low - 1e-6 <= near <= gains.high + 1e-6
    if step and near < gains.high - 1e-5:
        steps = (near - low) / step
        assert steps == pytest.approx(round(steps), abs=1e-4)
    all_of_them = spread(gains, 8)
    assert all_of_them == sorted(set(all_of_them))
    assert all_of_them[0] == pytest.approx(low, abs=1e-5)
