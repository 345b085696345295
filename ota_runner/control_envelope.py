# SPDX-License-Identifier: GPL-3.0-or-later
"""The control connection between two hosts: what is on the wire.

A ZMQ message of two parts. The first is JSON::

    {"format": 1, "session": 81985529216486895, "to": 4460223, "received": 7, "done": 7,
     "number": 8, "sizes": [312, 70211], "bye": false}

``session`` is drawn anew by each program that starts, and once it meets another one than before.
``to`` is the session that it hears, 0 for none. ``received`` and ``done`` say how far its stream
has come, see :mod:`ota_runner.control_stream`. The second part is a piece of that stream where
there is a ``number``; else a whole message where there are ``sizes``; else empty, a sign of life.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from gnuradio.semcom.feedback_message import LARGEST_BYTES
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ota_runner.record import first_fault

LARGEST_PART = LARGEST_BYTES + 4096
"""Bytes of a part: a channel and the text before it."""

_LARGEST_HEAD = 1024
_LARGEST_NUMBER = 2**63 - 1

_Number = Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]
_Count = Annotated[int, Field(ge=0, le=_LARGEST_NUMBER)]


class Envelope(BaseModel):
    """Head of a message on the wire; see the module's text."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal[1] = 1
    session: _Number
    to: _Count = 0
    received: _Count = 0
    done: _Count = 0
    number: _Number | None = None
    sizes: Annotated[tuple[_Count, ...], Field(min_length=1, max_length=3)] | None = None
    bye: bool = False


def seal(envelope: Envelope, data: bytes = b"") -> list[bytes]:
    """The parts on the wire."""
    return [envelope.model_dump_json(exclude_none=True).encode(), data]


def open_envelope(parts: Sequence[bytes]) -> tuple[Envelope, bytes]:
    """Head and data of parts on the wire.

    Raises:
        ValueError: somebody else's message.
    """
    if len(parts) != 2:
        raise ValueError(f"a message of {len(parts)} parts: expected JSON and data")
    text, data = parts
    if len(text) > _LARGEST_HEAD or len(data) > LARGEST_PART:
        raise ValueError(f"a message of {len(text)} and {len(data)} bytes is too large")
    try:
        return Envelope.model_validate_json(text), data
    except ValidationError as error:
        raise ValueError(f"no message: {first_fault(error)}") from None
