# SPDX-License-Identifier: GPL-3.0-or-later
"""The frame header: everything a receiver may know of the picture that a frame belongs to.

Laid out most significant bit first:

=============================  ====  =================================================
field                          bits  contents
=============================  ====  =================================================
version                        3     1
picture                        16
fragment, fragments - 1        12+12
height - 1, width - 1          14+14
codec, preset, weights, rate   8+8+32+8
csi_id                         8
sections - 1                   2
4 x mode                       6     0 analogue, 63 analogue in turn on the streams, else MCS + 1
4 x length                     24    bits, or symbols a stream, or symbols that take turns
4 x streams - 1                1
CRC                            24    CRC24A over 24 ones and the above, TS 38.212 clause 7.3.2
=============================  ====  =================================================

coded at rate 1/3 with constraint length 9 (TS 25.212), repeated evenly and interleaved over
:data:`HEADER_SYMBOLS` QPSK symbols. The CRC also picks among the most likely words, which is worth
about 1 dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy import qam
from semcom_phy.convolutional import UMTS_1_3, matching, recover_rate
from semcom_phy.crc import CRC24A, attach, check
from semcom_phy.digital import MCS
from semcom_phy.exchange import (
    MAX_SECTIONS,
    BitArray,
    BoolArray,
    CodecLabel,
    ComplexArray,
    FloatArray,
    PictureHeader,
    SectionEntry,
)
from semcom_phy.interleaving import scrambling_bits

HEADER_SYMBOLS = 1656
"""QPSK symbols of a header. Detection aside, it is lost less than once in 10,000 at -5 dB Es/N0."""

VERSION = 1

MAX_FRAGMENTS = 1 << 12
"""Frames that a picture may be cut into."""

_IN_TURN = 63
_PATHS = 32
_LENGTH_BITS = 24
_MAX_SIDE = 1 << 14
# A section longer than these is no picture's: three complex symbols, or 64 bits, for each colour
# value, and room for tiny pictures.
_SYMBOLS_PER_PIXEL = 9
_BITS_PER_PIXEL = 192
_ROOM = 1 << 16

_FIELD_WIDTHS = (3, 16, 12, 12, 14, 14, 8, 8, 32, 8, 8, 2)
_ENTRY_WIDTHS = (6, _LENGTH_BITS, 1)
_WIDTHS = _FIELD_WIDTHS + MAX_SECTIONS * _ENTRY_WIDTHS
_WORD_BITS = sum(_WIDTHS) + CRC24A.length
_CODED_BITS = UMTS_1_3.coded_length(_WORD_BITS)


@dataclass(frozen=True)
class FrameHeader:
    """What one frame says.

    Attributes:
        picture: of the picture it carries a part of.
        fragment: which part, from 0.
        fragments: how many parts there are, 1 to 4096.
        csi_id: of the feedback that this frame was precoded with, 1 to 255; 0 for none.
    """

    picture: PictureHeader
    fragment: int = 0
    fragments: int = 1
    csi_id: int = 0


def _require(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"header field {name} is {value}; it must lie in {low} to {high}")


def _validate_section(index: int, entry: SectionEntry, pixels: int) -> None:
    name = f"sections[{index}]"
    per_pixel = _BITS_PER_PIXEL if entry.digital else _SYMBOLS_PER_PIXEL
    longest = min((1 << _LENGTH_BITS) - 1, pixels * per_pixel + _ROOM)
    _require(f"{name}.length", entry.length, 1 if entry.digital else 0, longest)
    _require(f"{name}.mcs", entry.mcs, 0, len(MCS) - 1 if entry.digital else 0)
    _require(f"{name}.streams", entry.streams, 1, 2)
    if entry.in_turn and (entry.digital or entry.streams == 1):
        raise ValueError(f"header field {name}: only analogue symbols on two streams take turns")


def validate(header: FrameHeader) -> None:
    """Check that a header can be sent and makes sense.

    Raises:
        ValueError: names the field that is out of range: more than 16384 pixels a side, more
            than 4096 fragments, an unknown MCS, a section longer than a picture of that size
            could have, ...
    """
    picture, label = header.picture, header.picture.label
    _require("picture", picture.picture, 0, 0xFFFF)
    _require("fragments", header.fragments, 1, MAX_FRAGMENTS)
    _require("fragment", header.fragment, 0, header.fragments - 1)
    _require("height", picture.height, 1, _MAX_SIDE)
    _require("width", picture.width, 1, _MAX_SIDE)
    _require("codec", label.codec, 1, 0xFF)
    _require("preset", label.preset, 0, 0xFF)
    _require("weights", label.weights, 0, 0xFFFFFFFF)
    _require("rate", label.rate, 0, 0xFF)
    _require("csi_id", header.csi_id, 0, 0xFF)
    _require("sections (their number)", len(picture.sections), 1, MAX_SECTIONS)
    for index, entry in enumerate(picture.sections):
        _validate_section(index, entry, picture.height * picture.width)
    if not any(entry.length for entry in picture.sections):
        raise ValueError("header field sections: all are empty, there is nothing to send")


def _fields(header: FrameHeader) -> list[int]:
    picture, label = header.picture, header.picture.label
    values = [VERSION, picture.picture, header.fragment, header.fragments - 1]
    values += [picture.height - 1, picture.width - 1]
    values += [label.codec, label.preset, label.weights, label.rate]
    values += [header.csi_id, len(picture.sections) - 1]
    for entry in picture.sections:
        mode = entry.mcs + 1 if entry.digital else _IN_TURN * entry.in_turn
        values += [mode, entry.length, entry.streams - 1]
    return values + [0] * (len(_WIDTHS) - len(values))


def _pack(values: list[int]) -> BitArray:
    text = "".join(f"{value:0{width}b}" for value, width in zip(values, _WIDTHS, strict=True))
    return np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(ord("0"))


def _unpack(bits: BitArray) -> list[int]:
    number = int.from_bytes(np.packbits(bits).tobytes(), "big") >> -len(bits) % 8
    values = []
    for width in reversed(_WIDTHS):
        values.append(number & ((1 << width) - 1))
        number >>= width
    return values[::-1]


def _parse(values: list[int]) -> FrameHeader | None:
    version, number, fragment, last_fragment, height, width = values[:6]
    codec, preset, weights, rate, csi_id, last_section = values[6:12]
    table = [values[first : first + 3] for first in range(12, len(values), 3)]
    if version != VERSION or any(map(any, table[last_section + 1 :])):
        return None
    sections = tuple(
        SectionEntry(False, length, 0, last_stream + 1, in_turn=mode == _IN_TURN)
        if mode in (0, _IN_TURN)
        else SectionEntry(True, length, mode - 1, last_stream + 1)
        for mode, length, last_stream in table[: last_section + 1]
    )
    label = CodecLabel(codec, preset, weights, rate)
    picture = PictureHeader(number, height + 1, width + 1, label, sections)
    header = FrameHeader(picture, fragment, last_fragment + 1, csi_id)
    try:
        validate(header)
    except ValueError:
        return None
    return header


def _holds(words: BitArray) -> BoolArray:
    return check(words, CRC24A, ones_prepended=True)


def encode_header(header: FrameHeader) -> ComplexArray:
    """A header as symbols.

    Returns:
        ``[HEADER_SYMBOLS]`` QPSK symbols of unit power.

    Raises:
        ValueError: names a field that is out of range, see :func:`validate`.
    """
    validate(header)
    return encode_word(attach(_pack(_fields(header)), CRC24A, ones_prepended=True))


def encode_word(word: BitArray) -> ComplexArray:
    """A header's bits, CRC included, as symbols ``[HEADER_SYMBOLS]``."""
    order, scrambling = matching(_CODED_BITS, 2 * HEADER_SYMBOLS), _scrambling()[0]
    symbols = _map_coded(UMTS_1_3.encode(word)[0], order, scrambling, qam.constellation(2))
    return np.asarray(symbols)


