# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scheme that sends a standard codec's stream is given: pixels, channel uses, an SNR."""

from __future__ import annotations

import math

from torch import Tensor

from semcom_models.codecs.base import Request
from semcom_models.data import round_to_8_bit
from semcom_models.source import RGB8
from semcom_phy.exchange import ChannelState

DEFAULT_SNR_DB = 10.0
"""What is believed of the channel before any feedback."""


def rgb8(image: Tensor) -> RGB8:
    """A picture ``[3, H, W]`` in [0, 1] as uint8 ``[H, W, 3]``.

    Raises:
        ValueError: another shape.
    """
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise ValueError(f"a picture is [3, H, W], not {list(image.shape)}")
    return round_to_8_bit(image.detach().cpu()).permute(1, 2, 0).contiguous().numpy()


def channel_uses(rgb: RGB8, request: Request | None, preset_cbr: float) -> int:
    """Channel uses that a picture may take, ``cbr 3 H W`` rounded down.

    Args:
        rgb: ``[H, W, 3]``.
        request: its ``cbr`` counts.
        preset_cbr: where it has none.

    Raises:
        ValueError: a CBR that is not positive.
    """
    cbr = preset_cbr if request is None or request.cbr is None else request.cbr
    if not 0 < cbr < math.inf:
        raise ValueError(f"a CBR of {cbr:g} cannot be served: give one above 0, such as 0.1667")
    return int(cbr * rgb.size * (1 + 1e-12))


def reported_snr_db(state: ChannelState) -> float:
    """Es/N0 as the receiver reported it, or the default."""
    return DEFAULT_SNR_DB if state.snr_db is None else state.snr_db
