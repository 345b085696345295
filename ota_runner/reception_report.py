# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture that arrived at one host, as the other one gets to know it."""

from __future__ import annotations

import hashlib
import math
from functools import partial

import numpy as np
from torch import Tensor

from ota_runner.control_messages import ReceivedBits, Report
from ota_runner.delivery import Arrival
from ota_runner.digital_sections import coding
from ota_runner.errors import LinkFailed
from ota_runner.frame_records import frame_records
from ota_runner.record import DigitalRecord
from ota_runner.signal_records import SignalRecord
from semcom_models.data import picture_of_png
from semcom_phy.exchange import (
    BitArray,
    DigitalSection,
    ReceivedDigital,
    Reception,
    Transmission,
)


def report_of(lost: Report, reception: Reception, signal: SignalRecord | None) -> Report:
    """What the receiving host measured of a picture; that it was decoded is to be filled in.

    Args:
        lost: what would be told if nothing had arrived: which picture it is.
        reception: what arrived.
        signal: what it looked like.
    """
    bits = tuple(
        ReceivedBits(
            section=index,
            bits=section.bits.size,
            ok=section.ok,
            valid_bits=section.valid_bits,
            sha256=_sha256(section.bits) if section.ok else None,
        )
        for index, section in enumerate(reception.sections)
        if isinstance(section, ReceivedDigital)
    )
    return lost.model_copy(
        update={
            "status": "completed",
            "height": reception.header.height,
            "width": reception.header.width,
            "snr_estimated_db": reception.snr_db if math.isfinite(reception.snr_db) else None,
            "fragments": len(reception.fragments),
            "fragments_lost": tuple(np.flatnonzero(~reception.fragments).tolist()),
            "frames": frame_records(reception),
            "digital": bits,
            "signal": signal,
        }
    )


def arrival_of(
    report: Report, png: bytes | None, transmission: Transmission, signal: SignalRecord | None
) -> Arrival:
    """A report as the transmitting host's run takes it.

    Args:
        report: from the receiver.
        png: the reconstruction, None where there is none.
        transmission: as sent.
        signal: what was sent looked like; what was received is in the report.

    Raises:
        LinkFailed: a report that says what cannot be.
    """
    seen = signal
    if report.signal is not None:
        own = {"picture": report.picture, "sent_db": () if signal is None else signal.sent_db}
        seen = report.signal.model_copy(update=own)
    digital = tuple(
        _digital_record(index, section, report)
        for index, section in enumerate(transmission.sections)
        if isinstance(section, DigitalSection)
    )
    if report.status == "lost":
        return Arrival(np.zeros(0, bool), digital=digital, signal=seen)
    arrived = np.ones(report.fragments, bool)
    if any(lost >= report.fragments for lost in report.fragments_lost):
        raise LinkFailed(f"the receiver's report on picture {report.picture} contradicts itself")
    arrived[list(report.fragments_lost)] = False
    return Arrival(
        arrived,
        report.snr_estimated_db,
        report.frames,
        digital,
        seen,
        partial(_decoded, report, png, transmission),
        report.decode_s,
    )


def _decoded(report: Report, png: bytes | None, transmission: Transmission) -> Tensor:
    if report.status == "failed" or png is None:
        raise ValueError(f"the receiver could not decode it: {report.reason or 'no picture came'}")
    return picture_of_png(png, transmission.height, transmission.width)


def _digital_record(index: int, sent: DigitalSection, report: Report) -> DigitalRecord:
    mcs, efficiency = coding(sent)
    record = DigitalRecord(mcs=mcs, efficiency=efficiency, bits=sent.bits.size)
    for received in report.digital:
        if received.section == index and received.bits == sent.bits.size:
            wrong = received.sha256 != _sha256(sent.bits) if received.ok else None
            return record.model_copy(
                update={"ok": received.ok, "valid_bits": received.valid_bits, "wrong": wrong}
            )
    return record


def _sha256(bits: BitArray) -> str:
    return hashlib.sha256(np.packbits(bits).tobytes()).hexdigest()