@lru_cache(maxsize=1)
def _scrambling() -> tuple[BitArray, FloatArray]:
    """Bits ``[2 HEADER_SYMBOLS]`` that coded bits are added to, and as signs."""
    bits = scrambling_bits(2 * HEADER_SYMBOLS)
    return bits, np.float32(1.0) - np.float32(2.0) * bits


@njit(cache=True, nogil=True)
def _map_coded(
    coded: NDArray[np.uint8],
    order: NDArray[np.int64],
    scrambling: NDArray[np.uint8],
    points: NDArray[np.complex64],
) -> NDArray[np.complex64]:
    """QPSK symbols of coded bits, which are taken in ``order`` and scrambled."""
    symbols = np.empty(order.size // 2, np.complex64)
    for i in range(symbols.size):
        first = coded[order[2 * i]] ^ scrambling[2 * i]
        second = coded[order[2 * i + 1]] ^ scrambling[2 * i + 1]
        symbols[i] = points[2 * first + second]
    return symbols


def decode_header(symbols: ComplexArray, noise_var: FloatArray | float) -> FrameHeader | None:
    """A header from noisy symbols.

    Args:
        symbols: ``[HEADER_SYMBOLS]``, unbiased.
        noise_var: complex noise variance, ``[HEADER_SYMBOLS]`` or one for all; infinite where
            nothing was received.

    Returns:
        The header; None where the CRC fails or the contents make no sense (an unknown version or
        MCS, a size or a section that no picture has), so that nothing is ever allocated on the
        word of an unverified header.

    Raises:
        ValueError: not ``HEADER_SYMBOLS`` symbols.
    """
    word = decode_word(symbols, noise_var)
    return None if word is None else parse_word(word)


def decode_word(symbols: ComplexArray, noise_var: FloatArray | float) -> BitArray | None:
    """A header's bits, CRC included, from noisy symbols; None where the CRC fails.

    Args:
        symbols: see :func:`decode_header`.
        noise_var: likewise.

    Raises:
        ValueError: not ``HEADER_SYMBOLS`` symbols.
    """
    if np.shape(symbols) != (HEADER_SYMBOLS,):
        raise ValueError(f"a header has [{HEADER_SYMBOLS}] symbols, not {list(np.shape(symbols))}")
    llr = qam.demap(symbols, noise_var, 2)
    llr *= _scrambling()[1]
    mother = recover_rate(llr[np.newaxis], _CODED_BITS)[0]
    word = UMTS_1_3.decode_checked(mother, _holds, _PATHS)
    return word if _holds(word) else None


def parse_word(word: BitArray) -> FrameHeader | None:
    """The header that bits hold whose CRC does; None where they make no sense."""
    return _parse(_unpack(word[: -CRC24A.length]))
