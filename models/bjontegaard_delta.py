# SPDX-License-Identifier: GPL-3.0-or-later
"""Bjontegaard's deltas between two curves of PSNR over rate (VCEG-M33, 2001).

Interpolation is Akima's, which the authors of the ``bjontegaard`` package recommend (Herglotz et
al., ICIP 2022). A curve is a list of (rate, PSNR in dB); any unit of rate will do, bandwidth ratios
too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import bjontegaard

Curve: TypeAlias = Sequence[tuple[float, float]]

MIN_POINTS = 4
"""Of a curve, as Bjontegaard has it."""


def bd_rate_percent(anchor: Curve, test: Curve) -> float | None:
    """Rate that a curve needs more than the anchor for the same PSNR, on average.

    The package warns where the curves share less than three quarters of their range.

    Returns:
        Percent; None where the curves have no PSNR in common.

    Raises:
        ValueError: a curve of fewer than :data:`MIN_POINTS`, or along which the PSNR does not rise.
    """
    (rates, psnrs), (test_rates, test_psnrs) = _checked(anchor), _checked(test)
    if not _overlap(psnrs, test_psnrs):
        return None
    return float(bjontegaard.bd_rate(rates, psnrs, test_rates, test_psnrs, *_AKIMA))


def bd_psnr_db(anchor: Curve, test: Curve) -> float | None:
    """PSNR that a curve has more than the anchor at the same rate, on average.

    Returns:
        dB; None where the curves have no rate in common.

    Raises:
        ValueError: as :func:`bd_rate_percent`.
    """
    (rates, psnrs), (test_rates, test_psnrs) = _checked(anchor), _checked(test)
    if not _overlap(rates, test_rates):
        return None
    return float(bjontegaard.bd_psnr(rates, psnrs, test_rates, test_psnrs, *_AKIMA))


_AKIMA = ("akima", False)
"""The method; and curves may have different numbers of points."""


def _checked(curve: Curve) -> tuple[list[float], list[float]]:
    """Rates and PSNRs in ascending order."""
    rates, psnrs = ([point[i] for point in sorted(curve)] for i in (0, 1))
    if len(rates) < MIN_POINTS:
        raise ValueError(
            f"a curve of {len(rates)} points: Bjontegaard's deltas take at least {MIN_POINTS}"
        )
    if rates[0] <= 0 or not all(map(math.isfinite, rates + psnrs)):
        raise ValueError(
            "a curve with a rate or a PSNR that is not finite, or a rate that is not positive"
        )
    if any(a >= b for values in (rates, psnrs) for a, b in pairwise(values)):
        raise ValueError("a curve along which rate and PSNR do not both rise from point to point")
    return rates, psnrs


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return max(a[0], b[0]) < min(a[-1], b[-1])
