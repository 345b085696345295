# SPDX-License-Identifier: GPL-3.0-or-later
"""How good a received picture is.

All measures compare pictures as a user sees them and as they are saved: clipped and rounded to
8 bit (:func:`semcom_models.data.round_to_8_bit`). Pictures are float RGB ``[3, H, W]`` in [0, 1].
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import torch
from pytorch_msssim import ms_ssim as _ms_ssim
from pytorch_msssim import ssim as _ssim
from torch import Tensor

from semcom_models.data import round_to_8_bit
from semcom_models.psnr import psnr_of_mse_db

SSIM_WINDOW = 11
"""Side of the Gaussian window of SSIM in pixels; smaller pictures have no SSIM."""

MS_SSIM_SIDE = 161
"""Smallest side of which MS-SSIM's five scales can be taken."""

LPIPS_SIDE = 31
"""Smallest side of which AlexNet has features at all five depths."""


def mse(received: Tensor, sent: Tensor) -> float:
    """Mean squared error after rounding to 8 bit, for a peak of one.

    Raises:
        ValueError: pictures of different shapes.
    """
    _check_shapes(received, sent)
    steps = round_to_8_bit(received).int() - round_to_8_bit(sent).int()
    return int(steps.square_().sum(dtype=torch.int64)) / (255**2 * steps.numel())


def psnr_db(received: Tensor, sent: Tensor) -> float:
    """Peak signal-to-noise ratio in dB, at most :data:`semcom_models.psnr.PSNR_LIMIT_DB`.

    Raises:
        ValueError: pictures of different shapes.
    """
    return psnr_of_mse_db([mse(received, sent)])


def ssim(received: Tensor, sent: Tensor) -> float | None:
    """Structural similarity (Wang et al., IEEE TIP 2004), mean over the colours.

    Returns:
        At most 1; None for pictures with a side below :data:`SSIM_WINDOW`.

    Raises:
        ValueError: pictures of different shapes.
    """
    a, b = _seen(received, sent)
    if min(a.shape[-2:]) < SSIM_WINDOW:
        return None
    return float(_ssim(a[None], b[None], data_range=1.0, win_size=SSIM_WINDOW))


def ms_ssim(received: Tensor, sent: Tensor) -> float | None:
    """Multi-scale structural similarity (Wang et al., Asilomar 2003), mean over the colours.

    Returns:
        0 to 1; None for pictures with a side below :data:`MS_SSIM_SIDE`.

    Raises:
        ValueError: pictures of different shapes.
    """
    a, b = _seen(received, sent)
    if min(a.shape[-2:]) < MS_SSIM_SIDE:
        return None
    return float(_ms_ssim(a[None], b[None], data_range=1.0, win_size=SSIM_WINDOW))


def lpips(received: Tensor, sent: Tensor) -> float | None:
    """Learned perceptual distance (Zhang et al., CVPR 2018), version 0.1 over AlexNet.

    It needs torchvision and AlexNet's weights, which torchvision fetches when they are first
    needed. Where they cannot be had, a warning says why, once.

    Returns:
        0 for pictures that are the same, about 1 for unlike ones; None where it cannot be had, and
        for pictures with a side below :data:`LPIPS_SIDE`.

    Raises:
        ValueError: pictures of different shapes.
    """
    a, b = _seen(received, sent)
    network = _lpips_network() if min(a.shape[-2:]) >= LPIPS_SIDE else None
    if network is None:
        return None
    with torch.no_grad():
        return float(network(2 * a[None] - 1, 2 * b[None] - 1))


@functools.cache
def _lpips_network() -> Callable[[Tensor, Tensor], Tensor] | None:
    """Of pictures ``[B, 3, H, W]`` in [-1, 1]."""
    try:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=False)
    except (ImportError, OSError) as error:  # no torchvision; weights that cannot be fetched
        reason = str(error).splitlines()[0]
        warnings.warn(f"LPIPS is not measured: {reason}", stacklevel=3)
        return None


def _seen(received: Tensor, sent: Tensor) -> tuple[Tensor, Tensor]:
    _check_shapes(received, sent)
    return round_to_8_bit(received).float() / 255, round_to_8_bit(sent).float() / 255


def _check_shapes(received: Tensor, sent: Tensor) -> None:
    if received.shape != sent.shape:
        raise ValueError(
            f"pictures of {list(received.shape)} and {list(sent.shape)} cannot be compared"
        )
