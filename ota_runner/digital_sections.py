# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the bits of a picture, section by section.

A run knows what was sent, as no receiver does: it counts the sections whose CRCs all hold although
bits are wrong.
"""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from ota_runner.record import DigitalRecord
from semcom_phy.digital import MCS
from semcom_phy.exchange import (
    CapacitySection,
    DigitalSection,
    ReceivedDigital,
    ReceivedSection,
    Reception,
    Transmission,
)

IDEAL_CODE = "capacity"
"""Written down as the MCS of a section under an ideal code."""


def digital_records(
    transmission: Transmission, reception: Reception | None
) -> tuple[DigitalRecord, ...]:
    """A record for each section of bits.

    Args:
        transmission: as sent.
        reception: what arrived of it, None where nothing did.
    """
    arrived = () if reception is None else reception.sections
    pairs = zip_longest(transmission.sections, arrived[: len(transmission.sections)])
    return tuple(
        _record(sent, received)
        for sent, received in pairs
        if isinstance(sent, DigitalSection | CapacitySection)
    )


def _record(
    sent: DigitalSection | CapacitySection, received: ReceivedSection | None
) -> DigitalRecord:
    mcs, efficiency = coding(sent)
    bits = sent.bits.size
    if not isinstance(received, ReceivedDigital):
        return DigitalRecord(mcs=mcs, efficiency=efficiency, bits=bits)
    return DigitalRecord(
        mcs=mcs,
        efficiency=efficiency,
        bits=bits,
        ok=received.ok,
        valid_bits=received.valid_bits,
        wrong=not np.array_equal(received.bits, sent.bits) if received.ok else None,
    )


def coding(sent: DigitalSection | CapacitySection) -> tuple[str, float]:
    """Name and information bits a symbol."""
    if isinstance(sent, CapacitySection):
        return IDEAL_CODE, sent.bits.size / sent.channel_uses
    return MCS[sent.mcs].name, MCS[sent.mcs].efficiency
