# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates of frames as they are recorded."""

from __future__ import annotations

import numpy as np

from ota_runner.frame_records import frame_records
from ota_runner.record import FrameRecords
from semcom_phy.exchange import CodecLabel, PictureHeader, Reception

HEADER = PictureHeader(0, 8, 8, CodecLabel(1), ())


def test_what_did_not_arrive_is_none_and_gains_are_by_antenna() -> None:
    csi = np.zeros((4, 2, 1), np.complex64)
    csi[:, 0, 0] = [1, 10j, 0.5, 0]
    csi[:, 1, 0] = 2
    reception = Reception(
        HEADER,
        (),
        1.0,
        fragments=np.array([True, False]),
        frame_snr_db=np.array([12.34567, np.nan], np.float32),
        frame_cfo_hz=np.array([-100.006, np.nan], np.float32),
        csi=csi,
    )
    gains = (((0.0, 20.0, -6.02, -120.0),), (4 * (6.02,),))
    expected = FrameRecords(snr_db=(12.346, None), cfo_hz=(-100.01, None), gain_db=gains)
    assert frame_records(reception) == expected


def test_a_link_without_a_waveform_estimates_nothing() -> None:
    assert frame_records(Reception(HEADER, (), 1.0)) is None
