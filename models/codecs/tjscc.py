# SPDX-License-Identifier: GPL-3.0-or-later
"""TJSCC: an embedded stream under unequal error protection, the baseline of ADJSCC's authors.

N. Sprljan, M. Mrak, E. Izquierdo, "A Fast Error Protection Scheme for Transmission of Embedded
Coded Images over Unreliable Channels and Fixed Packet Size" (ICASSP 2005), as J. Xu et al. compare
with it in "Wireless Image Transmission Using Deep Source Channel Coding With Attention Modules"
(IEEE TCSVT 32(4), 2022), section IV-D: packets of fixed size, each with a CRC and a rate-compatible
punctured convolutional code of its own rate, BPSK, decoding up to the first packet that is lost.

BPSK symbols are real: two of them, one in each quadrature, are one complex channel use. So the
paper's bandwidth ratio of real symbols, ``R_t = 2 R``, is a CBR of ``R`` here. The allocation of
rates, which the paper does not count, travels in a section of its own and counts.

Departures, all to be stronger: JPEG 2000 in place of SPIHT; one stream of the colour picture in
place of one for each plane; a list decoder; rates of :mod:`semcom_phy.rcpc` for any SNR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.digital_request import channel_uses, reported_snr_db, rgb8
from semcom_models.codecs.flat_picture import COLOUR_BITS, colour_alone, colour_bits, flat_picture
from semcom_models.codecs.registry import PresetInfo, label_of
from semcom_models.codecs.separate import DECODE_TIMEOUT_S
from semcom_models.codecs.unequal_protection import Protection, least_distortion
from semcom_models.data import picture_of_rgb8
from semcom_models.source import RGB8, DamagedStream, best_within, decode_safely
from semcom_models.source.jpeg2000 import JPEG2000
from semcom_phy.digital import symbol_count
from semcom_phy.exchange import (
    AnalogSection,
    BitArray,
    ChannelState,
    CodecLabel,
    ComplexArray,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)
from semcom_phy.qam import demap, map_bits
from semcom_phy.rcpc import RATES, decode_packets, encode_packets, payload_bits
from semcom_phy.rcpc_error_rate import packet_error_rate

PACKET_BITS = 1024
"""Coded bits of a packet, and a few more where the channel uses leave some over."""

CURVE_POINTS = 14
"""Lengths at which the distortion of the stream is measured, half an octave apart."""

CONVOLUTIONAL_FROM_SNR_DB = {0: -np.inf, 1: 1.5, 2: 3.5}
"""Digital modes for the allocation and the SNR from which each may be used, 1 dB above where one
of 1000 is lost."""

SIDE_INFORMATION_SHARE = 0.02
"""A less robust mode is considered only where the allocation would take more than this."""


class LayeredJPEG2000(JPEG2000):
    """JPEG 2000 with a layer wherever the stream has doubled in length, from a 64th on."""

    layers = (64, 32, 16, 8, 4, 2, 1)  # type: ignore[assignment]


@dataclass(frozen=True)
class Packets:
    """How the symbols of a picture are cut into packets.

    Attributes:
        count: packets, at least 1.
        length: coded bits of each.
    """

    count: int
    length: int

    @classmethod
    def of(cls, symbols: int) -> Packets:
        """The packets of so many complex symbols."""
        count = max(1, 2 * symbols // PACKET_BITS)
        return cls(count, 2 * symbols // count)

    @property
    def symbols(self) -> int:
        """Complex symbols that they take."""
        return -(-self.count * self.length // 2)

    @property
    def payloads(self) -> NDArray[np.int64]:
        """Bits that a packet of each rate carries, ``[rates]``."""
        return np.array([payload_bits(self.length, rate) for rate in RATES])

    @property
    def side_bits(self) -> int:
        """Bits of the side information: the mean colour, and packets of all rates but the last."""
        return COLOUR_BITS + (len(RATES) - 1) * self.count.bit_length()

    def write(self, colour: BitArray, counts: NDArray[np.int64]) -> BitArray:
        """The side information, ``[side_bits]``."""
        places = np.arange(self.count.bit_length())[::-1]
        digits = (counts[:-1, np.newaxis] >> places) & 1
        return np.concatenate([colour, digits.reshape(-1).astype(np.uint8)])

    def read(self, bits: BitArray) -> NDArray[np.int64] | None:
        """Packets of each rate, ``[rates]``; None where that is no side information."""
        if bits.size != self.side_bits:
            return None
        places = np.arange(self.count.bit_length())[::-1]
        digits = bits[COLOUR_BITS:].reshape(len(RATES) - 1, -1).astype(np.int64)
        counts = (digits << places).sum(axis=1)
        last = self.count - int(counts.sum())
        return None if last < 0 else np.append(counts, last)


class TJSCC(Codec):
    """The ``tjscc`` scheme.

    Sections: mean colour and allocation of rates (digital), then the symbols of the packets
    (analogue, one stream). Together they take at most ``cbr 3 H W`` channel uses. A picture too
    small for any stream is sent as its mean colour alone.

    Args:
        label: codec and preset numbers.
        cbr: channel bandwidth ratio where a request does not ask for one.
    """

    def __init__(self, label: CodecLabel, cbr: float) -> None:
        self.label = label
        self._source = LayeredJPEG2000()
        self._version = self._source.version()
        self._cbr = cbr

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        """Encode pictures; see :meth:`Codec.encode`. Of the request, ``cbr`` counts.

        Raises:
            ValueError: a picture that is not ``[3, H, W]``, or a CBR that is not positive.
        """
        snr_db = reported_snr_db(state)
        pictures = [rgb8(image) for image in images]
        return [
            self._encode_one(rgb, channel_uses(rgb, request, self._cbr), snr_db) for rgb in pictures
        ]

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        """Decode pictures up to the first packet that was lost; the mean colour if it is the first,
        mid-grey if that is lost too.
        """
        return [self._decode_one(reception) for reception in receptions]

    def _encode_one(self, rgb: RGB8, uses: int, snr_db: float) -> Transmission:
        height, width = rgb.shape[:2]
        room = _cut(uses, snr_db)
        found = None if room is None else self._allocate(rgb, room[0], snr_db)
        if room is None or found is None:
            flat: dict[str, str | float] = {
                "source": self._version,
                "flat": f"no JPEG 2000 stream is small enough for {uses} channel uses",
            }
            section = colour_alone(rgb, uses)
            return Transmission((section,), height, width, self.label, flat)
        (cut, mcs), (counts, stream) = room, found
        side = DigitalSection(cut.write(colour_bits(rgb), counts), mcs)
        notes: dict[str, str | float] = {
            "source": self._version,
            "stream_bytes": float(len(stream)),
            "packets": " ".join(
                f"{count}x{rate}" for count, rate in zip(counts, RATES, strict=True) if count
            ),
        }
        symbols = AnalogSection(_symbols(stream, counts, cut)[np.newaxis])
        return Transmission((side, symbols), height, width, self.label, notes)

    def _allocate(
        self, rgb: RGB8, cut: Packets, snr_db: float
    ) -> tuple[NDArray[np.int64], bytes] | None:
        """Packets of each rate and the stream for them; None if not even the smallest fits."""
        payloads = cut.payloads
        whole = best_within(self._source, rgb, int(cut.count * payloads.max()) // 8)
        if whole is None:
            return None
        loss = [
            packet_error_rate(bits, rate, snr_db)
            for bits, rate in zip(payloads.tolist(), RATES, strict=True)
        ]
        curve = self._distortion(rgb, whole.stream)
        counts = least_distortion(cut.count, Protection(payloads, np.array(loss)), curve)
        fitted = best_within(self._source, rgb, int(counts @ payloads) // 8)
        return None if fitted is None else (counts, fitted.stream)

    def _distortion(
        self, rgb: RGB8, stream: bytes
    ) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        """Mean squared error of the picture after so many bits, between measured points."""
        pixels = rgb.astype(np.float64)
        errors = {1: float(((pixels - np.rint(pixels.mean((0, 1)))) ** 2).mean())}
        for halves in range(CURVE_POINTS):
            length = int(len(stream) * 2 ** (-halves / 2))
            try:
                decoded = self._source.decode(stream[:length], *rgb.shape[:2])
            except DamagedStream:
                break
            errors[8 * length] = float(((pixels - decoded) ** 2).mean())
        lengths = sorted(errors)
        falling = np.minimum.accumulate([errors[length] for length in lengths])
        log_lengths, log_errors = np.log(lengths), np.log(np.maximum(falling, 1e-3))
        return lambda bits: np.exp(np.interp(np.log(np.maximum(bits, 1)), log_lengths, log_errors))

    def _decode_one(self, reception: Reception) -> Tensor:
        height, width = reception.header.height, reception.header.width
        side, colour = _side_information(reception)
        packets = [s for s in reception.sections if isinstance(s, ReceivedAnalog)]
        if side is not None and packets:
            stream = _intact_beginning(packets[0], side)
            try:
                rgb = decode_safely("jpeg2000", stream, height, width, DECODE_TIMEOUT_S)
                return picture_of_rgb8(rgb)
            except DamagedStream:
                pass
        return flat_picture(colour, height, width)


def open_codec(preset: PresetInfo, weights: Path | None) -> TJSCC:
    """The codec of a preset; nothing is learned, so there are no weights."""
    return TJSCC(label_of(preset, weights), preset.cbr)


def _cut(uses: int, snr_db: float) -> tuple[Packets, int] | None:
    """The packets of a picture, and the MCS of the side information; None if there is no room."""
    found = None
    for mcs, lowest_snr_db in CONVOLUTIONAL_FROM_SNR_DB.items():
        if found is not None and snr_db < lowest_snr_db:
            break
        # The more packets, the more side information.
        packets = Packets.of(max(uses, 1))
        packets = Packets.of(max(uses - symbol_count(packets.side_bits, mcs), 1))
        side = symbol_count(packets.side_bits, mcs)
        if side + packets.symbols > uses:
            continue
        found = packets, mcs
        if side <= SIDE_INFORMATION_SHARE * uses:
            break
    return found


def _symbols(stream: bytes, counts: NDArray[np.int64], cut: Packets) -> ComplexArray:
    """The packets of a stream, ``[symbols]``."""
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))
    bits = np.pad(bits, (0, int(counts @ cut.payloads) - bits.size))
    coded, start = [], 0
    for count, payload in zip(counts.tolist(), cut.payloads.tolist(), strict=True):
        if count:
            words = bits[start : start + count * payload].reshape(count, payload)
            coded.append(encode_packets(words, cut.length).reshape(-1))
            start += count * payload
    sent = np.concatenate(coded)
    return map_bits(np.pad(sent, (0, 2 * cut.symbols - sent.size)), 2)


def _side_information(
    reception: Reception,
) -> tuple[NDArray[np.int64] | None, BitArray | None]:
    """Packets of each rate, and the mean colour; None for what did not arrive."""
    digital = [s for s in reception.sections if isinstance(s, ReceivedDigital)]
    if not digital or not digital[0].ok or digital[0].bits.size < COLOUR_BITS:
        return None, None
    bits = digital[0].bits
    analog = [s for s in reception.sections if isinstance(s, ReceivedAnalog)]
    counts = Packets.of(analog[0].symbols.size).read(bits) if analog else None
    return counts, bits[:COLOUR_BITS]


def _intact_beginning(section: ReceivedAnalog, counts: NDArray[np.int64]) -> bytes:
    """The stream up to the first packet that was lost."""
    cut = Packets.of(section.symbols.size)
    ratios = demap(section.symbols[0], section.noise_var[0], 2)[: cut.count * cut.length]
    rows = ratios.reshape(cut.count, cut.length)
    received: list[BitArray] = []
    for count, payload in zip(counts.tolist(), cut.payloads.tolist(), strict=True):
        for row in rows[:count]:
            words, held = decode_packets(row[np.newaxis], payload)
            if not held[0]:
                return _whole_bytes(received)
            received.append(words[0])
        rows = rows[count:]
    return _whole_bytes(received)


def _whole_bytes(packets: list[BitArray]) -> bytes:
    bits = np.concatenate([np.zeros(0, np.uint8), *packets])
    return np.packbits(bits[: bits.size // 8 * 8]).tobytes()
