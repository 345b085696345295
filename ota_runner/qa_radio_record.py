# SPDX-License-Identifier: GPL-3.0-or-later
"""Radio events and transmit duty of a run."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ota_runner.radio_record import (
    RadioEventCounts,
    RadioRecord,
    all_radio_events,
    radio_record,
    transmit_duty,
)
from semcom_phy.ideal import IdealLink
from semcom_phy.link import LinkStats


def events(**counts: int) -> dict[str, int]:
    return {"underflow": 0, "overflow": 0, "late": 0, "lost_device": 0} | counts


def test_a_picture_has_the_events_of_its_time() -> None:
    before = LinkStats(radio_s=1.5, radio_events=events(overflow=3))
    after = LinkStats(radio_s=2.25, radio_events=events(overflow=5, late=1))
    assert radio_record(before, after) == RadioRecord(overflow=2, late=1, seconds=0.75)
    assert radio_record(before, before) == RadioRecord()


def test_a_link_of_symbols_has_no_radio() -> None:
    stats = IdealLink(10.0).stats
    assert radio_record(stats, stats) is None
    assert all_radio_events([None, None]) is None
    assert transmit_duty([(None, 100)], None) is None


def test_events_are_summed_over_pictures() -> None:
    records = [RadioRecord(late=1, seconds=1), None, RadioRecord(late=2, underflow=1, seconds=1)]
    assert all_radio_events(records) == RadioEventCounts(late=3, underflow=1)


def test_the_duty_is_of_the_radios_time() -> None:
    pictures = [
        (RadioRecord(seconds=1.0), 900_000),
        (RadioRecord(seconds=3.0), 1_100_000),
        (None, 5_000_000),  # failed before it was sent
        (RadioRecord(seconds=9.0), None),
    ]
    assert transmit_duty(pictures, 1e6) == pytest.approx(0.5)
    assert transmit_duty([(RadioRecord(), 100)], 1e6) is None  # its clock is not known


def test_records_are_checked() -> None:
    for fields in ({"late": -1}, {"seconds": float("nan")}, {"seconds": -1.0}, {"broken": 1}):
        with pytest.raises(ValidationError):
            RadioRecord.model_validate(fields)
