# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a figure is known that was taken over a set of pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 1000

Statistic: TypeAlias = Callable[[NDArray[np.intp]], NDArray[np.floating]]
"""Figures ``[...]`` of sets of pictures, which are given by numbers ``[..., pictures]``."""


@dataclass(frozen=True)
class Interval:
    """A figure over pictures.

    Attributes:
        value: over the pictures as they are.
        low, high: ends of its 95 % interval.
    """

    value: float
    low: float
    high: float


def interval(statistic: Statistic, pictures: int) -> Interval:
    """A figure and its percentile bootstrap interval, over pictures drawn anew with a fixed seed.

    Args:
        statistic: the figure.
        pictures: how many there are; of one picture both ends of the interval are NaN.
    """
    numbers = np.arange(pictures)
    value = float(statistic(numbers))
    if pictures < 2:
        return Interval(value, float("nan"), float("nan"))

    def of_samples(sample: NDArray[np.intp], axis: int) -> Any:
        return statistic(np.moveaxis(sample, axis, -1))

    result = bootstrap(
        (numbers,),
        of_samples,
        n_resamples=RESAMPLES,
        batch=100,
        method="percentile",
        random_state=np.random.default_rng(0),
    )
    return Interval(value, *map(float, result.confidence_interval))
