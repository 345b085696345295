# SPDX-License-Identifier: GPL-3.0-or-later
"""A short soak, and that it notices what it is there to notice."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")

from gnuradio.semcom.radios import open_radio

from benchmarks import soak
from semcom_phy.numerology import NARROW


def test_pictures_follow_each_other_and_none_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.main(["--radio", "loopback", "--minutes", "0.02", "--every", "0.5"]) == 0
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert len(lines) >= 2
    last = lines[-1]
    assert (last["radio"], last["rate"]) == ("loopback", 2e6)
    assert last["frames"] == 17 * last["pictures"] > 0
    assert last["frames_lost"] == last["unexplained"] == last["pictures_lost"] == 0
    assert 0.95 < last["duty"] < 0.99  # all but the silence behind a picture
    assert last["resident_mib"] > 50
    assert "unexplained" in told.err


def lossy_soak(events: int) -> soak.Report:
    """The end of one in which so many events are counted between reports."""
    gap: dict[str, Any] = {"gap_length_s": 0.05, "gap_starts_s": (0.5,)}  # in the second picture
    radio = open_radio("loopback", NARROW, channel_continues=True, snr_db=20.0, **gap)
    reports = []
    for report in soak.soak(radio, 0.5, every_s=0.0):
        reports.append(report)
        radio.events.overflow += events
    return reports[-1]


def test_losses_are_explained_by_events_alone() -> None:
    silent, loud = lossy_soak(0), lossy_soak(1)
    assert silent.frames_lost == silent.unexplained > 0
    assert loud.frames_lost > 0
    assert loud.unexplained == 0


def test_growth_is_that_of_all_processes() -> None:
    first = soak.Report(resident_mib=100.0, children_mib=50.0)
    last = soak.Report(resident_mib=101.0, children_mib=90.0)
    assert soak.growth_mib([first, soak.Report(resident_mib=500.0), last]) == 41.0
