# SPDX-License-Identifier: GPL-3.0-or-later
"""What two hosts of a run tell each other: the messages, and the bytes they are made of.

A message is JSON with its ``kind`` and, behind it, binary parts: a report's picture as PNG, the
channel of a feedback as :mod:`gnuradio.semcom.feedback_message` has it. Nothing else is taken for
one, and nothing is larger than said here.

From transmitter to receiver: :class:`Hello`, :class:`PictureNext`, :class:`SentSoFar`,
:class:`End`, :class:`Stop`. From receiver to transmitter: :class:`Welcome` or :class:`Refused`,
:class:`Report`, :class:`ChannelFeedback`, :class:`Trouble`, :class:`Well`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias

from gnuradio.semcom.feedback_message import from_parts
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from ota_runner.record import Finite, FrameRecords, Label, first_fault
from ota_runner.signal_records import SignalRecord
from semcom_phy.exchange import MAX_SECTIONS
from semcom_phy.header import MAX_FRAGMENTS

LARGEST_TEXT = 1 << 22
"""Bytes of a message's JSON; a report of 4096 carriers and 4 x 4 antennas takes an eighth."""

LARGEST_PNG = 1 << 26
"""Bytes of a picture; one of 4096 x 4096 noisy pixels is smaller."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_PARTS = 3
_LARGEST_COUNT = 2**63 - 1

_Count = Annotated[int, Field(ge=0, le=_LARGEST_COUNT)]
_Line = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Picture = Annotated[int, Field(ge=0, lt=2**31)]
_Slug = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9+_-][A-Za-z0-9+._-]*$")]
_Attempt = Annotated[int, Field(ge=1, le=1000)]
_Counts = Annotated[dict[_Name, _Count], Field(max_length=64)]
_Settings = Annotated[dict[_Name, JsonValue], Field(max_length=256)]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    numbered: ClassVar[bool] = True
    """Whether it is sent again until it has arrived."""


class Hello(_Message):
    """What the transmitter is going to send; the receiver welcomes or refuses it.

    Attributes:
        run: drawn anew for each run folder; the same for a run gone on with.
        version: of this package.
        scheme, preset: the codec.
        label: codec, preset, weights, rate as in the frame header.
        numerology: all its numbers, antennas too.
        settings: what else both ends must agree on, such as the precoder.
        pictures: how many.
    """

    kind: Literal["hello"] = "hello"
    run: _Name
    version: _Name
    scheme: _Slug
    preset: _Slug
    label: Label
    numerology: _Settings
    settings: _Settings = {}
    pictures: Annotated[int, Field(ge=0, le=1_000_000)]


class PictureNext(_Message):
    """A picture is about to be sent.

    Attributes:
        run: that it belongs to.
        picture: its number there.
        attempt: 1, and one more each time that it is sent again.
        name: its name.
    """

    kind: Literal["picture"] = "picture"
    run: _Name
    picture: _Picture
    attempt: _Attempt = 1
    name: _Name


class SentSoFar(_Message):
    """A picture has been put into the sink.

    Attributes:
        run, picture, attempt: as in :class:`PictureNext`.
        samples: per antenna put into the sink since it was opened, silence included.
    """

    kind: Literal["sent"] = "sent"
    run: _Name
    picture: _Picture
    attempt: _Attempt = 1
    samples: _Count


class End(_Message):
    """The run is over.

    Attributes:
        run: which.
        summary: as in ``summary.json``.
    """

    kind: Literal["end"] = "end"
    run: _Name
    summary: _Settings


class Stop(_Message):
    """The run was interrupted; nothing more comes of it."""

    kind: Literal["stop"] = "stop"
    run: _Name
    reason: _Line


class Welcome(_Message):
    """The receiver can decode what was announced, and listens.

    Attributes:
        version: of its package.
        radio: what it says of its radio.
    """

    kind: Literal["welcome"] = "welcome"
    run: _Name
    version: _Name
    radio: _Settings = {}


class Refused(_Message):
    """The receiver cannot decode what was announced."""

    kind: Literal["refused"] = "refused"
    run: _Name
    reason: _Line


class ReceivedBits(_Message):
    """What arrived of a section of bits.

    Attributes:
        section: its place in the picture, from 0.
        bits: how many.
        ok: every CRC holds.
        valid_bits: how many of the first bits lie in code blocks whose CRCs hold.
        sha256: of the bits, packed as :func:`numpy.packbits` does, by which the transmitter finds
            what no CRC did; None where they are not ok.
    """

    section: Annotated[int, Field(ge=0, lt=MAX_SECTIONS)]
    bits: _Count
    ok: bool
    valid_bits: _Count
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


class Report(_Message):
    """What became of a picture at the receiver; its reconstruction is a PNG behind it.

    It is kept until the transmitter has dealt with it; what it is about stands in it, so that
    hearing it twice, or late, does no harm.

    Attributes:
        run, picture, attempt: as in :class:`PictureNext`.
        status: ``completed``, with a PNG; ``lost``: not one frame arrived; ``failed``: it could
            not be decoded, see ``reason``.
        reason: one line.
        height, width: in pixels, as the header says.
        snr_estimated_db: Es/N0 measured; None where none was.
        fragments: into how many it was cut; 0 where nothing arrived.
        fragments_lost: which of them did not arrive.
        frames: what was measured of each; None where nothing arrived.
        digital: of its sections of bits, in order.
        signal: symbols and spectra as received.
        decode_s: wall-clock seconds.
        events: of the radio.
    """

    kind: Literal["report"] = "report"
    run: _Name
    picture: _Picture
    attempt: _Attempt = 1
    status: Literal["completed", "lost", "failed"]
    reason: _Line | None = None
    height: Annotated[int, Field(ge=1, le=1 << 16)] | None = None
    width: Annotated[int, Field(ge=1, le=1 << 16)] | None = None
    snr_estimated_db: Finite | None = None
    fragments: Annotated[int, Field(ge=0, le=MAX_FRAGMENTS)] = 0
    fragments_lost: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=MAX_FRAGMENTS)], ...],
        Field(max_length=MAX_FRAGMENTS),
    ] = ()
    frames: FrameRecords | None = None
    digital: Annotated[tuple[ReceivedBits, ...], Field(max_length=MAX_SECTIONS)] = ()
    signal: SignalRecord | None = None
    decode_s: Annotated[Finite, Field(ge=0)] | None = None
    events: _Counts = {}


class ChannelFeedback(_Message):
    """A report on the channel stands behind it; what nobody takes is not told again.

    That is two parts, made by :func:`gnuradio.semcom.feedback_message.to_parts` and read by
    ``from_parts``.
    """

    numbered = False

    kind: Literal["feedback"] = "feedback"


class Trouble(_Message):
    """Something keeps the receiver from receiving: its radio vanished, its disk is full."""

    kind: Literal["trouble"] = "trouble"
    reason: _Line


class Well(_Message):
    """What :class:`Trouble` told of is mended."""

    kind: Literal["well"] = "well"


Message: TypeAlias = (
    Hello
    | PictureNext
    | SentSoFar
    | End
    | Stop
    | Welcome
    | Refused
    | Report
    | ChannelFeedback
    | Trouble
    | Well
)

_ANY: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="kind")])


def pack(message: Message, blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The parts of a message: JSON, then what belongs behind it.

    Raises:
        ValueError: binary parts that do not belong to it, or too large.
    """
    parts = [message.model_dump_json().encode(), *blobs]
    require_sizes([len(part) for part in parts])
    _require_blobs(message, blobs)
    return parts


