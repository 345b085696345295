# SPDX-License-Identifier: GPL-3.0-or-later
"""Short versions of the endurance runs, and that these notice what they are there to notice."""

from __future__ import annotations

import pytest

from benchmarks.waveform import endurance
from semcom_phy.numerology import NARROW, WIDE, Numerology


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=["narrow", "wide"])
def test_no_frame_is_missed_at_5_db_and_none_made_up(numerology: Numerology) -> None:
    *_, count = endurance.count_frames(250, 5.0, seed=2, numerology=numerology)
    assert (count.sent, count.received, count.missed, count.false) == (250, 250, 0, 0)
    assert count.samples >= 250 * numerology.frame_samples(1)


def test_missed_frames_are_counted() -> None:
    *_, count = endurance.count_frames(30, -15.0)
    assert count.missed == 30


def test_frames_at_a_wrong_place_are_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endurance, "LATE", -1)
    *_, count = endurance.count_frames(5, 5.0)
    assert (count.received, count.false) == (0, 5)


def test_noise_holds_no_frame() -> None:
    *_, counts = endurance.search_noise(3_000_000, seed=2)
    assert counts["samples"] == 3_000_000
    assert counts["frames"] == 0


def test_a_long_stream_loses_nothing_and_takes_no_more_memory() -> None:
    stretches = list(endurance.run_long(8.0))
    assert len(stretches) == 2
    assert stretches[-1].stream_s >= 8.0
    assert stretches[-1].frames == stretches[-1].sent
    assert stretches[-1].pictures * 17 == stretches[-1].sent
    assert stretches[-1].resident_mib - stretches[0].resident_mib < 30
