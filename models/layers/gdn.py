# SPDX-License-Identifier: GPL-3.0-or-later
"""Generalised divisive normalisation."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _LowerBound(torch.autograd.Function):
    """``max(x, bound)`` whose gradient still lifts values that lie below the bound."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        (grad,) = grad_outputs
        return grad * ((x >= ctx.bound) | (grad < 0)), None


class GDN(nn.Module):
    r"""Generalised divisive normalisation (Balle et al., ICLR 2016).

    .. math:: y_i = x_i \left(\beta_i + \sum_j \gamma_{ij} x_j^2\right)^{-1/2}

    and, when ``inverse``, the product in place of the quotient (IGDN). ``beta`` and
    ``gamma`` are stored as square roots with an offset, which keeps them positive and their
    gradients alive near zero.

    Args:
        channels: feature channels C of the ``[B, C, H, W]`` input.
        inverse: IGDN, for synthesis transforms.
    """

    beta_min = 1e-6
    gamma_init = 0.1
    _offset = 2.0**-18

    def __init__(self, channels: int, inverse: bool = False) -> None:
        super().__init__()
        self.inverse = inverse
        self._pedestal = self._offset**2
        self._beta_bound = (self.beta_min + self._pedestal) ** 0.5
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + self._pedestal))
        self.gamma = nn.Parameter(
            torch.sqrt(self.gamma_init * torch.eye(channels) + self._pedestal)
        )

    def forward(self, x: Tensor) -> Tensor:
        beta = _LowerBound.apply(self.beta, self._beta_bound) ** 2 - self._pedestal
        gamma = _LowerBound.apply(self.gamma, self._offset) ** 2 - self._pedestal
        norm = F.conv2d(x * x, gamma[:, :, None, None], beta)
        return x * (torch.sqrt(norm) if self.inverse else torch.rsqrt(norm))
