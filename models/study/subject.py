# SPDX-License-Identifier: GPL-3.0-or-later
"""What is studied: a network with its weights, pictures that fit it, and the channel between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from semcom_models.channels import LossyAWGN
from semcom_models.codecs.adjscc import DOWNSAMPLING, ADJSCCCodec
from semcom_models.codecs.registry import load

BATCH_PIXELS = 1 << 17
"""Pixels that go through a network at a time, unless a single picture has more."""

MAX_PIXELS = 1 << 24
"""Larger pictures are refused: all features of a layer are held, 4 GB of them at this size."""


def open_codec(name: str) -> ADJSCCCodec:
    """An ADJSCC or BDJSCC preset.

    Args:
        name: ``SCHEME-PRESET``, as weights files are named without their ending.

    Raises:
        UnknownScheme, NoWeights, BadWeights: no such preset, or one that cannot be opened.
        ValueError: a preset of another scheme.
    """
    scheme, _, preset = name.partition("-")
    codec = load(scheme, preset)
    if not isinstance(codec, ADJSCCCodec):
        raise ValueError(f"{name} is no ADJSCC: name one such as adjscc-cifar-small")
    return codec


def open_adjscc(name: str) -> ADJSCCCodec:
    """As :func:`open_codec`, of networks with AF modules.

    Raises:
        ValueError: BDJSCC, besides what :func:`open_codec` raises.
    """
    codec = open_codec(name)
    if not codec.network.size.attention:
        raise ValueError(
            f"{name} is ADJSCC without AF modules, it has no factors and is told no SNR: "
            "name a preset of adjscc, such as adjscc-cifar-small"
        )
    return codec


def whole_blocks(picture: Tensor) -> Tensor:
    """A picture ``[3, H, W]`` cut at the right and below to sides that are multiples of four.

    Raises:
        ValueError: nothing is left, or more than :data:`MAX_PIXELS`.
    """
    height, width = (side - side % DOWNSAMPLING for side in picture.shape[1:])
    if not 0 < height * width <= MAX_PIXELS:
        raise ValueError(
            f"a picture of {picture.shape[2]}x{picture.shape[1]} cannot be studied: give one of at "
            f"least {DOWNSAMPLING}x{DOWNSAMPLING} and at most {MAX_PIXELS >> 20} megapixels"
        )
    return picture[:, :height, :width]


def batches(pictures: Sequence[Tensor]) -> Iterator[Tensor]:
    """Pictures in their order, neighbours of equal size together, ``[B, 3, H, W]``."""
    for shape, alike in groupby(map(whole_blocks, pictures), key=lambda picture: picture.shape):
        together = torch.stack(list(alike))
        yield from together.split(max(1, BATCH_PIXELS // (shape[1] * shape[2])))


def told(codec: ADJSCCCodec, snr_db: Tensor) -> Tensor:
    """What a network is told of SNRs ``[B]`` in dB: the nearest that it was trained for."""
    return snr_db.clamp(*codec.trained_db)


def white_noise(snr_db: Tensor, generator: torch.Generator) -> LossyAWGN:
    """Additive white Gaussian noise of SNRs ``[B]`` in dB, and nothing else."""
    nothing = torch.zeros_like(snr_db)
    return LossyAWGN(snr_db, nothing, nothing, generator)
