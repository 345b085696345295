# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples between two programs: what is on the wire.

Samples are ZMQ messages of two parts. The first is JSON::

    {"format": 1, "session": 81985529216486895, "offset": 65536, "samples": 4096, "antennas": 2,
     "sample_rate": 1000000.0, "pictures": [[12, 7]], "end": false}

``session`` is drawn anew by each sender that starts; ``offset`` counts its samples per antenna from
0. ``pictures`` says at which of the samples which picture begins: for a simulated channel, which
may start afresh there, and for nothing else. ``end`` tells that nothing more comes. The second part
is the samples as little-endian complex64, antenna after antenna. Nothing else is taken for samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semcom_phy.exchange import ComplexArray

LARGEST_SAMPLES = 1 << 16
"""Per antenna in a message."""

MOST_ANTENNAS = 8

LARGEST_BYTES = 8 * MOST_ANTENNAS * LARGEST_SAMPLES
"""Of a part of a message."""

_LARGEST_HEAD = 1 << 16
_LARGEST_NUMBER = 2**62

_Number = Annotated[int, Field(ge=0, le=_LARGEST_NUMBER)]


class _Head(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    session: Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]
    offset: _Number
    samples: Annotated[int, Field(ge=0, le=LARGEST_SAMPLES)]
    antennas: Annotated[int, Field(ge=1, le=MOST_ANTENNAS)]
    sample_rate: Annotated[float, Field(gt=0, le=1e12)]
    pictures: Annotated[tuple[tuple[_Number, _Number], ...], Field(max_length=1024)] = ()
    end: bool = False


@dataclass(frozen=True, eq=False)
class SampleMessage:
    """Some samples of a stream.

    Attributes:
        session: of the sender.
        offset: of the first sample in the sender's stream.
        samples: complex64 ``[antennas, samples]``.
        sample_rate: samples a second.
        pictures: index of a sample here and number of the picture that begins with it.
        end: nothing more comes.
    """

    session: int
    offset: int
    samples: ComplexArray
    sample_rate: float
    pictures: tuple[tuple[int, int], ...] = ()
    end: bool = False


def to_parts(message: SampleMessage) -> list[bytes | memoryview]:
    """The parts of a message; the second one is the samples themselves if they are in C order.

    Raises:
        ValueError: too many samples, or numbers that are none.
    """
    antennas, samples = message.samples.shape
    try:
        head = _Head(
            session=message.session,
            offset=message.offset,
            samples=samples,
            antennas=antennas,
            sample_rate=message.sample_rate,
            pictures=message.pictures,
            end=message.end,
        )
    except ValidationError as error:
        raise ValueError(f"samples cannot be sent: {_first(error)}") from None
    data = np.ascontiguousarray(message.samples, dtype="<c8")
    return [head.model_dump_json().encode(), data.reshape(-1).view(np.uint8).data]


def from_parts(parts: Sequence[bytes | memoryview]) -> SampleMessage:
    """The samples in a message's parts, without copying them.

    Raises:
        ValueError: they are no samples, or not finite.
    """
    if len(parts) != 2:
        raise ValueError(f"samples of {len(parts)} parts: expected JSON and samples")
    text, data = parts
    if len(text) > _LARGEST_HEAD or len(data) > LARGEST_BYTES:
        raise ValueError(f"samples of {len(text)} and {len(data)} bytes are too large")
    try:
        head = _Head.model_validate_json(bytes(text))
    except ValidationError as error:
        raise ValueError(f"no samples: {_first(error)}") from None
    if len(data) != 8 * head.antennas * head.samples:
        raise ValueError(
            f"samples: {len(data)} bytes for {head.samples} of {head.antennas} antennas"
        )
    if any(index >= head.samples for index, _ in head.pictures):
        raise ValueError("samples: a picture begins behind the last of them")
    values: np.ndarray[Any, Any] = np.frombuffer(data, "<c8").astype(np.complex64, copy=False)
    if not np.isfinite(values.sum()):
        raise ValueError("samples: they are no finite numbers")
    return SampleMessage(
        head.session,
        head.offset,
        values.reshape(head.antennas, head.samples),
        head.sample_rate,
        head.pictures,
        head.end,
    )


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return " ".join([*(str(part) for part in problem["loc"]), problem["msg"]])
