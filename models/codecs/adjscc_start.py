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
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from semcom_models.layers.attention_feature import START_FACTOR

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


def _block_transform() -> tuple[Tensor, Tensor]:
    """Weights ``[12, 3, 2, 2]`` and ``[48, 12, 2, 2]`` of the two Haar levels."""
    fine = torch.zeros(12, 3, 2, 2)
    for colour, band in product(range(3), range(4)):
        fine[colour * 4 + band] = _COLOURS[colour][:, None, None] * _HAAR[band].reshape(2, 2)
    coarse = torch.zeros(48, 12, 2, 2)
    for feature, band in product(range(12), range(4)):
        coarse[feature * 4 + band, feature] = _HAAR[band].reshape(2, 2)
    return fine, coarse


def _power_allocation(channels: int, filters: int) -> tuple[Tensor, Tensor]:
    """Weights ``[channels, 48, 1, 1]`` that select and scale coefficients, and their inverse.

    Scaling by ``strength ** -1/2`` is SoftCast's allocation (Jakubczak and Katabi, 2011).
    """
    kept = [(index, s * _GAIN) for index, s in _coefficients() if index < filters][:channels]
    # A codeword of unit power has real parts of half of it.
    power = sum(strength for _, strength in kept) / len(kept)
    select, restore = torch.zeros(2, channels, 48, 1, 1)
    for row, (index, strength) in enumerate(kept):
        select[row, index] = (strength * power) ** -0.5
        restore[row, index] = (strength * power * 2) ** 0.5
    return select, restore


def _faint_noise(conv: nn.Conv2d | nn.ConvTranspose2d) -> None:
    taps = math.prod(conv.kernel_size)
    if isinstance(conv, nn.ConvTranspose2d):
        taps //= math.prod(conv.stride)
    nn.init.normal_(conv.weight, std=_FAINT * (conv.in_channels * taps) ** -0.5)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)


@torch.no_grad()
def start_linear(network: ADJSCC) -> None:
    """Give ``network`` the weights of the linear block code."""
    encoder, decoder = network.encoder.convolutions, network.decoder.convolutions
    for conv in (*encoder, *decoder):
        _faint_noise(conv)
    # What an AF module takes away when training starts, the next layer gives back.
    gain = 1 / START_FACTOR if network.size.attention else 1.0
    same = torch.eye(network.size.filters)[..., None, None]
    fine, coarse = _block_transform()
    select, restore = _power_allocation(network.size.channels, network.size.filters)
    for conv, block in zip(
        encoder,
        (fine * _GAIN, coarse * gain, same * gain, same * gain, select * gain),
        strict=True,
    ):
        _place(conv, block)
    cast(Tensor, encoder[0].bias).copy_(-_MEAN * encoder[0].weight.sum((1, 2, 3)))
    # Near one half the slope of the decoder's sigmoid is a quarter.
    last = fine * (4 * gain / _GAIN)
    for conv, block in zip(
        decoder, (restore, same * gain, same * gain, coarse * gain, last), strict=True
    ):
        _place(conv, block)
    cast(Tensor, decoder[-1].bias).fill_(4 * (_MEAN - 0.5))


def _place(conv: nn.Conv2d | nn.ConvTranspose2d, block: Tensor) -> None:
    """Set the central taps of the leading features to ``block``, as far as there are features."""
    rows = min(block.shape[0], conv.weight.shape[0])
    columns = min(block.shape[1], conv.weight.shape[1])
    taps = slice(conv.kernel_size[0] // 2, conv.kernel_size[0] // 2 + block.shape[-1])
    conv.weight[:rows, :columns, taps, taps] = block[:rows, :columns]
