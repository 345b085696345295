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
from pathlib import Path

import numpy as np
from torch import Tensor

from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.digital_request import channel_uses, reported_snr_db, rgb8
from semcom_models.codecs.flat_picture import COLOUR_BITS, colour_alone, colour_bits, flat_picture
from semcom_models.codecs.registry import PresetInfo, label_of
from semcom_models.codecs.separate import DECODE_TIMEOUT_S
from semcom_models.codecs.tjscc_packets import Packets, packets_within
from semcom_models.codecs.unequal_protection import (
    IndexArray,
    Protection,
    RealArray,
    least_distortion,
)
from semcom_models.data import picture_of_rgb8
from semcom_models.source import RGB8, DamagedStream, best_within, decode_safely
from semcom_models.source.jpeg2000 import JPEG2000
from semcom_phy.exchange import (
    AnalogSection,
    BitArray,
    ChannelState,
    CodecLabel,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)
from semcom_phy.rcpc import RATES
from semcom_phy.rcpc_error_rate import packet_error_rate

CURVE_POINTS = 14
"""Lengths at which the distortion of the stream is measured, half an octave apart."""


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
        self._source = JPEG2000()
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
        notes: dict[str, str | float] = {"source": self._version}
        room = packets_within(uses, snr_db)
        found = None if room is None else self._allocate(rgb, room[0], snr_db)
        if room is None or found is None:
            notes["flat"] = f"no JPEG 2000 stream is small enough for {uses} channel uses"
            return Transmission((colour_alone(rgb, uses),), height, width, self.label, notes)
        (packets, mcs), (counts, stream) = room, found
        notes["stream_bytes"] = float(len(stream))
        notes["packets"] = ", ".join(
            f"{count} of rate {rate}" for count, rate in zip(counts, RATES, strict=True) if count
        )
        side = DigitalSection(packets.write_side(colour_bits(rgb), counts), mcs)
        symbols = AnalogSection(packets.send(stream, counts)[np.newaxis])
        return Transmission((side, symbols), height, width, self.label, notes)

    def _allocate(
        self, rgb: RGB8, packets: Packets, snr_db: float
    ) -> tuple[IndexArray, bytes] | None:
        """Packets of each rate and the stream for them; None if not even the smallest fits."""
        payloads = packets.payloads
        longest = best_within(self._source, rgb, int(packets.count * payloads.max()) // 8)
        if longest is None:
            return None
        loss = [
            packet_error_rate(bits, rate, snr_db)
            for bits, rate in zip(payloads.tolist(), RATES, strict=True)
        ]
        distortion = self._distortion(rgb, longest.stream)
        protection = Protection(payloads, np.array(loss))
        counts = least_distortion(packets.count, protection, distortion)
        fitted = best_within(self._source, rgb, int(counts @ payloads) // 8)
        return None if fitted is None else (counts, fitted.stream)

    def _distortion(self, rgb: RGB8, stream: bytes) -> Callable[[RealArray], RealArray]:
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
        digital = [s for s in reception.sections if isinstance(s, ReceivedDigital)]
        symbols = [s for s in reception.sections if isinstance(s, ReceivedAnalog)]
        if not digital or not digital[0].ok or digital[0].bits.size < COLOUR_BITS:
            return flat_picture(None, height, width)
        side = digital[0].bits
        rgb = _decompress(symbols[0], side, height, width) if symbols else None
        if rgb is None:
            return flat_picture(side[:COLOUR_BITS], height, width)
        return picture_of_rgb8(rgb)


def open_codec(preset: PresetInfo, weights: Path | None) -> TJSCC:
    """The codec of a preset; nothing is learned, so there are no weights."""
    return TJSCC(label_of(preset, weights), preset.cbr)


def _decompress(section: ReceivedAnalog, side: BitArray, height: int, width: int) -> RGB8 | None:
    """The picture of what arrived before the first loss; None where that is none."""
    packets = Packets.of(section.symbols.shape[1])
    counts = packets.read_side(side)
    if counts is None:
        return None
    try:
        stream = packets.receive(section, counts)
        return decode_safely(JPEG2000.name, stream, height, width, DECODE_TIMEOUT_S)
    except DamagedStream:
        return None
