# SPDX-License-Identifier: GPL-3.0-or-later
"""The attention feature (AF) module of ADJSCC."""

import math

import torch
from torch import Tensor, nn

START_FACTOR = 0.88
"""Scaling factor at the start of training: nearly "leave it alone", where the sigmoid still
learns. A half, the sigmoid's own middle, would fade the signal at every layer."""


class AttentionFeature(nn.Module):
    """Scales feature channels by a factor predicted from their means and the SNR.

    Xu et al., ADJSCC, eq. (7)-(10) and Algorithm 1: global average pooling, concatenation
    with the SNR in dB, a two-layer perceptron (ReLU, sigmoid), channel-wise product.

    Args:
        channels: feature channels C.
        hidden: width of the perceptron's hidden layer.
    """

    def __init__(self, channels: int, hidden: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels + 1, hidden)
        self.excite = nn.Linear(hidden, channels)
        nn.init.constant_(self.excite.bias, math.log(START_FACTOR / (1 - START_FACTOR)))
        nn.init.normal_(self.excite.weight, std=0.1 * hidden**-0.5)

    def factors(self, pooled: Tensor, snr_db: Tensor) -> Tensor:
        """Scaling factors ``[B, C]`` in (0, 1) of eq. (9).

        Args:
            pooled: channel means ``[B, C]``, eq. (7).
            snr_db: ``[B]``, dB.
        """
        context = torch.cat((pooled, snr_db[:, None].to(pooled.dtype)), dim=1)
        return torch.sigmoid(self.excite(torch.relu(self.squeeze(context))))

    def forward(self, x: Tensor, snr_db: Tensor) -> Tensor:
        return x * self.factors(x.mean((2, 3)), snr_db)[:, :, None, None]
