# SPDX-License-Identifier: GPL-3.0-or-later
"""Feedback between two programs: what is on the wire.

A report is a ZMQ message of two parts. The first is JSON::

    {"format": 1, "session": 81985529216486895, "number": 7, "stream_time_s": 0.25,
     "snr_db": 11.8, "csi_id": 3, "csi_shape": [100, 2, 2]}

``session`` is drawn anew by each receiver that starts, ``number`` counts its reports from 1;
``snr_db`` or ``csi_id`` and ``csi_shape`` may be missing. The second part is empty, or the channel
as little-endian complex64 in C order. Nothing else is taken for a report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semcom_phy.csi_feedback import CSI_IDS, Feedback

LARGEST_BYTES = 1 << 20
"""Of a part of a message. 4096 carriers of two antennas at both ends take an eighth."""

_LARGEST_HEAD = 1024
_LARGEST_NUMBER = 2**63 - 1

_Count = Annotated[int, Field(ge=1, le=_LARGEST_NUMBER)]


class _Head(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = 1
    session: _Count
    number: _Count
    stream_time_s: Annotated[float, Field(ge=0)]
    snr_db: float | None = None
    csi_id: Annotated[int, Field(ge=0, le=CSI_IDS)] = 0
    csi_shape: Annotated[list[_Count], Field(min_length=3, max_length=3)] | None = None


@dataclass(frozen=True)
class NumberedFeedback:
    """A report as it came.

    Attributes:
        number: in its session, from 1.
        report: says which session.
    """

    number: int
    report: Feedback


def to_parts(message: NumberedFeedback) -> list[bytes]:
    """The parts of a report's message.

    Raises:
        ValueError: a report without a session or a stream time, or with numbers that are none.
    """
    report, csi = message.report, message.report.csi
    try:
        head = _Head(
            session=report.session,
            number=message.number,
            stream_time_s=report.stream_time_s,  # type: ignore[arg-type]  # checked by the model
            snr_db=report.snr_db,
            csi_id=report.csi_id,
            csi_shape=None if csi is None else list(csi.shape),
        )
    except ValidationError as error:
        raise ValueError(f"feedback cannot be sent: {_first(error)}") from None
    values = b"" if csi is None else np.ascontiguousarray(csi, dtype="<c8").tobytes()
    return [head.model_dump_json(exclude_none=True).encode(), values]


def from_parts(parts: Sequence[bytes]) -> NumberedFeedback:
    """The report in a message's parts; what its numbers mean is not judged here.

    Raises:
        ValueError: they are no report.
    """
    if len(parts) != 2:
        raise ValueError(f"feedback of {len(parts)} parts: expected JSON and the channel")
    text, values = parts
    if len(text) > _LARGEST_HEAD or len(values) > LARGEST_BYTES:
        raise ValueError(f"feedback of {len(text)} and {len(values)} bytes is too large")
    try:
        head = _Head.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"no feedback: {_first(error)}") from None
    size = 0 if head.csi_shape is None else prod(head.csi_shape)
    if len(values) != 8 * size:
        raise ValueError(f"feedback: {len(values)} bytes for a channel of {head.csi_shape}")
    csi = None
    if head.csi_shape is not None:
        csi = np.frombuffer(values, "<c8").astype(np.complex64).reshape(head.csi_shape)
    report = Feedback(head.snr_db, csi, head.csi_id, head.stream_time_s, head.session)
    return NumberedFeedback(head.number, report)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return " ".join([*(str(part) for part in problem["loc"]), problem["msg"]])
