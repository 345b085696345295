# SPDX-License-Identifier: GPL-3.0-or-later
"""Separate coding: the stream of a standard picture codec under a channel code.

``<codec>+ldpc`` sends it with 5G LDPC codes and QAM, as papers on learned codes do to compare with
(S. Wang et al., "Improved Nonlinear Transform Source-Channel Coding to Catalyze Semantic
Communications", appendix A-C): the best quality that fits the channel uses with the chosen scheme.
``<codec>+capacity`` sends it under an ideal code, which is a bound. Where the stream is lost, the
picture is what its beginning gives, if the codec is embedded, else the mean colour.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.digital_request import channel_uses, reported_snr_db, rgb8
from semcom_models.codecs.flat_picture import (
    COLOUR_BITS,
    colour_alone,
    colour_beside,
    flat_picture,
)
from semcom_models.codecs.registry import PresetInfo, label_of
from semcom_models.codecs.separate_carriers import AdaptiveMCS, Carrier, FixedMCS, IdealCode
from semcom_models.codecs.separate_mcs import ADAPTIVE, HINDSIGHT, SeparateOptions, named_mcs
from semcom_models.codecs.separate_source import source_of
from semcom_models.data import picture_of_rgb8
from semcom_models.source import (
    RGB8,
    DamagedStream,
    Encoded,
    NotInstalled,
    SourceCodec,
    best_within,
    decode_safely,
)
from semcom_phy.digital import MCS, symbol_count
from semcom_phy.exchange import (
    CapacitySection,
    ChannelState,
    CodecLabel,
    DigitalSection,
    ReceivedDigital,
    Reception,
    Transmission,
)

DECODE_TIMEOUT_S = 60.0
"""Wall-clock seconds after which a stream that is still being decoded counts as damaged."""

MAX_STREAM_BITS = (1 << 24) - 1
"""What the frame header's field for a section's length can hold."""


class MissingProgram(ValueError):
    """A picture codec is not installed; the message is one line that says what to install."""


class SeparateCodec(Codec):
    """The stream of a standard codec, and something that carries it.

    Sections: the stream, then the mean colour where there is room for it. A picture too small for
    any stream is sent as its mean colour alone. Together they take at most ``cbr 3 H W`` channel
    uses; only where that is less than the smallest section there is, they take that one.

    Args:
        label: codec and preset numbers.
        source: compresses and decompresses.
        cbr: channel bandwidth ratio where a request does not ask for one.
    """

    def __init__(self, label: CodecLabel, source: SourceCodec[Any], cbr: float) -> None:
        self.label = label
        self._source = source
        self._version = source.version()
        self._cbr = cbr

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        """Encode pictures; see :meth:`Codec.encode`. Of the request, ``cbr`` and ``options`` count.

        Raises:
            ValueError: a picture that is not ``[3, H, W]``, a CBR that is not positive, or an MCS
                to be chosen in hindsight.
        """
        carrier = self._carrier(reported_snr_db(state), request or Request())
        pictures = [rgb8(image) for image in images]
        return [
            self._encode_one(rgb, carrier, channel_uses(rgb, request, self._cbr))
            for rgb in pictures
        ]

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        """Decode pictures; what became of each is in the description of this module."""
        return [self._decode_one(reception) for reception in receptions]

    @abstractmethod
    def _carrier(self, snr_db: float, request: Request) -> Carrier:
        """What the streams of a request are sent with."""

    @abstractmethod
    def _colour_beside(self, rgb: RGB8, uses: int) -> DigitalSection | None:
        """What is sent beside a stream, for when that is lost."""

    def _encode_one(self, rgb: RGB8, carrier: Carrier, uses: int) -> Transmission:
        colour = self._colour_beside(rgb, uses)
        room = uses if colour is None else uses - symbol_count(colour.bits.size, colour.mcs)
        found = _best_stream(self._source, rgb, carrier, room)
        if found is None:
            return self._flat(rgb, uses)
        encoded, section = found
        mcs = MCS[section.mcs].name if isinstance(section, DigitalSection) else "capacity"
        height, width = rgb.shape[:2]
        return Transmission(
            (section,) if colour is None else (section, colour),
            height,
            width,
            self.label,
            {
                "source": self._version,
                "quality": _written(encoded.quality),
                "stream_bytes": float(len(encoded.stream)),
                "mcs": mcs,
            },
        )

    def _flat(self, rgb: RGB8, uses: int) -> Transmission:
        section = colour_alone(rgb, uses)
        notes: dict[str, str | float] = {
            "source": self._version,
            "flat": f"no {self._source.name} stream is small enough for {uses} channel uses",
            "stream_bytes": 0.0,
            "mcs": MCS[section.mcs].name,
        }
        height, width = rgb.shape[:2]
        return Transmission((section,), height, width, self.label, notes)

    def _decode_one(self, reception: Reception) -> Tensor:
        height, width = reception.header.height, reception.header.width
        digital = [s for s in reception.sections if isinstance(s, ReceivedDigital)]
        # A section of a colour's length is a colour: no stream is so short.
        streams = [s for s in digital if s.bits.size > COLOUR_BITS]
        if streams:
            rgb = self._decompress(streams[0], height, width)
            if rgb is not None:
                return picture_of_rgb8(rgb)
        colours = [s.bits for s in digital if s.bits.size == COLOUR_BITS and s.ok]
        return flat_picture(colours[0] if colours else None, height, width)

    def _decompress(self, received: ReceivedDigital, height: int, width: int) -> RGB8 | None:
        """The picture of a stream or, where the codec can, of its intact beginning."""
        if not received.ok and not self._source.embedded:
            return None
        stream = np.packbits(received.bits[: received.valid_bits // 8 * 8]).tobytes()
        try:
            return decode_safely(self._source.name, stream, height, width, DECODE_TIMEOUT_S)
        except DamagedStream:
            return None


class LDPCCodec(SeparateCodec):
    """The ``<codec>+ldpc`` schemes."""

    def _carrier(self, snr_db: float, request: Request) -> Carrier:
        options = request.options or SeparateOptions()
        if not isinstance(options, SeparateOptions):
            raise ValueError(f"the options are of another scheme: {type(options).__name__}")
        if options.mcs == HINDSIGHT:
            raise ValueError(
                "mcs hindsight chooses among many runs: use it in a sweep, or choose adaptive"
            )
        return AdaptiveMCS(snr_db) if options.mcs == ADAPTIVE else FixedMCS(named_mcs(options.mcs))

    def _colour_beside(self, rgb: RGB8, uses: int) -> DigitalSection | None:
        return colour_beside(rgb, uses)


class CapacityCodec(SeparateCodec):
    """The ``<codec>+capacity`` schemes: all channel uses are the stream's."""

    def _carrier(self, snr_db: float, request: Request) -> Carrier:
        return IdealCode(snr_db)

    def _colour_beside(self, rgb: RGB8, uses: int) -> DigitalSection | None:
        return None


