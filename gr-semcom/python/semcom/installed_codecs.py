# SPDX-License-Identifier: GPL-3.0-or-later
"""The codecs that a receiver has, each found by the label in a picture's header."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semcom_phy.exchange import CodecLabel, FloatArray, Reception

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec


class Undecodable(ValueError):
    """A picture that may well be somebody else's."""


class InstalledCodecs:
    """Decodes receptions, each with the codec that its header names.

    Args:
        codecs: open codecs to use, by their labels, before those that the registry finds.
        weights: a weights file, or a folder of them, beside the package's own; empty for none.
    """

    def __init__(self, codecs: Sequence[Codec] = (), weights: str | Path = "") -> None:
        self._codecs = list(codecs)
        self._weights = Path(weights) if str(weights) else None

    def decode(self, reception: Reception) -> FloatArray:
        """Decode a picture that anybody may have sent.

        Returns:
            Pixels ``[3, H, W]`` in [0, 1].

        Raises:
            Undecodable: its codec or weights are not here, its sections are not such a codec's,
                or no picture has its size.
            semcom_models.codecs.weights.BadWeights: a corrupt weights file.
        """
        import torch

        from semcom_models.codecs.base import decode_picture
        from semcom_models.codecs.registry import NoWeights, UnknownScheme

        try:
            codec = self._codec_for(reception.header.label)
        except (NoWeights, UnknownScheme) as error:
            raise Undecodable(str(error)) from error
        try:
            with torch.no_grad():
                pixels: FloatArray = decode_picture(codec, reception).cpu().numpy()
        except ValueError as error:
            raise Undecodable(str(error)) from error
        return pixels

    def _codec_for(self, label: CodecLabel) -> Codec:
        from semcom_models.codecs.registry import for_label

        for codec in self._codecs:
            own = codec.label
            if (own.codec, own.preset, own.weights) == (label.codec, label.preset, label.weights):
                return codec
        return for_label(label, self._weights)
