# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from semcom_models.codecs.base import Codec, Request, decode_picture
from semcom_models.data import MAX_PIXELS
from semcom_phy.exchange import (
    ChannelState,
    CodecLabel,
    PictureHeader,
    ReceivedAnalog,
    Reception,
    SectionEntry,
    Transmission,
)


class Counting(Codec):
    """Counts what it is asked to decode, and allocates next to nothing for it."""

    label = CodecLabel(200)
    decoded = 0

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        return []

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        self.decoded += len(receptions)
        return [torch.zeros(()).expand(3, r.header.height, r.header.width) for r in receptions]


def claiming(height: int, width: int) -> Reception:
    header = PictureHeader(0, height, width, CodecLabel(200), (SectionEntry(False, 1),))
    symbols = np.zeros((1, 1), np.complex64)
    noise = np.ones((1, 1), np.float32)
    return Reception(header, (ReceivedAnalog(symbols, noise, noise < 0),), 1.0)


def test_sizes_that_nobody_sends_are_refused_before_decoding() -> None:
    codec = Counting()
    height, width = 8192, MAX_PIXELS // 8192
    assert decode_picture(codec, claiming(height, width)).shape == (3, height, width)
    for sides in ((height, width + 1), (16384, 16384)):
        with pytest.raises(ValueError, match=r"claims a picture of \d+x\d+: at most 67 mega"):
            decode_picture(codec, claiming(*sides))
    assert codec.decoded == 1
