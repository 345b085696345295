# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the packets of a JPEG 2000 codestream end (ITU-T T.800, Annex B).

For codestreams of one tile in layer-resolution-component order, with one precinct a resolution and
one codeword segment a code-block, as OpenJPEG writes them unless told otherwise. Only lengths are
read; nothing is decoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CODE_BLOCK = 64
"""Side of a code-block."""


@dataclass(frozen=True)
class Coding:
    """What the main header says: picture, components of full size, wavelet levels, layers."""

    height: int
    width: int
    components: int
    levels: int
    layers: int


def packet_ends(data: bytes, coding: Coding) -> Iterator[int]:
    """End of each packet that is whole, in bytes from the start of the tile's data."""
    resolutions = [
        [_resolution(coding, resolution) for _ in range(coding.components)]
        for resolution in range(coding.levels + 1)
    ]
    end = 0
    try:
        for layer in range(coding.layers):
            for components in resolutions:
                for bands in components:
                    end = _packet_end(data, end, layer, bands)
                    if end > len(data):
                        return
                    yield end
    except IndexError:  # the data end within a packet's header
        return


class _TagTree:
    """Minima over quarters of quarters of a grid, told bit by bit as far as needed (B.10.2)."""

    def __init__(self, rows: int, columns: int) -> None:
        self._levels: list[dict[tuple[int, int], tuple[int, bool]]] = []
        while rows * columns > 0:
            self._levels.append({})
            if rows * columns == 1:
                break
            rows, columns = (rows + 1) // 2, (columns + 1) // 2

    def is_below(self, bits: _Bits, row: int, column: int, threshold: int) -> bool:
        """Whether the value of a leaf is below a threshold; reads what is not known yet."""
        low, known = 0, False
        for depth in reversed(range(len(self._levels))):
            node = row >> depth, column >> depth
            value, known = self._levels[depth].get(node, (0, False))
            low = max(low, value)
            while low < threshold and not known:
                known = bool(bits.read())
                low += not known
            self._levels[depth][node] = low, known
        return known and low < threshold


class _Band:
    """The code-blocks of a subband."""

    def __init__(self, height: int, width: int) -> None:
        rows, columns = -(-height // CODE_BLOCK), -(-width // CODE_BLOCK)
        self.blocks = [(row, column) for row in range(rows) for column in range(columns)]
        self.inclusion = _TagTree(rows, columns)
        self.missing_planes = _TagTree(rows, columns)
        self.length_bits: dict[tuple[int, int], int] = {}


class _Bits:
    """Bits of a packet header: after a byte of ones the next has seven (B.10.1)."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data, self._place = data, place
        self._byte, self._left = 0, 0

    def read(self, count: int = 1) -> int:
        value = 0
        for _ in range(count):
            if self._left == 0:
                self._left = 7 if self._byte == 0xFF else 8
                self._byte = self._data[self._place]
                self._place += 1
            self._left -= 1
            value = value << 1 | self._byte >> self._left & 1
        return value

    def end(self) -> int:
        """Where the body begins."""
        return self._place + (self._byte == 0xFF)


def _resolution(coding: Coding, resolution: int) -> list[_Band]:
    """LL, or HL, LH and HH (B.5)."""
    depth = coding.levels - resolution + (resolution > 0)
    offsets = ((1, 0), (0, 1), (1, 1)) if resolution else ((0, 0),)
    half = 1 << depth >> 1
    return [
        _Band(-((half * y - coding.height) >> depth), -((half * x - coding.width) >> depth))
        for x, y in offsets
    ]


def _packet_end(data: bytes, place: int, layer: int, bands: list[_Band]) -> int:
    bits = _Bits(data, place)
    if not bits.read():
        return bits.end()
    body = sum(_length(bits, band, block, layer) for band in bands for block in band.blocks)
    return bits.end() + body


def _length(bits: _Bits, band: _Band, block: tuple[int, int], layer: int) -> int:
    """Bytes of a code-block in this packet (B.10.4 to B.10.7)."""
    if block in band.length_bits:
        if not bits.read():
            return 0
    else:
        if not band.inclusion.is_below(bits, *block, layer + 1):
            return 0
        planes = 1
        while not band.missing_planes.is_below(bits, *block, planes):
            planes += 1
        band.length_bits[block] = 3
    passes = _coding_passes(bits)
    while bits.read():
        band.length_bits[block] += 1
    return bits.read(band.length_bits[block] + passes.bit_length() - 1)


def _coding_passes(bits: _Bits) -> int:
    """Table B.4."""
    for width, first in ((1, 1), (1, 2), (2, 3), (5, 6)):
        value = bits.read(width)
        if value < (1 << width) - 1:
            return first + value
    return 37 + bits.read(7)