def unpack(parts: Sequence[bytes]) -> tuple[Message, tuple[bytes, ...]]:
    """The message in its parts, and what stands behind it.

    Raises:
        ValueError: they are no message.
    """
    require_sizes([len(part) for part in parts])
    text, *blobs = parts
    try:
        message = _ANY.validate_json(text)
    except ValidationError as error:
        raise ValueError(f"no message: {first_fault(error)}") from None
    _require_blobs(message, blobs)
    return message, tuple(blobs)


def require_sizes(sizes: Sequence[int]) -> None:
    """Check the sizes in bytes of a message's parts, before anything is kept of them.

    Raises:
        ValueError: no message has such parts.
    """
    if not 1 <= len(sizes) <= _MOST_PARTS:
        raise ValueError(f"a message of {len(sizes)} parts: 1 to {_MOST_PARTS} are expected")
    if min(sizes) < 0 or sizes[0] > LARGEST_TEXT or max(sizes[1:], default=0) > LARGEST_PNG:
        raise ValueError(f"a message of {', '.join(map(str, sizes))} bytes is too large")


def _require_blobs(message: Message, blobs: Sequence[bytes]) -> None:
    match message:
        case ChannelFeedback():
            from_parts(blobs)
        case Report(status="completed"):
            if len(blobs) != 1 or not blobs[0].startswith(_PNG):
                raise ValueError("a picture that is completed is reported with one PNG")
        case _ if blobs:
            raise ValueError(f"{message.kind}: nothing is expected behind it")
