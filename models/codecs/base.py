# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that every codec fulfils."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from pydantic import BaseModel
from torch import Tensor

from semcom_models.data import MAX_PIXELS
from semcom_phy.exchange import ChannelState, CodecLabel, Reception, Transmission


@dataclass(frozen=True, eq=False)
class Request:
    """What the user wants of this picture.

    Attributes:
        cbr: channel bandwidth ratio to aim at, channel uses per source dimension; None
            leaves it to the preset. A codec of fixed rate is loaded for a rate and ignores it.
        quality: target of a codec of variable rate, on that codec's own documented scale.
        region_of_interest: ``[H, W]`` weights in [0, 1], or None for the whole picture.
        distortion: weights of distortion measures by name, for codecs that edit online.
        editing_steps: gradient steps that an online-editing encoder may take.
        generator: source of all randomness inside ``encode``.
        options: the scheme's own, an instance of its
            :attr:`~semcom_models.codecs.registry.SchemeInfo.options`; None for their defaults.
    """

    cbr: float | None = None
    quality: float | None = None
    region_of_interest: Tensor | None = None
    distortion: Mapping[str, float] = field(default_factory=lambda: {"mse": 1.0})
    editing_steps: int = 0
    generator: torch.Generator | None = None
    options: BaseModel | None = None


class Codec(ABC):
    """A picture codec for an analogue or digital channel.

    Pictures are RGB float32 tensors ``[3, H, W]`` in [0, 1], of any and mixed sizes. A codec
    keeps no state between calls: what the receiver needs, it finds in the ``Reception``.
    """

    label: CodecLabel

    @abstractmethod
    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        """Encode pictures for the channel that ``state`` describes.

        Args:
            images: pictures ``[3, H, W]`` in [0, 1].
            state: what the transmitter knows of the channel.
            request: what the user wants; None for the preset's defaults.

        Returns:
            A transmission for each picture.

        Raises:
            ValueError: a request or a picture that this codec cannot serve.
        """

    @abstractmethod
    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        """Decode pictures from what arrived, whatever the channel did to it.

        Returns:
            Pictures ``[3, height, width]`` in [0, 1], sizes from the headers.

        Raises:
            ValueError: a header that this codec's encoder cannot have written.
        """


def decode_picture(codec: Codec, reception: Reception) -> Tensor:
    """Decode a picture whose header anybody may have sent, within bounds of memory.

    Args:
        codec: that the header names.
        reception: of the picture.

    Returns:
        ``[3, height, width]`` in [0, 1].

    Raises:
        ValueError: of more than :data:`semcom_models.data.MAX_PIXELS`, which no sender reads, or
            not of that codec.
    """
    height, width = reception.header.height, reception.header.width
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"a header claims a picture of {width}x{height}: at most {MAX_PIXELS // 10**6} "
            "megapixels are decoded"
        )
    (picture,) = codec.decode([reception])
    return picture
