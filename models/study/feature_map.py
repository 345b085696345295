# SPDX-License-Identifier: GPL-3.0-or-later
"""A feature map behind an AF module at a low and a high SNR: ADJSCC, Fig. 8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.figure_style import STYLE
from semcom_models.study.attention import attend, attention_modules
from semcom_models.study.subject import whole_blocks

LOW_DB, HIGH_DB = 1.0, 19.0
"""Of Fig. 8."""

_WITHIN = 0.999
"""Share of the values up to which colours tell them apart."""


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """One channel behind an AF module at :data:`LOW_DB` and :data:`HIGH_DB`.

    Attributes:
        module: its name.
        channel: counted from 0.
        picture: ``[3, H, W]``, what was sent.
        factors: of the channel at the two SNRs.
        maps: ``[h, w]`` at the two SNRs.
    """

    module: str
    channel: int
    picture: Tensor
    factors: tuple[float, float]
    maps: tuple[NDArray[np.float32], NDArray[np.float32]]


def feature_maps(
    codec: ADJSCCCodec, picture: Tensor, module: str, channel: int | None, seed: int = 0
) -> FeatureMaps:
    """Send a picture at both SNRs, over the same noise but for its strength.

    Args:
        codec: with AF modules.
        picture: ``[3, H, W]`` in [0, 1].
        module: name of an AF module.
        channel: which feature, from 0; None for the one whose factor changes most.
        seed: of the noise, which reaches the decoder's modules only.

    Raises:
        ValueError: no such module or channel, or a picture that is too small or too large.
    """
    modules = attention_modules(codec.network)
    if module not in modules:
        raise ValueError(f"there is no AF module {module!r}: there are {', '.join(modules)}")
    channels = modules[module].excite.out_features
    if channel is not None and not 0 <= channel < channels:
        raise ValueError(f"{module} has channels 0 to {channels - 1}: there is no {channel}")
    picture = whole_blocks(picture)
    low, high = (
        attend(codec, picture[None], snr_db, [module], torch.Generator().manual_seed(seed))[module]
        for snr_db in (LOW_DB, HIGH_DB)
    )
    if channel is None:
        channel = int((high.factors - low.factors).abs().argmax())
    return FeatureMaps(
        module,
        channel,
        picture,
        (float(low.factors[0, channel]), float(high.factors[0, channel])),
        (low.features[0, channel].numpy(), high.features[0, channel].numpy()),
    )


def draw(maps: FeatureMaps) -> Figure:
    """Picture, difference, and the maps on a common scale; within ``STYLE``.

    Colours end where a thousandth of the values lies beyond them, or a few edges would have them
    all.
    """
    height, width = maps.picture.shape[1:]
    figure = Figure(figsize=(9, 8.4 * height / width + 0.6), layout="compressed")
    (original, changed), below = figure.subplots(2, 2)
    original.imshow(maps.picture.permute(1, 2, 0).numpy())
    original.set_title("picture")
    low, high = maps.maps
    most = float(np.quantile(np.abs(high - low), _WITHIN)) or 1.0
    drawn = _heat(changed, high - low, cmap="RdBu_r", vmin=-most, vmax=most)
    changed.set_title(f"{HIGH_DB:g} dB less {LOW_DB:g} dB")
    figure.colorbar(drawn, ax=changed, extend="both")
    ends = np.quantile(np.stack((low, high)), (1 - _WITHIN, _WITHIN))
    for panel, data, snr_db, factor in zip(
        below, maps.maps, (LOW_DB, HIGH_DB), maps.factors, strict=True
    ):
        drawn = _heat(panel, data, cmap="viridis", vmin=ends[0], vmax=ends[1])
        panel.set_title(f"{snr_db:g} dB, factor {factor:.3f}")
    figure.colorbar(drawn, ax=below, extend="both")
    for panel in (original, changed, *below):
        panel.set_axis_off()
    figure.suptitle(f"{maps.module}, channel {maps.channel}")
    return figure


def _heat(panel: Axes, data: NDArray[np.float32], **scale: Any) -> AxesImage:
    return panel.imshow(data, interpolation="nearest", **scale)


def write_png(maps: FeatureMaps, path: Path) -> None:
    """Draw and save.

    Raises:
        OSError: it cannot be written.
    """
    with mpl.rc_context(STYLE):
        draw(maps).savefig(path, dpi=100, format="png", metadata={"Software": None})
