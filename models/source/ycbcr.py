# SPDX-License-Identifier: GPL-3.0-or-later
"""RGB and 8-bit YCbCr of full range (ITU-T T.871, the matrix of BT.601), in floating point.

Rounding to 8 bit is all that it loses: a picture comes back with about 52 dB.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semcom_models.source.base import RGB8

_KR, _KG, _KB = 0.299, 0.587, 0.114
_TO_YCBCR = np.array(
    [
        [_KR, _KG, _KB],
        [-0.5 * _KR / (1 - _KB), -0.5 * _KG / (1 - _KB), 0.5],
        [0.5, -0.5 * _KG / (1 - _KR), -0.5 * _KB / (1 - _KR)],
    ]
)
_TO_RGB = np.linalg.inv(_TO_YCBCR)
_NEUTRAL = np.array([0, 128, 128])


def ycbcr_of_rgb(rgb: RGB8) -> NDArray[np.uint8]:
    """uint8 ``[H, W, 3]`` as planes Y, Cb, Cr: uint8 ``[3, H, W]``."""
    return _transformed(rgb.transpose(2, 0, 1), _TO_YCBCR, _NEUTRAL)


def rgb_of_ycbcr(planes: NDArray[np.uint8]) -> RGB8:
    """Planes Y, Cb, Cr, uint8 ``[3, H, W]``, as uint8 ``[H, W, 3]``."""
    rgb = _transformed(planes, _TO_RGB, -_TO_RGB @ _NEUTRAL)
    return np.ascontiguousarray(rgb.transpose(1, 2, 0))


def _transformed(
    planes: NDArray[np.uint8], matrix: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.uint8]:
    values = matrix.astype(np.float32) @ planes.reshape(3, -1).astype(np.float32)
    values += (offset + 0.5).astype(np.float32)[:, None]  # and truncated below: rounded
    return np.clip(values, 0, 255, out=values).astype(np.uint8).reshape(planes.shape)
