# SPDX-License-Identifier: GPL-3.0-or-later
"""What the AF modules of an ADJSCC do to pictures on their way."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCC, ADJSCCCodec
from semcom_models.layers.attention_feature import AttentionFeature
from semcom_models.study.subject import told, white_noise


@dataclass(frozen=True, eq=False)
class Attended:
    """What an AF module made of pictures.

    Attributes:
        factors: scaling factors ``[B, C]``, ADJSCC eq. (9).
        features: feature maps ``[B, C, h, w]`` scaled by them, eq. (10).
    """

    factors: Tensor
    features: Tensor


def attention_modules(network: ADJSCC) -> dict[str, AttentionFeature]:
    """By name, in the order of the signal: ``encoder-1``, ..., ``decoder-4``."""
    return {
        f"{side}-{number}": cast(AttentionFeature, module)
        for side, transform in (("encoder", network.encoder), ("decoder", network.decoder))
        for number, module in enumerate(transform.attention, start=1)
    }


@torch.no_grad()
def attend(
    codec: ADJSCCCodec,
    pictures: Tensor,
    snr_db: float,
    modules: Collection[str],
    generator: torch.Generator,
) -> dict[str, Attended]:
    """Send pictures over white Gaussian noise and look at AF modules.

    Args:
        codec: with AF modules.
        pictures: ``[B, 3, H, W]``, sides multiples of four.
        snr_db: of the channel; encoder and decoder are told.
        modules: names, of :func:`attention_modules`.
        generator: of the noise.
    """
    seen: dict[str, Attended] = {}

    def look(name: str, module: AttentionFeature, given: tuple[Any, ...], out: Tensor) -> None:
        features, snrs_db = given
        seen[name] = Attended(module.factors(features.mean((2, 3)), snrs_db), out)

    snrs_db = torch.full((len(pictures),), snr_db)
    channel = white_noise(snrs_db, generator)
    with ExitStack() as hooks:
        for name, module in attention_modules(codec.network).items():
            if name in modules:
                hook = module.register_forward_hook(
                    lambda module, given, out, name=name: look(name, module, given, out)
                )
                hooks.callback(hook.remove)
        received, measured_db = channel(codec.network.encode(pictures, told(codec, snrs_db)))
        codec.network.decode(received, told(codec, measured_db), *pictures.shape[2:])
    return seen
