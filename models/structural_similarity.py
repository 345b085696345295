# SPDX-License-Identifier: GPL-3.0-or-later
"""SSIM and MS-SSIM of large pictures, a few rows at a time, so that they stay in the cache.

SSIM is that of Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment:
From Error Visibility to Structural Similarity", IEEE Trans. Image Processing 13(4), 2004, with
its window and constants. MS-SSIM is that of Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale
Structural Similarity for Image Quality Assessment", Asilomar 2003. Both are taken of each colour
by itself, over the places where the whole window fits, as ``pytorch-msssim`` does.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
"""Side of the Gaussian window in pixels; smaller pictures have no SSIM."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, the finest first."""

MS_SSIM_SIDE = (WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Smallest side of which all scales can be taken."""

FloatArray = NDArray[np.float64]

_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_STRIP = 8


def ssim(a: Tensor, b: Tensor) -> float:
    """SSIM, mean over the colours.

    Args:
        a: ``[3, H, W]`` float32 in [0, 1], sides of at least :data:`WINDOW`.
        b: likewise.
    """
    return float(_means(a, b)[0].mean())


def ssim_and_ms_ssim(a: Tensor, b: Tensor) -> tuple[float, float]:
    """SSIM and MS-SSIM, means over the colours; the finest scale of the one is the other.

    Args:
        a: ``[3, H, W]`` float32 in [0, 1], sides of at least :data:`MS_SSIM_SIDE`.
        b: likewise.
    """
    whole, contrast = _means(a, b)
    product = contrast.relu() ** SCALE_WEIGHTS[0]
    for weight in SCALE_WEIGHTS[1:]:
        odd = [side % 2 for side in a.shape[1:]]
        a, b = (F.avg_pool2d(picture, 2, padding=odd) for picture in (a, b))
        similarity, contrast = _means(a, b)
        last = weight == SCALE_WEIGHTS[-1]
        product *= (similarity if last else contrast).relu() ** weight
    return float(whole.mean()), float(product.mean())


def _means(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Mean SSIM ``[3]`` of each colour and mean of its contrast and structure factor ``[3]``."""
    # In NumPy: threads, as PyTorch's, cost more than they gain on pieces that fit the cache. In
    # double precision: variances are small differences, and flat pictures are told apart by them.
    x, y = a.cpu().numpy(), b.cpu().numpy()
    rows, columns = (side - WINDOW + 1 for side in x.shape[1:])
    sums = np.zeros((2, x.shape[0]))
    for top in range(0, rows, _STRIP):
        strip = slice(top, min(top + _STRIP, rows) + WINDOW - 1)
        maps = _maps(x[:, strip].astype(np.float64), y[:, strip].astype(np.float64))
        for total, values in zip(sums, maps, strict=True):
            total += values.sum((1, 2))
    similarity, contrast = torch.from_numpy(sums / (rows * columns))
    return similarity, contrast


def _maps(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """SSIM and its contrast and structure factor, ``[3, h - 10, w - 10]`` each."""
    mean_a, mean_b, energy, product = _blur(np.stack((a, b, a * a + b * b, a * b)))
    mean_energy, mean_product = mean_a * mean_a + mean_b * mean_b, mean_a * mean_b
    contrast = (2 * (product - mean_product) + _C2) / (energy - mean_energy + _C2)
    return (2 * mean_product + _C1) / (mean_energy + _C1) * contrast, contrast


def _blur(x: FloatArray) -> FloatArray:
    """Means under the Gaussian window, along the last two axes, where it fits."""
    half = WINDOW // 2
    window = np.exp(-(np.arange(-half, half + 1, dtype=np.float64) ** 2) / (2 * _SIGMA**2))
    window /= window.sum()
    # Sums of shifted slices, each pair of equal weight at once.
    for axis in (-2, -1):
        slices = sliding_window_view(x, WINDOW, axis)
        total = slices[..., half] * window[half]
        for i in range(half):
            pair = slices[..., i] + slices[..., -1 - i]
            pair *= window[i]
            total += pair
        x = total
    return x
