# SPDX-License-Identifier: GPL-3.0-or-later
"""WebP, lossy (RFC 6386 in RFC 9649), through libwebp with its slowest search; chroma is 4:2:0."""

from __future__ import annotations

import numpy as np
from PIL import features

from semcom_models.source.base import RGB8, SourceCodec
from semcom_models.source.pillow import compress, decompress


class WebP(SourceCodec[float]):
    """WebP; a quality is libwebp's, 0 to 100, in halves."""

    name = "webp"
    qualities = tuple(float(quality) for quality in np.linspace(0, 100, 201))
    usual_bits_per_pixel = (0.1, 3.5)

    def version(self) -> str:
        return f"libwebp {features.version('webp')}"

    def encode(self, rgb: RGB8, quality: float) -> bytes:
        return compress(rgb, "WEBP", quality=quality, method=6)

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        return decompress(stream, "WEBP", height, width)
