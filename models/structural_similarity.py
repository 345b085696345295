# SPDX-License-Identifier: GPL-3.0-or-later
"""SSIM and MS-SSIM of large pictures, a few rows at a time, so that they stay in the cache.

SSIM is that of Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment:
From Error Visibility to Structural Similarity", IEEE Trans. Image Processing 13(4), 2004, with
its window and constants. MS-SSIM is that of Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multiscale
Structural Similarity for Image Quality Assessment", Asilomar 2003. Both are taken of each colour
by itself, over the places where the whole window fits, as ``pytorch-msssim`` does.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 11
"""Side of the Gaussian window in pixels; smaller pictures have no SSIM."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, the finest first."""

MS_SSIM_SIDE = (WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""Smallest side of which all scales can be taken."""

_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_STRIP = 16


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
    rows, columns = (side - WINDOW + 1 for side in a.shape[1:])
    sums = torch.zeros(2, a.shape[0], dtype=torch.float64)
    for top in range(0, rows, _STRIP):
        strip = slice(top, min(top + _STRIP, rows) + WINDOW - 1)
        similarity, contrast = _maps(a[:, strip], b[:, strip])
        sums[0] += similarity.sum((1, 2), dtype=torch.float64)
        sums[1] += contrast.sum((1, 2), dtype=torch.float64)
    whole, contrast = sums / (rows * columns)
    return whole, contrast


def _maps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """SSIM and its contrast and structure factor, ``[3, h - 10, w - 10]`` each."""
    mean_a, mean_b, energy, product = _blur(torch.stack((a, b, a * a + b * b, a * b)))
    mean_energy, mean_product = mean_a * mean_a + mean_b * mean_b, mean_a * mean_b
    contrast = (2 * (product - mean_product) + _C2) / (energy - mean_energy + _C2)
    return (2 * mean_product + _C1) / (mean_energy + _C1) * contrast, contrast


def _blur(x: Tensor) -> Tensor:
    """Means under the Gaussian window, along the last two axes, where it fits."""
    offsets = torch.arange(WINDOW) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    # Sums of shifted slices: convolutions with one channel each are several times slower.
    for axis in (-2, -1):
        kept = x.shape[axis] - WINDOW + 1
        total = x.narrow(axis, 0, kept) * window[0]
        for shift, factor in enumerate(window.tolist()[1:], 1):
            total.add_(x.narrow(axis, shift, kept), alpha=factor)
        x = total
    return x
