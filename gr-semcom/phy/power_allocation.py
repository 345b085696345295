# SPDX-License-Identifier: GPL-3.0-or-later
"""Power of the eigenmodes of a channel: for most information, or for least error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

PowerRule: TypeAlias = Literal["equal", "water-filling", "least-error"]
"""How power is shared among streams."""

_DEAD = 1e200
"""Cost of a channel that never gets power; sums of it stay finite."""


def water_filling(gains: NDArray[np.floating], budget: float) -> NDArray[np.float64]:
    """Power of parallel channels that maximises their mutual information.

    ``p_i = max(mu - 1 / gains_i, 0)`` with ``mu`` such that the powers sum to the budget (Tse
    and Viswanath, "Fundamentals of Wireless Communication", Cambridge 2005, section 5.3.3).

    Args:
        gains: ``[..., n]``, SNR of each channel at unit power, non-negative.
        budget: total power over the last axis.

    Returns:
        Powers ``[..., n]``; equally strong channels share equally, those without gain too.

    Raises:
        ValueError: a negative budget, or a gain that is negative or not a number.
    """
    gains = np.asarray(gains, np.float64)
    if not budget >= 0:
        raise ValueError(f"the power budget is {budget}, it cannot be negative")
    if np.isnan(gains).any() or (gains < 0).any():
        raise ValueError("channel gains must be non-negative numbers")
    count = gains.shape[-1]
    best = gains.max(axis=-1, keepdims=True)
    # Costs count from the best channel's, so that weak channels do not swamp the budget.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        cost = np.where(gains == best, 0.0, np.minimum(1 / gains - 1 / best, _DEAD))
    ascending = np.sort(cost, axis=-1)
    levels = (budget + np.cumsum(ascending, axis=-1)) / np.arange(1, count + 1)
    # Channels in use: those cheaper than the level that they themselves lead to.
    in_use = np.sum(levels > ascending, axis=-1, keepdims=True)
    level = np.take_along_axis(levels, np.maximum(in_use - 1, 0), axis=-1)
    return np.maximum(level - cost, 0.0)


def least_error_powers(gains: NDArray[np.floating], budget: float) -> NDArray[np.float64]:
    """Power of parallel channels that minimises ``sum 1 / (1 + gains * powers)``.

    ``p_i = max(mu / sqrt(gains_i) - 1 / gains_i, 0)``: Palomar, Cioffi, Lagunas, "Joint Tx-Rx
    beamforming design for multicarrier MIMO channels", IEEE Trans. Signal Processing 51(9), 2003,
    section IV. Unlike water-filling it gives the weaker of two channels in use more.

    Args:
        gains: ``[..., n]``, SNR of each channel at unit power, falling along the last axis.
        budget: total power over the last axis.

    Returns:
        Powers ``[..., n]``.
    """
    gains = np.maximum(np.asarray(gains, np.float64), 1e-12)
    weight, cost = gains**-0.5, 1 / gains
    level = (budget + np.cumsum(cost, -1)) / np.cumsum(weight, -1)
    # Channels in use: as many of the strongest as are left with power at their common level.
    in_use = np.sum(level * weight > cost, axis=-1, keepdims=True)
    chosen = np.take_along_axis(level, np.maximum(in_use - 1, 0), axis=-1)
    return np.maximum(chosen * weight - cost, 0.0)


POWER_RULES: dict[PowerRule, Callable[[NDArray[np.floating], float], NDArray[np.float64]]] = {
    "equal": lambda gains, budget: np.full(gains.shape, budget / gains.shape[-1]),
    "water-filling": water_filling,
    "least-error": least_error_powers,
}
"""Powers of ``gains[..., n]`` and a budget, by the rule's name."""
