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
from semcom_models.source.jpeg2000_packets import Coding, packet_ends
from semcom_models.source.pillow import compress, decompress

SOC, COM, SOT = 0xFF4F, 0xFF64, 0xFF90
EOC = b"\xff\xd9"
TILE_PART_HEADER = 14
"""Bytes of SOT and SOD."""


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
        layers, levels = self._layers(*rgb.shape[:2]), _levels(*rgb.shape[:2])
        stream = compress(
            rgb,
            "JPEG2000",
            no_jp2=True,
            irreversible=True,
            mct=1,
            quality_mode="rates",
            quality_layers=[24 / quality * part for part in layers],
            num_resolutions=levels + 1,
        )
        return _without_comment(stream)

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        coding = Coding(height, width, 3, _levels(height, width), len(self._layers(height, width)))
        return decompress(_completed(stream, coding), "JPEG2000", height, width)

    def _layers(self, height: int, width: int) -> tuple[int, ...]:
        return self.layers if min(height, width) >= self.layered_side else (1,)


def _levels(height: int, width: int) -> int:
    """Of the wavelet transform: the lowest subband has a side of 4 to 7, or there are five."""
    return min(max(min(height, width).bit_length() - 3, 1), 6) - 1


def _without_comment(stream: bytes) -> bytes:
    """The codestream without the name of the software that wrote it (T.800, A.9.2)."""
    return b"".join(
        stream[start:end] for marker, start, end in _main_header(stream) if marker != COM
    )


def _completed(stream: bytes, coding: Coding) -> bytes:
    """A prefix of a codestream of one tile-part, filled to the length that it announces.

    It is filled with zeros after its last whole packet: a packet that begins with a zero bit is
    empty (T.800, B.10.3), so that what is missing adds nothing. Half a packet would
    decode to noise.
    """
    tile_part = next(
        (start for marker, start, _ in _main_header(stream) if marker == SOT), len(stream)
    )
    data = tile_part + TILE_PART_HEADER
    if len(stream) < data:
        raise DamagedStream("the JPEG 2000 stream ends within its headers")
    (length,) = struct.unpack_from(">I", stream, tile_part + 6)
    end = tile_part + length
    if len(stream) >= end:
        return stream[:end] + EOC
    if length > 6 * coding.height * coding.width + 1024:
        raise DamagedStream("the JPEG 2000 stream announces more bytes than a picture has")
    whole = data + max(packet_ends(stream[data:], coding), default=0)
    return stream[:whole] + bytes(end - whole) + EOC


def _main_header(stream: bytes) -> list[tuple[int, int, int]]:
    """Marker, start and end of each marker segment up to SOT, which reaches to the end."""
    segments = [(SOC, 0, 2)]
    start = 2
    while start + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, start)
        end = len(stream) if marker == SOT else start + 2 + length
        segments.append((marker, start, end))
        if marker == SOT:
            break
        start = end
    return segments