def open_codec(preset: PresetInfo, weights: Path | None) -> SeparateCodec:
    """The codec of a preset; nothing is learned, so there are no weights.

    Raises:
        MissingProgram: the picture codec is not installed.
    """
    channel = preset.scheme.partition("+")[2]
    source = source_of(preset)
    kind = LDPCCodec if channel == "ldpc" else CapacityCodec
    try:
        return kind(label_of(preset, weights), source, preset.cbr)
    except NotInstalled as error:
        raise MissingProgram(f"{preset.scheme} preset {preset.name}: {error}") from error


def _best_stream(
    source: SourceCodec[Any], rgb: RGB8, carrier: Carrier, uses: int
) -> tuple[Encoded[Any], DigitalSection | CapacitySection] | None:
    """The best stream that can be carried in so many channel uses, None if there is none."""
    max_bytes = min(carrier.most_bits(uses), MAX_STREAM_BITS) // 8
    while max_bytes > 0:
        encoded = best_within(source, rgb, max_bytes)
        if encoded is None:
            break
        section = carrier.section(np.unpackbits(np.frombuffer(encoded.stream, np.uint8)), uses)
        if section is not None:
            return encoded, section
        max_bytes = len(encoded.stream) - 1
    return None


def _written(quality: object) -> str | float:
    """A step of a codec's ladder as a record has it."""
    if isinstance(quality, int | float):
        return float(quality)
    return " ".join(map(str, quality)) if isinstance(quality, tuple) else str(quality)
