# SPDX-License-Identifier: GPL-3.0-or-later
import math
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_models.study import interval as module
from semcom_models.study.interval import Interval, interval


def mean_of(values: NDArray[np.float64], numbers: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(values[numbers].mean(-1))


def test_holds_the_mean_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESAMPLES", 300)
    rng = np.random.default_rng(3)
    held = 0
    for values in rng.exponential(1.0, (200, 80)):
        found = interval(partial(mean_of, values), 80)
        assert found.value == pytest.approx(values.mean())
        held += found.low < 1 < found.high
    assert 0.87 < held / 200 < 0.98


def test_is_the_same_each_time_and_knows_signs() -> None:
    values = np.random.default_rng(0).normal(1.0, 1.0, 100)

    def mean_less(shift: float) -> Interval:
        return interval(lambda numbers: values[numbers].mean(-1) - shift, 100)

    assert mean_less(0.5) == mean_less(0.5)
    assert mean_less(0.5).low > 0
    assert mean_less(1.5).high < 0
    assert mean_less(1.0).low < 0 < mean_less(1.0).high


def test_of_one_picture_nothing_is_known_but_the_figure() -> None:
    found = interval(lambda numbers: np.array([2.5])[numbers].mean(-1), 1)
    assert found.value == 2.5
    assert math.isnan(found.low)
    assert math.isnan(found.high)
