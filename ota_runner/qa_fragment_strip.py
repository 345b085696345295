# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames of a picture were lost, also of runs that did not write that down."""

from __future__ import annotations

from typing import Any

import pytest

from ota_runner.fragment_strip import lost_fragments, strips
from ota_runner.record import FrameRecords, PictureRecord


def sent(sent: int, received: int, **fields: Any) -> PictureRecord:
    return PictureRecord(
        picture=0,
        name="a",
        status="completed",
        fragments_sent=sent,
        fragments_received=received,
        **fields,
    )


def frames(*snr_db: float | None) -> FrameRecords:
    return FrameRecords(snr_db=snr_db, cfo_hz=len(snr_db) * (0.0,))


@pytest.mark.parametrize(
    ("record", "lost"),
    [
        (sent(4, 2, fragments_lost=(0, 3)), {0, 3}),
        (sent(4, 4), set()),
        (sent(2, 0), {0, 1}),
        (sent(3, 2, frames=frames(9.0, None, 8.0)), {1}),
        (sent(3, 2), None),
        (sent(3, 2, frames=frames(9.0, None)), None),
    ],
)
def test_what_is_known_to_be_lost(record: PictureRecord, lost: set[int] | None) -> None:
    assert lost_fragments(record) == lost


def test_a_strip_tells_each_frame() -> None:
    lost = (1, 2, 3, 5)
    record = sent(7, 3, fragments_lost=lost, frames=frames(0.0, None, None, None, 5.0, None, 10.0))
    strip = strips([record])[0]
    assert strip.caption == "lost of 7 frames: 2 to 4, 6; Es/N0 0.0 to 10.0 dB"
    assert [fragment.arrived for fragment in strip.fragments] == [i not in lost for i in range(7)]
    assert [f.height for f in strip.fragments] == pytest.approx([0.2, 1, 1, 1, 0.6, 1, 1])
    assert strip.fragments[4].title == "frame 5 of 7: 5.0 dB"
    assert strip.fragments[5].title == "frame 6 of 7: lost"


def test_frames_that_are_alike_make_no_cliffs() -> None:
    record = sent(2, 2, frames=frames(9.95, 10.05))
    low, high = (fragment.height for fragment in strips([record])[0].fragments)
    assert 0.5 < low < high < 0.7


def test_pictures_without_frames_have_no_strip() -> None:
    assert strips([sent(0, 0), sent(3, 2)]) == {}
