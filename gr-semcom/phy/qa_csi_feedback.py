# SPDX-License-Identifier: GPL-3.0-or-later
import math
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports, Feedback, snr_feedback
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, Reception
from semcom_phy.fragments import ReceivedFrame
from semcom_phy.header import FrameHeader
from semcom_phy.numerology import NARROW

MIMO = replace(NARROW, tx_antennas=2, rx_antennas=2)
SNR_DB = 13.0


def gaussian(shape: tuple[int, ...], seed: int) -> ComplexArray:
    parts = np.random.default_rng(seed).standard_normal((*shape, 2)) @ np.array([1, 1j])
    return (parts * np.sqrt(0.5)).astype(np.complex64)


def flat(seed: int) -> ComplexArray:
    """One path, the same on all carriers but for its delay of four samples."""
    turns = np.asarray(MIMO.active_carriers) * 4 / MIMO.fft_size
    phases = np.exp(-2j * np.pi * turns).astype(np.complex64)
    return phases[:, None, None] * gaussian((2, 2), seed)


def frame(
    picture: int, csi: ComplexArray | None, snr_db: float = SNR_DB, csi_id: int = 0
) -> ReceivedFrame:
    header = PictureHeader(picture, 2, 2, CodecLabel(1), ())
    nothing = np.zeros((1, 0), np.complex64)
    return ReceivedFrame(
        FrameHeader(header, csi_id=csi_id),
        nothing,
        nothing.real,
        csi,
        snr_db,
        cfo_hz=0.0,
        start_sample=1500,
        sample_rate=1000.0,
    )


def channel(feedback: Feedback | None) -> ComplexArray:
    assert feedback is not None
    assert feedback.csi is not None
    return feedback.csi


def test_the_channel_comes_in_units_of_the_noise_of_its_frame() -> None:
    csi = 7 * flat(1)
    feedback = CsiReports(MIMO).report(frame(0, csi))
    assert feedback is not None
    assert (feedback.csi_id, feedback.stream_time_s) == (1, 1.5)
    assert feedback.snr_db is None
    told = channel(feedback)
    assert 10 * np.log10(np.mean(np.abs(told) ** 2)) == pytest.approx(SNR_DB, abs=1e-3)
    ratio = told / csi
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-4)


def test_both_ends_have_the_same_array_under_every_number() -> None:
    reports = CsiReports(MIMO, bits=4, error_var=0.01)
    told = {}
    for picture in range(300):
        feedback = reports.report(frame(picture, flat(picture)))
        assert feedback is not None
        told[feedback.csi_id] = feedback.csi
        assert feedback.csi_id == 1 + picture % 255
    assert set(reports) == set(range(1, 256))
    assert len(reports) == 255
    for number, csi in told.items():
        assert reports[number] is csi
    assert 0 not in reports


def test_a_number_by_which_frames_still_go_is_not_given_anew() -> None:
    reports = CsiReports(MIMO)
    first = reports.report(frame(0, flat(0)))
    assert first is not None
    later = [reports.report(frame(n, flat(n), csi_id=first.csi_id)) for n in range(600)]
    assert first.csi_id not in {report.csi_id for report in later if report is not None}
    assert reports[first.csi_id] is first.csi


def test_of_a_picture_its_last_frame_is_reported_where_reports_are_held_back() -> None:
    """Ninety pictures of any length later the number still means the same."""
    reports, told = CsiReports(MIMO, per_picture=True), {}
    for picture in range(100):
        for fragment in range(4):
            received = frame(picture, flat(picture))
            header = replace(received.header, fragment=fragment, fragments=4)
            report = reports.report(replace(received, header=header))
            assert (report is None) == (fragment < 3)
        told[picture] = report
        if picture >= 90:
            old = told[picture - 90]
            assert old is not None
            assert reports[old.csi_id] is old.csi


def test_what_is_told_of_a_picture_can_be_believed() -> None:
    header = PictureHeader(0, 2, 2, CodecLabel(1), ())
    for noise_var, told in ((0.1, 10.0), (1e-7, 60.0), (1e4, -30.0)):
        report = snr_feedback(Reception(header, (), noise_var))
        assert report is not None
        assert report.snr_db == pytest.approx(told)
        assert ChannelKnowledge().learn(report)
    assert snr_feedback(Reception(header, (), math.inf)) is None


def test_imperfect_csi_is_off_by_the_variance_asked_for() -> None:
    """On every carrier, quantised or not: a quantiser smooths, but not this error."""
    for bits in (None, 10):
        errors = []
        for picture in range(60):
            csi = flat(picture)
            exact = channel(CsiReports(MIMO).report(frame(picture, csi)))
            reports = CsiReports(MIMO, bits, error_var=0.05, seed=3)
            noisy = channel(reports.report(frame(picture, csi)))
            errors.append(np.mean(np.abs(noisy - exact) ** 2) / 10 ** (SNR_DB / 10))
        assert np.mean(errors) == pytest.approx(0.05, rel=0.1)


def test_the_error_depends_on_seed_and_picture_alone() -> None:
    def noisy(seed: int, picture: int, before: int = 0) -> ComplexArray:
        reports = CsiReports(MIMO, error_var=0.1, seed=seed)
        for earlier in range(before):
            reports.report(frame(100 + earlier, flat(0)))
        return channel(reports.report(frame(picture, flat(5))))

    np.testing.assert_array_equal(noisy(1, 2), noisy(1, 2, before=2))
    assert not np.allclose(noisy(1, 2), noisy(2, 2))
    assert not np.allclose(noisy(1, 2), noisy(1, 3))


def test_nothing_is_reported_of_a_channel_that_is_not_known() -> None:
    reports = CsiReports(MIMO)
    for useless in (frame(0, None), frame(0, 0 * flat(0)), frame(0, flat(0), math.nan)):
        assert reports.report(useless) is None
    assert len(reports) == 0
    endless = channel(reports.report(frame(1, flat(1), snr_db=200.0)))
    assert 10 * np.log10(np.mean(np.abs(endless) ** 2)) == pytest.approx(60, abs=1e-3)
    with pytest.raises(ValueError, match="error_var is -1"):
        CsiReports(MIMO, error_var=-1)
