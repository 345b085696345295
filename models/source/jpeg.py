# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG (ITU-T T.81) through libjpeg-turbo: optimised Huffman tables, progressive; small
pictures sequential where that is shorter.

Quantisation tables are those of T.81, Annex K, scaled by libjpeg's quality from 1 to 100.
"""

from __future__ import annotations

import struct
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import features

from semcom_models.source.base import RGB8, Encoded, SourceCodec
from semcom_models.source.pillow import compress, decompress
from semcom_models.source.search import largest_that_fits

APP0 = b"\xff\xe0"


class JPEGQuality(NamedTuple):
    """Chroma format, ``4:2:0``, ``4:2:2`` or ``4:4:4``, and libjpeg's quality."""

    chroma: str
    quality: int


class JPEG(SourceCodec[JPEGQuality]):
    """JPEG with the chroma format that is best for the budget."""

    name = "jpeg"
    qualities = tuple(JPEGQuality("4:2:0", quality) for quality in range(1, 101))
    usual_bits_per_pixel = (0.15, 6.0)
    chroma_formats: ClassVar = ("4:2:0", "4:2:2", "4:4:4")

    small: ClassVar = 256 * 256
    """Pixels from which a progressive stream is always the shorter one."""

    def version(self) -> str:
        return f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}"

    def encode(self, rgb: RGB8, quality: JPEGQuality) -> bytes:
        small = rgb.shape[0] * rgb.shape[1] < self.small
        streams = (
            compress(
                rgb,
                "JPEG",
                quality=quality.quality,
                subsampling=quality.chroma,
                optimize=True,
                progressive=progressive,
            )
            for progressive in ((True, False) if small else (True,))
        )
        return _without_jfif(min(streams, key=len))

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        return decompress(stream, "JPEG", height, width)

    def best_within(self, rgb: RGB8, max_bytes: int) -> Encoded[JPEGQuality] | None:
        """The best in mean squared error over the qualities of all chroma formats."""
        fitting = [
            encoded
            for chroma in self.chroma_formats
            if (encoded := self._best_of_chroma(chroma, rgb, max_bytes)) is not None
        ]
        return min(fitting, key=lambda encoded: self._error(encoded, rgb), default=None)

    def _best_of_chroma(
        self, chroma: str, rgb: RGB8, max_bytes: int
    ) -> Encoded[JPEGQuality] | None:
        ladder = [step._replace(chroma=chroma) for step in self.qualities]
        found = largest_that_fits(
            lambda step: self.encode(rgb, ladder[step]),
            len(ladder),
            max_bytes,
            self.likely_step(rgb, max_bytes),
            self.octaves_per_step,
        )
        return None if found is None else Encoded(found[1], ladder[found[0]])

    def _error(self, encoded: Encoded[JPEGQuality], rgb: RGB8) -> int:
        difference = self.decode(encoded.stream, *rgb.shape[:2]).astype(np.int32) - rgb
        return int(np.sum(difference**2, dtype=np.int64))


def _without_jfif(stream: bytes) -> bytes:
    """The stream without the segment that tells printers its resolution (APP0)."""
    (length,) = struct.unpack_from(">H", stream, 4)
    return stream[:2] + stream[4 + length :] if stream[2:4] == APP0 else stream
