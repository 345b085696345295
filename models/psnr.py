# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak signal-to-noise ratio of errors that are known; without PyTorch, which takes a while."""

from __future__ import annotations

import math
from collections.abc import Iterable

PSNR_LIMIT_DB = 100.0
"""PSNR of pictures that are the same; keeps means over pictures finite."""


def psnr_of_mse_db(errors: Iterable[float]) -> float:
    """PSNR in dB of the mean of the pictures' :func:`semcom_models.metrics.mse`.

    What ADJSCC's Table I reports, in place of the mean of the pictures' PSNRs; never above it.

    Raises:
        ValueError: no errors.
    """
    values = list(errors)
    if not values:
        raise ValueError("the PSNR of no pictures was asked for")
    error = math.fsum(values) / len(values)
    return PSNR_LIMIT_DB if error <= 0 else min(PSNR_LIMIT_DB, -10 * math.log10(error))
