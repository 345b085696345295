# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of the latest seconds, on the clock of the samples."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio.semcom import FrameHistory
from gnuradio.semcom.pdu import vector_from_pmt


def histories(block: FrameHistory, *frames: tuple[float, float]) -> list[list[float]]:
    """What is published after each of the frames, given as time and SNR."""
    published: list[list[float]] = []

    def keep(port: str, message: object) -> None:
        assert port == "history"
        published.append(vector_from_pmt(pmt.cdr(message), np.float32).tolist())

    block.publish = keep  # type: ignore[method-assign]
    for time_s, snr_db in frames:
        report = pmt.make_dict()
        for key, value in (("stream_time_s", time_s), ("snr_db", snr_db), ("cfo_hz", -snr_db)):
            report = pmt.dict_add(report, pmt.intern(key), pmt.from_double(value))
        block._on_frame(report)
    return published


def test_values_stay_until_the_next_frame_and_leave_with_the_time() -> None:
    block = FrameHistory(span_s=4.0, points=4)
    assert histories(block, (10.0, 1.0), (11.0, 2.0), (13.0, 3.0), (15.0, 4.0), (99.0, 5.0)) == [
        [1.0],
        [1.0, 2.0],
        [1.0, 2.0, 2.0, 3.0],
        [2.0, 3.0, 3.0, 4.0],
        [4.0, 4.0, 4.0, 5.0],
    ]
    assert len(block._frames) == 2


def test_another_stream_begins_anew() -> None:
    published = histories(FrameHistory("cfo_hz", 4.0, 4), (10.0, 1.0), (12.0, 2.0), (0.0, 7.0))
    assert published == [[-1.0], [-1.0, -1.0, -2.0], [-7.0]]


def test_arguments_out_of_range_are_told() -> None:
    with pytest.raises(ValueError, match="choose of snr_db"):
        FrameHistory("snr")
    for span_s, points in ((0.0, 100), (1.0, 1), (float("inf"), 100)):
        with pytest.raises(ValueError, match="choose 2 or more"):
            FrameHistory("snr_db", span_s, points)
