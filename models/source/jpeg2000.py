# SPDX-License-Identifier: GPL-3.0-or-later
"""JPEG 2000 (ITU-T T.800) through OpenJPEG: 9/7 wavelet, colour transform, a bare codestream.

The codestream progresses by quality layers (LRCP), so that a prefix of it is a picture.
"""

from __future__ import annotations

import struct
from typing import ClassVar

import numpy as np
from PIL import features

from semcom_models.source.base import RGB8, DamagedStream, SourceCodec
from semcom_models.source.pillow import compress, decompress

SIZ, COM, SOT, SOD = 0xFF51, 0xFF64, 0xFF90, 0xFF93
EOC = b"\xff\xd9"


class JPEG2000(SourceCodec[float]):
    """JPEG 2000 with a rate target; a quality is a rate in bits per pixel, half a percent apart."""

    name = "jpeg2000"
    embedded = True
    usual_bits_per_pixel = (0.01, 24.0)
    qualities = tuple(float(rate) for rate in np.geomspace(*usual_bits_per_pixel, 1561))
    layers: ClassVar = (8, 4, 2, 1)
    """One part in so many of the stream is a quality layer. Each costs about 0.02 dB."""
    layered_side: ClassVar = 128
    """Pictures with a smaller side have one layer: the headers of packets would be too many."""

    def version(self) -> str:
        return f"OpenJPEG {features.version('jpg_2000')}"

    def encode(self, rgb: RGB8, quality: float) -> bytes:
        side = min(rgb.shape[:2])
        layers = self.layers if side >= self.layered_side else (1,)
        stream = compress(
            rgb,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            mct=1,
            quality_mode="rates",
            quality_layers=[24 / quality * part for part in layers],
            num_resolutions=min(max(side.bit_length() - 3, 1), 6),
        )
        return _without_comment(stream)

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        return decompress(_completed(stream, height, width), "JPEG2000", height, width)


def _without_comment(stream: bytes) -> bytes:
    """The codestream without the name of the software that wrote it (T.800, A.9.2)."""
    return b"".join(
        stream[start:end] for marker, start, end in _main_header(stream) if marker != COM
    )


def _completed(stream: bytes, height: int, width: int) -> bytes:
    """A prefix of a codestream of one tile-part, filled with zeros to the length it announces.

    A packet that begins with a zero bit is empty (T.800, B.10.3): all layers that are missing
    add nothing. The packet that was cut loses some code-blocks of its layer.
    """
    tile_part = next(
        (start for marker, start, _ in _main_header(stream) if marker == SOT), len(stream)
    )
    if len(stream) < tile_part + 12:
        raise DamagedStream("the JPEG 2000 stream ends within its main header")
    (length,) = struct.unpack_from(">I", stream, tile_part + 6)
    missing = tile_part + length - len(stream)
    if missing > 6 * height * width + 1024:
        raise DamagedStream("the JPEG 2000 stream announces more bytes than a picture has")
    return stream[: tile_part + length] + bytes(max(missing, 0)) + EOC


def _main_header(stream: bytes) -> list[tuple[int, int, int]]:
    """Marker, start and end of each marker segment up to SOT, which reaches to the end."""
    segments = [(0xFF4F, 0, 2)]
    start = 2
    while start + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, start)
        end = len(stream) if marker == SOT else start + 2 + length
        segments.append((marker, start, end))
        if marker == SOT:
            break
        start = end
    return segments
