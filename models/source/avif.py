# SPDX-License-Identifier: GPL-3.0-or-later
"""AVIF (AV1 intra) through libavif: libaom encodes, dav1d or libaom decodes.

4:4:4, full range, tuned for PSNR: libavif's own tuning for still pictures costs 0.5 dB and more.
"""

from __future__ import annotations

from typing import ClassVar

from PIL import features

from semcom_models.source.base import RGB8, SourceCodec
from semcom_models.source.pillow import compress, decompress


class AVIF(SourceCodec[int]):
    """AVIF; a quality is libavif's, 0 to 100, one for each of AV1's 64 quantisers."""

    name = "avif"
    needs = "Pillow with libavif: pip install --upgrade pillow"
    qualities = tuple({((100 - q) * 63 + 50) // 100: q for q in range(101)}.values())
    usual_bits_per_pixel = (0.03, 8.0)
    speed: ClassVar = 6
    """0 to 10. Speed 4 takes six times as long for 0.1 to 0.5 dB."""

    def available(self) -> bool:
        return bool(features.check("avif"))

    def version(self) -> str:
        return f"libavif {features.version('avif')}"

    def encode(self, rgb: RGB8, quality: int) -> bytes:
        return compress(
            rgb,
            "AVIF",
            quality=quality,
            codec="aom",
            speed=self.speed,
            subsampling="4:4:4",
            autotiling=False,
            max_threads=1,  # the same stream everywhere
            advanced={"tune": "psnr", "aq-mode": "0"},
        )

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        return decompress(stream, "AVIF", height, width)
