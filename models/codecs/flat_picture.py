# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture that is shown where none arrives: its mean colour, if that was sent, or mid-grey.

NTSCC's authors show "the mean value for all the pixels per color channel" where a stream is lost
(S. Wang et al., "Improved Nonlinear Transform Source-Channel Coding to Catalyze Semantic
Communications", appendix A-C). A receiver does not know it: here it is sent, and counts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from semcom_models.source import RGB8
from semcom_phy.digital import MCS, symbol_count
from semcom_phy.exchange import BitArray, DigitalSection

COLOUR_BITS = 24
"""Of a mean colour: eight for each of red, green and blue."""

COLOUR_SHARE = 0.02
"""A mean colour is sent beside a stream where it takes at most this share of the channel uses."""

_ROBUST_FIRST = sorted(range(len(MCS)), key=lambda mcs: MCS[mcs].efficiency)


def colour_bits(rgb: RGB8) -> BitArray:
    """The mean colour of a picture ``[H, W, 3]`` as ``[24]`` bits."""
    return np.unpackbits(np.rint(rgb.mean((0, 1), dtype=np.float64)).astype(np.uint8))


def colour_beside(rgb: RGB8, uses: int) -> DigitalSection | None:
    """The mean colour in the most robust scheme, None where it would take too much.

    Args:
        rgb: ``[H, W, 3]``.
        uses: channel uses of the whole picture.
    """
    robust = _ROBUST_FIRST[0]
    if symbol_count(COLOUR_BITS, robust) > COLOUR_SHARE * uses:
        return None
    return DigitalSection(colour_bits(rgb), robust)


def colour_alone(rgb: RGB8, uses: int) -> DigitalSection:
    """What is sent of a picture for which there is no room: its mean colour, as robust as fits.

    Args:
        rgb: ``[H, W, 3]``.
        uses: channel uses that there are. Where not even the colour fits, the smallest section
            that there is takes its place: it says nothing, and alone may take more.
    """
    for mcs in _ROBUST_FIRST:
        if symbol_count(COLOUR_BITS, mcs) <= uses:
            return DigitalSection(colour_bits(rgb), mcs)
    return DigitalSection(np.zeros(1, np.uint8), least_section()[1])


def least_section() -> tuple[int, int]:
    """Symbols and MCS of the smallest section that there is, one bit."""
    return min((symbol_count(1, mcs), mcs) for mcs in range(len(MCS)))


def flat_picture(colour: BitArray | None, height: int, width: int) -> Tensor:
    """``[3, height, width]`` of a colour of ``[24]`` bits, of mid-grey for None."""
    values = np.full(3, 0.5) if colour is None else np.packbits(colour) / 255
    return torch.from_numpy(values).float()[:, None, None].expand(3, height, width).clone()
