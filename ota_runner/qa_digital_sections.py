# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections of bits: arrived, damaged, wrong without anybody noticing, lost."""

from __future__ import annotations

import numpy as np
import pytest

from ota_runner.digital_sections import digital_records
from ota_runner.record import DigitalRecord
from semcom_phy.digital import MCS
from semcom_phy.exchange import (
    AnalogSection,
    BitArray,
    CapacitySection,
    ChannelState,
    CodecLabel,
    DigitalSection,
    PictureHeader,
    ReceivedAnalog,
    ReceivedDigital,
    ReceivedSection,
    Reception,
    Transmission,
)
from semcom_phy.ideal import IdealLink

BITS: BitArray = np.tile(np.array([0, 1], np.uint8), 5)
ANALOGUE = AnalogSection(np.ones((1, 4), np.complex64))
SENT = Transmission(
    (ANALOGUE, DigitalSection(BITS, 1), DigitalSection(BITS, 2)), 8, 8, CodecLabel(200)
)
ARRIVED = ReceivedDigital(BITS, ok=True, valid_bits=10)


def received(*sections: ReceivedSection) -> Reception:
    noise = np.ones((1, 4), np.float32)
    first = ReceivedAnalog(ANALOGUE.symbols, noise, noise < 0)
    return Reception(PictureHeader(0, 8, 8, SENT.label, ()), (first, *sections), 1.0)


def after(section: ReceivedSection) -> DigitalRecord:
    """The record of the second section of bits, of which this arrived."""
    _, record = digital_records(SENT, received(ARRIVED, section))
    return record


def test_what_arrives_is_told_by_name() -> None:
    records = digital_records(SENT, received(ARRIVED, ARRIVED))
    assert [record.mcs for record in records] == [MCS[1].name, MCS[2].name]
    assert [record.efficiency for record in records] == [MCS[1].efficiency, MCS[2].efficiency]
    assert {(r.bits, r.ok, r.valid_bits, r.wrong) for r in records} == {(10, True, 10, False)}


def test_wrong_bits_under_a_crc_that_holds_are_seen() -> None:
    assert after(ReceivedDigital(BITS[::-1], ok=True, valid_bits=10)).wrong is True
    assert after(ReceivedDigital(BITS[:5], ok=True, valid_bits=5)).wrong is True


def test_a_crc_that_fails_says_nothing_of_the_bits() -> None:
    record = after(ReceivedDigital(BITS, ok=False, valid_bits=4))
    assert (record.ok, record.valid_bits, record.wrong) == (False, 4, None)


@pytest.mark.parametrize("reception", [None, received(), received(ARRIVED)])
def test_what_does_not_arrive_has_failed(reception: Reception | None) -> None:
    record = digital_records(SENT, reception)[-1]
    assert (record.ok, record.valid_bits, record.wrong) == (False, 0, None)


@pytest.mark.parametrize(("snr_db", "ok"), [(0.1, True), (-0.1, False)])
def test_ideal_codes_are_recorded_like_others(snr_db: float, ok: bool) -> None:
    """A bit a channel use is what 0 dB can carry."""
    sections = (CapacitySection(np.ones(300, np.uint8), 300),)
    bound = Transmission(sections, 8, 8, CodecLabel(200))
    with IdealLink(snr_db) as link:
        link.send(0, bound, ChannelState())
        [record] = digital_records(bound, link.receive())
    assert (record.mcs, record.efficiency, record.ok) == ("capacity", 1.0, ok)
