# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to frames and frames back to pictures.

A picture is longer than a channel stays the same, so it is cut into frames. The symbols of all its
sections are interleaved first: a lost frame is a faint erasure all over the picture, and digital
sections are spread over all frames that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.capacity import waveform_sections, with_stand_ins
from semcom_phy.digital import decode_symbols, encode_bits, symbol_count
from semcom_phy.exchange import (
    AnalogSection,
    BoolArray,
    ComplexArray,
    DigitalSection,
    FloatArray,
    PictureHeader,
    ReceivedAnalog,
    ReceivedSection,
    Reception,
    SectionEntry,
    Transmission,
)
from semcom_phy.header import FrameHeader, validate
from semcom_phy.interleaving import permutation
from semcom_phy.numerology import Numerology

MAX_CHANNEL_USES = 1 << 24
"""Payload symbols per stream that a picture has at most; a receiver sets no more memory aside."""

_FEWEST_ARRIVED = 1 / 64
"""Share of its frames without which a picture is lost: what it takes is set aside for frames that
arrived, not for those that a header tells of. No section of bits can be decoded from so few."""

_PADDING = np.complex64((1 + 1j) / np.sqrt(2))


@dataclass(frozen=True, eq=False)
class Frame:
    """What the modulator sends in one burst.

    Attributes:
        header: what the frame says of itself.
        payload: ``[streams, k]`` symbols, mean power one over the picture.
    """

    header: FrameHeader
    payload: ComplexArray


@dataclass(frozen=True, eq=False)
class ReceivedFrame:
    """What the receiver makes of one burst.

    Attributes:
        header: decoded, its CRC holds.
        payload: ``[streams, k]`` unbiased symbols.
        noise_var: ``[streams, k]`` their noise variance, infinite where nothing was received.
        csi: ``H[subcarriers, rx, tx]`` estimated from this frame, see
            :attr:`semcom_phy.exchange.Reception.csi`; None where it is not known.
        snr_db: Es/N0 of the payload, estimated.
        cfo_hz: carrier frequency offset, estimated.
        start_sample: of the frame on the sample clock, counted from the start of the stream.
        sample_rate: of that clock, in samples per second.
    """

    header: FrameHeader
    payload: ComplexArray
    noise_var: FloatArray
    csi: ComplexArray | None
    snr_db: float
    cfo_hz: float
    start_sample: int
    sample_rate: float

    @property
    def stream_time_s(self) -> float:
        """Sample-clock time of the frame's first sample."""
        return self.start_sample / self.sample_rate


