# SPDX-License-Identifier: GPL-3.0-or-later
"""Generalised divisive normalisation."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GDN(nn.Module):
    """Generalised divisive normalisation (Balle et al., ICLR 2016).

    .. math:: y_i = x_i \\left(\\beta_i + \\sum_j \\gamma_{ij} x_j^2\\right)^{-1/2}

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
        pedestal = self._offset**2
        self._beta_bound = (self.beta_min + pedestal) ** 0.5
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + pedestal))
        self.gamma = nn.Parameter(torch.sqrt(self.gamma_init * torch.eye(channels) + pedestal))

    def forward(self, x: Tensor) -> Tensor:
        pedestal = self._offset**2
        beta = self.beta.clamp_min(self._beta_bound) ** 2 - pedestal
        gamma = self.gamma.clamp_min(self._offset) ** 2 - pedestal
        norm = F.conv2d(x * x, gamma[:, :, None, None], beta)
        return x * (torch.sqrt(norm) if self.inverse else torch.rsqrt(norm))
