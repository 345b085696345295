# SPDX-License-Identifier: GPL-3.0-or-later
"""The default learned code alone: a picture of Kodak's size to symbols and back."""

from __future__ import annotations

import torch

from benchmarks.modem import HEIGHT, SNR_DB, WIDTH
from benchmarks.result import Result
from benchmarks.timing import measure
from semcom_models.codecs import registry
from semcom_models.data import sample_pictures
from semcom_phy.exchange import ChannelState
from semcom_phy.ideal import IdealLink


def kodak_sized_picture() -> torch.Tensor:
    """``[3, 512, 768]`` of a photograph that comes with scikit-image."""
    picture = dict(sample_pictures())["coffee"]
    return torch.nn.functional.interpolate(
        picture[None], (HEIGHT, WIDTH), mode="bicubic", align_corners=False
    )[0].clamp(0, 1)


def codec_kodak_s(repeats: int) -> Result:
    """Seconds by the clock of encoding and decoding one picture with ADJSCC's default preset.

    Raises:
        NoWeights: no weights are installed.
    """
    codec = registry.load("adjscc")
    picture = kodak_sized_picture()
    state = ChannelState(snr_db=SNR_DB)
    encoded = measure(lambda: codec.encode([picture], state), repeats)
    with IdealLink(SNR_DB) as link:
        link.send(1, encoded.value[0], state)
        reception = link.receive()
    if reception is None:
        raise RuntimeError("the symbol-level link gave nothing back")
    decoded = measure(lambda: codec.decode([reception]), repeats)
    return Result(
        name="codec_kodak_s",
        ours=encoded.wall_s + decoded.wall_s,
        unit="s",
        parts={"encode": encoded.wall_s, "decode": decoded.wall_s},
    )
