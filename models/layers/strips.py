# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers applied strip by strip, exactly: large pictures in bounded memory.

A convolution, what follows it pixel by pixel, and nothing global can be computed for a strip of
output rows from a strip of input rows with a halo. The result is that of the whole picture; only
intermediate values of the whole are never held.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIP_PIXELS = 1 << 19
"""Input and output pixels of a layer that are worked on at a time, at most."""


def strips_of(conv: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, pixels: int) -> list[range]:
    """Output rows of ``conv`` over ``x``, cut into strips of at most ``pixels`` pixels."""
    height, width = _output_size(conv, x)
    rows = max(1, pixels // max(width, x.shape[3]))
    return [range(top, min(top + rows, height)) for top in range(0, height, rows)]


def convolve_rows(conv: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, rows: range) -> Tensor:
    """Rows ``rows`` of ``conv(x)``.

    Args:
        conv: square kernel, symmetric padding, no dilation, one group.
        x: ``[B, C, H, W]``, the whole input.
        rows: of the output.

    Returns:
        ``[B, C', len(rows), W']``.
    """
    if isinstance(conv, nn.ConvTranspose2d):
        return _transposed_rows(conv, x, rows)
    return _plain_rows(conv, x, rows)


def _plain_rows(conv: nn.Conv2d, x: Tensor, rows: range) -> Tensor:
    size, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    top = rows.start * stride - padding
    bottom = (rows.stop - 1) * stride - padding + size
    part = x[:, :, max(top, 0) : min(bottom, x.shape[2])]
    above, below = max(-top, 0), max(bottom - x.shape[2], 0)
    part = F.pad(part, (padding, padding, above, below))
    return F.conv2d(part, conv.weight, conv.bias, stride)


def _transposed_rows(conv: nn.ConvTranspose2d, x: Tensor, rows: range) -> Tensor:
    size, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    first = max(0, -((size - 1 - padding - rows.start) // stride))
    last = min(x.shape[2] - 1, (rows.stop - 1 + padding) // stride)
    spread = F.conv_transpose2d(
        x[:, :, first : last + 1],
        conv.weight,
        conv.bias,
        stride,
        padding=(0, padding),
        output_padding=(0, conv.output_padding[1]),
    )
    start = rows.start + padding - first * stride
    return spread[:, :, start : start + len(rows)]


def _output_size(conv: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> tuple[int, int]:
    size, stride, padding = conv.kernel_size[0], conv.stride[0], int(conv.padding[0])
    height, width = x.shape[2:]
    if isinstance(conv, nn.ConvTranspose2d):
        extra = size - 2 * padding + conv.output_padding[0]
        return (height - 1) * stride + extra, (width - 1) * stride + extra
    return (
        (height + 2 * padding - size) // stride + 1,
        (width + 2 * padding - size) // stride + 1,
    )


def allocate_output(conv: nn.Conv2d | nn.ConvTranspose2d, x: Tensor) -> Tensor:
    """Uninitialised room for ``conv(x)``, channels last as the convolutions like it."""
    shape = (x.shape[0], conv.out_channels, *_output_size(conv, x))
    return torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