def _section_uses(entry: SectionEntry) -> int:
    """Payload symbols per stream that a section takes."""
    if not entry.digital:
        return -(-entry.length // entry.streams) if entry.in_turn else entry.length
    return -(-symbol_count(entry.length, entry.mcs) // entry.streams)


def _picture_uses(header: PictureHeader) -> int:
    return sum(_section_uses(entry) for entry in header.sections)


def _cut(uses: int, fragments: int, fragment: int) -> slice:
    """Which interleaved symbols a fragment carries; lengths differ by one at most."""
    return slice(fragment * uses // fragments, (fragment + 1) * uses // fragments)


def picture_header(transmission: Transmission, picture: int) -> PictureHeader:
    """The header that describes a transmission.

    Args:
        transmission: its analogue sections all have the same number of streams. Where that is
            more than one, digital sections are spread over as many; else all sections are spread
            over ``transmission.streams``.
        picture: number of the picture, carried modulo 65536.

    Raises:
        ValueError: sections of unlike or wrong shapes, symbols that are not finite, or a bound.
    """
    sections = waveform_sections(transmission)
    analog = [s.symbols for s in sections if isinstance(s, AnalogSection)]
    if any(symbols.ndim != 2 for symbols in analog):
        raise ValueError("the symbols of an analogue section must be [streams, k]")
    if not all(np.isfinite(symbols).all() for symbols in analog):
        raise ValueError("an analogue section has symbols that are not finite numbers")
    counts = {symbols.shape[0] for symbols in analog} or {1}
    if len(counts) > 1:
        raise ValueError(f"all sections must have as many streams, not {sorted(counts)}")
    own = counts.pop()
    streams = own if own > 1 else transmission.streams
    entries = tuple(
        SectionEntry(True, int(np.size(section.bits)), section.mcs, streams)
        if isinstance(section, DigitalSection)
        else SectionEntry(False, section.channel_uses, 0, streams, in_turn=streams > own)
        for section in sections
    )
    header = PictureHeader(
        picture % 0x10000, transmission.height, transmission.width, transmission.label, entries
    )
    validate(FrameHeader(header))
    return header


def channel_uses(transmission: Transmission) -> int:
    """Payload symbols per stream of all sections, coded digital ones included.

    Divided by the source dimensions ``3 H W`` it is the channel bandwidth ratio: what several
    streams send at once is one channel use.

    Sections under an ideal code count with what they claim.

    Raises:
        ValueError: a transmission that no header describes, see :func:`picture_header`.
    """
    return _picture_uses(picture_header(with_stand_ins(transmission), 0))


def air_samples(transmission: Transmission, numerology: Numerology) -> int:
    """Samples that a transmission takes on the air.

    Preambles, headers, pilots, cyclic prefixes and guards are included.

    Raises:
        ValueError: as :func:`fragment`.
    """
    header = picture_header(transmission, 0)
    fragments = fragment_count(header, numerology)
    return _samples_from(FrameHeader(header, 0, fragments), numerology, 0)


def fragment_count(header: PictureHeader, numerology: Numerology) -> int:
    """Frames that a picture is cut into: as few as carry it."""
    return max(1, -(-_picture_uses(header) // numerology.fragment_capacity))


def payload_symbols(header: FrameHeader, numerology: Numerology) -> int:
    """Payload symbols per stream of a frame.

    Args:
        header: of the frame, as sent or as decoded.
        numerology: of the link.

    Raises:
        ValueError: the picture would not be cut into that many frames here: the frame was not
            made for this numerology.
    """
    expected = fragment_count(header.picture, numerology)
    if header.fragments != expected:
        raise ValueError(
            f"a header tells of {header.fragments} fragments where numerology "
            f"{numerology.name!r} makes {expected}: sender and receiver differ in numerology"
        )
    part = _cut(_picture_uses(header.picture), header.fragments, header.fragment)
    return part.stop - part.start


def _section_symbols(section: AnalogSection | DigitalSection, streams: int) -> ComplexArray:
    """A section as symbols ``[streams, k]``."""
    if isinstance(section, AnalogSection):
        if section.streams == streams:
            return np.asarray(section.symbols, dtype=np.complex64)
        symbols = np.asarray(section.symbols[0], dtype=np.complex64)
    else:
        symbols = encode_bits(section.bits, section.mcs)
    padded = np.pad(symbols, (0, -symbols.size % streams), constant_values=_PADDING)
    # Neighbours take turns on the streams, so that each stream carries every block.
    return np.asarray(padded.reshape(-1, streams).T)


def fragment(
    transmission: Transmission, picture: int, numerology: Numerology, csi_id: int = 0
) -> list[Frame]:
    """Cut a picture into frames.

    Args:
        transmission: what the codec made of the picture.
        picture: its number in the run, carried modulo 65536.
        numerology: of the link.
        csi_id: of the feedback that the frames will be precoded with, 0 for none.

    Returns:
        The frames in the order of sending, of equal length but for one symbol.

    Raises:
        ValueError: sections of unlike shapes or more streams than transmit antennas, symbols
            that are not finite, a bound, or a picture too large for the header's fields or of
            more than :data:`MAX_CHANNEL_USES` symbols per stream.
    """
    header = picture_header(transmission, picture)
    uses = _picture_uses(header)
    if uses > MAX_CHANNEL_USES:
        raise ValueError(
            f"a picture of {uses} channel uses is longer than the {MAX_CHANNEL_USES} that "
            "receivers accept: send it smaller, or at a lower bandwidth ratio"
        )
    streams = header.sections[0].streams
    if streams > numerology.tx_antennas:
        raise ValueError(
            f"{streams} streams need as many transmit antennas; numerology "
            f"{numerology.name!r} has {numerology.tx_antennas}"
        )
    fragments = fragment_count(header, numerology)
    validate(FrameHeader(header, 0, fragments, csi_id))
    sections = [_section_symbols(s, streams) for s in waveform_sections(transmission)]
    symbols = np.concatenate(sections, axis=1)
    interleaved = symbols[:, permutation(symbols.shape[1])]
    return [
        Frame(
            FrameHeader(header, index, fragments, csi_id),
            np.ascontiguousarray(interleaved[:, _cut(symbols.shape[1], fragments, index)]),
        )
        for index in range(fragments)
    ]


def _received_section(
    entry: SectionEntry, symbols: ComplexArray, noise_var: FloatArray
) -> ReceivedSection:
    if not entry.digital and not entry.in_turn:
        return ReceivedAnalog(symbols, noise_var, np.isinf(noise_var))
    count = symbol_count(entry.length, entry.mcs) if entry.digital else entry.length
    in_turn, noise_in_turn = symbols.T.reshape(-1)[:count], noise_var.T.reshape(-1)[:count]
    if entry.digital:
        decoded = decode_symbols(in_turn, noise_in_turn, entry.length, entry.mcs)
        return replace(decoded, symbols=in_turn)
    return ReceivedAnalog(in_turn[None], noise_in_turn[None], np.isinf(noise_in_turn[None]))


@njit(cache=True, nogil=True)
def _deinterleave(
    payload: NDArray[np.complex64],
    variance: NDArray[np.float32],
    places: NDArray[np.int64],
    symbols: NDArray[np.complex64],
    noise_var: NDArray[np.float32],
) -> tuple[float, int]:
    """Put a frame's symbols in their places; their noise variances' sum, and their number.

    What is no number or has no variance was not received, and is left out.
    """
    total, received = 0.0, 0
    for stream in range(payload.shape[0]):
        for k in range(places.size):
            symbol, noise = payload[stream, k], variance[stream, k]
            if isfinite(symbol.real) and isfinite(symbol.imag) and 0 <= noise < np.inf:
                symbols[stream, places[k]] = symbol
                noise_var[stream, places[k]] = noise
                total += noise
                received += 1
    return total, received


def assemble(
    header: PictureHeader, fragments: int, frames: Mapping[int, ReceivedFrame]
) -> Reception:
    """Put together what arrived of a picture.

    Args:
        header: of the picture.
        fragments: how many frames it was cut into.
        frames: those that arrived, by fragment, with payloads as long as
            :func:`payload_symbols` says; possibly none.

    Returns:
        The reception: analogue symbols of missing frames are zero, of infinite noise variance
        and marked erased; digital sections are decoded from the rest.
    """
    uses, streams = _picture_uses(header), header.sections[0].streams
    symbols = np.zeros((streams, uses), np.complex64)
    noise_var = np.full((streams, uses), np.inf, np.float32)
    arrived: BoolArray = np.zeros(fragments, bool)
    snr_db, cfo_hz = np.full((2, fragments), np.nan, np.float32)
    noise, received = 0.0, 0
    order = permutation(uses) if frames else np.empty(0, np.int64)
    for index, frame in frames.items():
        places = order[_cut(uses, fragments, index)]
        payload = np.ascontiguousarray(frame.payload, np.complex64)
        variance = np.ascontiguousarray(frame.noise_var, np.float32)
        total, usable = _deinterleave(payload, variance, places, symbols, noise_var)
        noise, received = noise + total, received + usable
        arrived[index], snr_db[index], cfo_hz[index] = True, frame.snr_db, frame.cfo_hz
    ends = np.cumsum([_section_uses(entry) for entry in header.sections])
    sections = tuple(
        _received_section(entry, symbols[:, start:end], noise_var[:, start:end])
        for entry, start, end in zip(header.sections, [0, *ends[:-1]], ends, strict=True)
    )
    latest = max(frames.values(), key=lambda frame: frame.start_sample, default=None)
    return Reception(
        header=header,
        sections=sections,
        noise_var=noise / received if received else float("inf"),
        fragments=arrived,
        frame_snr_db=snr_db,
        frame_cfo_hz=cfo_hz,
        csi=latest.csi if latest else None,
        stream_time_s=latest.stream_time_s if latest else 0.0,
    )


def _samples_from(header: FrameHeader, numerology: Numerology, pause_samples: int) -> int:
    """Samples from the start of this frame to the end of its picture, guards included."""
    uses, count = _picture_uses(header.picture), header.fragments - header.fragment
    short = uses // header.fragments
    rest = uses - _cut(uses, header.fragments, header.fragment).start
    long_ones = rest - count * short  # frames with one symbol more than the others
    samples = (count - 1) * pause_samples + (count - long_ones) * numerology.frame_samples(short)
    return samples + (long_ones * numerology.frame_samples(short + 1) if long_ones else 0)


@dataclass
class AssemblerCounts:
    """Frames that an :class:`Assembler` did not use.

    Attributes:
        duplicates: of a fragment that had already arrived.
        late: of a picture before the one being received.
        inconsistent: with another picture's size or sections under the same number, made for
            another numerology, of the wrong shape or too large.
        faint: of pictures of which next to nothing arrived.
    """

    duplicates: int = 0
    late: int = 0
    inconsistent: int = 0
    faint: int = 0


@dataclass(eq=False)
class _Open:
    """The picture being received."""

    header: PictureHeader
    fragments: int
    frames: dict[int, ReceivedFrame] = field(default_factory=dict)


class Assembler:
    """Collects the frames of one sender's pictures, in any order within a picture.

    Only the picture being received takes memory, and only for what has arrived of it. A picture of
    which less than one frame in 64 arrived is lost.

    Args:
        numerology: of the link.
        max_channel_uses: longest picture accepted, in payload symbols per stream. A frame that
            tells of a longer one is dropped before anything is allocated for it.
        pause_samples: silence between the frames of a picture.

    Attributes:
        counts: frames that were dropped, by reason.
    """

    def __init__(
        self,
        numerology: Numerology,
        max_channel_uses: int = MAX_CHANNEL_USES,
        pause_samples: int = 0,
    ) -> None:
        self.counts = AssemblerCounts()
        self._pause_samples = pause_samples
        self._numerology = numerology
        self._max_channel_uses = max_channel_uses
        self._open: _Open | None = None
        # Of the last picture opened, complete or not: to know its stragglers by.
        self._number = -1
        self._end = 0

    def add(self, frame: ReceivedFrame) -> list[Reception]:
        """Take in a frame.

        A picture is complete when all its frames have arrived, or when a frame of a later
        picture does.

        Returns:
            The receptions that this completes, at most two.
        """
        if not self._fits(frame):
            self.counts.inconsistent += 1
            return []
        receptions = []
        if not self._continues(frame):
            if frame.start_sample < self._end and not self._is_later(frame):
                self._count_straggler(frame)
                return []
            receptions += self.flush()
            self._open = _Open(frame.header.picture, frame.header.fragments)
            self._number, self._end = frame.header.picture.picture, 0
        assert self._open is not None
        self._open.frames[frame.header.fragment] = frame
        rest = _samples_from(frame.header, self._numerology, self._pause_samples)
        self._end = max(self._end, frame.start_sample + rest)
        if len(self._open.frames) == self._open.fragments:
            receptions += self.flush()
        return receptions

    def expire(self, stream_sample: int) -> list[Reception]:
        """Complete a picture of which nothing can arrive any more.

        Args:
            stream_sample: all frames that ended before this sample have been added.

        Returns:
            The reception of the open picture if its last frame should have ended by then.
        """
        return self.flush() if stream_sample >= self._end else []

    def flush(self) -> list[Reception]:
        """Complete the open picture, if any, with what has arrived of it."""
        picture, reception = self._open, self.so_far()
        self._open = None
        if picture is not None and reception is None:
            self.counts.faint += len(picture.frames)
        return [] if reception is None else [reception]

    def so_far(self) -> Reception | None:
        """What has arrived of the open picture; None where there is none, or next to nothing."""
        picture = self._open
        if picture is None or len(picture.frames) < _FEWEST_ARRIVED * picture.fragments:
            return None
        return assemble(picture.header, picture.fragments, picture.frames)

    def _fits(self, frame: ReceivedFrame) -> bool:
        """Whether a frame can belong to any picture on this link."""
        if _picture_uses(frame.header.picture) > self._max_channel_uses:
            return False
        try:
            expected = payload_symbols(frame.header, self._numerology)
        except ValueError:
            return False
        streams = frame.header.picture.sections[0].streams
        return frame.payload.shape == frame.noise_var.shape == (streams, expected)

    def _continues(self, frame: ReceivedFrame) -> bool:
        """Whether a frame is a missing part of the open picture."""
        return (
            self._open is not None
            and frame.start_sample < self._end
            and frame.header.picture == self._open.header
            and frame.header.fragment not in self._open.frames
        )

    def _is_later(self, frame: ReceivedFrame) -> bool:
        """Whether a frame's picture follows the last one, in 16-bit serial arithmetic."""
        return 0 < (frame.header.picture.picture - self._number) % 0x10000 < 0x8000

    def _count_straggler(self, frame: ReceivedFrame) -> None:
        if frame.header.picture.picture != self._number:
            self.counts.late += 1
        elif self._open is not None and frame.header.picture != self._open.header:
            self.counts.inconsistent += 1
        else:
            self.counts.duplicates += 1
