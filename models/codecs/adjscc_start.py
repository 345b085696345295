# SPDX-License-Identifier: GPL-3.0-or-later
"""Initial weights of ADJSCC: the network starts as a linear block code.

With random weights an ADJSCC spends its first thousands of updates finding out that the mean of a
picture costs power, and that ten layers must not lose the rest. Here it starts as what SoftCast
would do with 4x4 blocks: a Haar transform of the three opponent colours, the strongest
coefficients kept and scaled by the fourth root of their variance, and the decoder's inverse. The
remaining features start as faint random filters. All of it is free to change in training.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from semcom_models.codecs.adjscc import ADJSCC

_COLOURS = torch.tensor(
    [[1 / 3**0.5] * 3, [1 / 2**0.5, 0.0, -1 / 2**0.5], [1 / 6**0.5, -2 / 6**0.5, 1 / 6**0.5]]
)
_HAAR = 0.5 * torch.tensor([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
_FAINT = 0.03
"""Standard deviation of the random part, relative to weights that keep the variance."""
_MEAN = 0.45
"""Mean of natural pictures, which the first layer takes away."""
_GAIN = 0.5
"""Features stay small, where GDN is nearly linear."""


def _strength(colour: int, fine: int, coarse: int) -> float:
    """Typical standard deviation of a coefficient of the two-level Haar transform."""
    level = 0.06 if fine == 3 else 0.12 if fine else 0.3 if coarse else 1.5
    if fine and coarse:
        level *= 0.8
    return level * (1.0, 0.25, 0.12)[colour]


def _coefficients() -> list[tuple[int, float]]:
    """Index and strength of the 48 coefficients of a 4x4 block, strongest first.

    The index counts as the second layer's features do: ``(colour * 4 + fine) * 4 + coarse``.
    """
    triples = product(range(3), range(4), range(4))
    ranked = [((c * 4 + f) * 4 + g, _strength(c, f, g)) for c, f, g in triples]
    return sorted(ranked, key=lambda item: -item[1])


@torch.no_grad()
def start_linear(network: ADJSCC) -> None:
    """Give ``network`` the weights of the linear block code."""
    encoder, decoder = network.encoder, network.decoder
    for layer in (*encoder.layers, *decoder.layers):
        conv = layer.conv
        taps = math.prod(conv.kernel_size)
        if isinstance(conv, nn.ConvTranspose2d):
            taps /= math.prod(conv.stride)
        nn.init.normal_(conv.weight, std=_FAINT * (conv.in_channels * taps) ** -0.5)
        nn.init.zeros_(conv.bias)
    # What an AF module takes away when training starts, the next layer gives back.
    fade = 1 / torch.sigmoid(torch.tensor(2.0)).item() if network.size.attention else 1.0
    kept = [item for item in _coefficients() if item[0] < network.size.filters]
    kept = kept[: network.size.channels]
    first = torch.kron(_COLOURS, _HAAR).reshape(12, 4, 3, 1).new_zeros(12, 3, 2, 2)
    for colour, fine in product(range(3), range(4)):
        first[colour * 4 + fine] = _COLOURS[colour][:, None, None] * _HAAR[fine].reshape(2, 2)
    second = torch.zeros(48, 12, 2, 2)
    for index, coarse in product(range(12), range(4)):
        second[index * 4 + coarse, index] = _HAAR[coarse].reshape(2, 2)
    select = torch.zeros(network.size.channels, 48)
    restore = torch.zeros(network.size.channels, 48)
    for row, (index, strength) in enumerate(kept):
        select[row, index] = (strength * _GAIN) ** -0.5
        restore[row, index] = (strength * _GAIN) ** 0.5
    total = sum(s * _GAIN for _, s in kept) / len(kept)
    select /= total**0.5
    restore *= (2 * total) ** 0.5  # a codeword of unit power has real parts of half of it
    _place(encoder.layers[0].conv, first * _GAIN)
    encoder.layers[0].conv.bias.copy_(-_MEAN * encoder.layers[0].conv.weight.sum((1, 2, 3)))
    _place(encoder.layers[1].conv, second * fade)
    for middle in (2, 3):
        _place(encoder.layers[middle].conv, torch.eye(network.size.filters)[..., None, None] * fade)
    _place(encoder.layers[4].conv, select[..., None, None] * fade)
    _place(decoder.layers[0].conv, restore[..., None, None])
    for middle in (1, 2):
        _place(decoder.layers[middle].conv, torch.eye(network.size.filters)[..., None, None] * fade)
    _place(decoder.layers[3].conv, second * fade)
    # Near one half the sigmoid's slope is a quarter.
    _place(decoder.layers[4].conv, first * (4 * fade / _GAIN))
    decoder.layers[4].conv.bias.fill_(4 * (_MEAN - 0.5))


def _place(conv: nn.Conv2d | nn.ConvTranspose2d, block: Tensor) -> None:
    """Set the central taps of the leading features to ``block``, as far as there are features."""
    side, size = block.shape[-1], conv.kernel_size[0]
    start = size // 2
    rows, columns = (min(a, b) for a, b in zip(block.shape, conv.weight.shape[:2], strict=False))
    conv.weight[:rows, :columns, start : start + side, start : start + side] = block[:rows, :columns]
