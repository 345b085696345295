# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures become better while their frames arrive, at no more than the rate asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pmt
import pytest
import torch
from gnuradio import gr
from gnuradio.semcom import ArrivingPictures, check, numerology
from gnuradio.semcom.pdu import Pmt, end_of_stream, frame_to_pdu, picture_from_pdu
from gnuradio.semcom.qa_codec_blocks import Collect

from semcom_models.codecs.base import Request
from semcom_models.codecs.registry import load
from semcom_models.data import sample_pictures
from semcom_models.metrics import psnr_db
from semcom_phy.exchange import ChannelState
from semcom_phy.fragments import ReceivedFrame, fragment

NARROW = numerology("narrow")
PIXELS = sample_pictures()[0][1][:, :256, :384]


def frames_of(scheme: str, picture: int) -> list[ReceivedFrame]:
    """A picture's frames as received at 20 dB."""
    (transmission,) = load(scheme).encode([PIXELS], ChannelState(snr_db=20.0), Request())
    rng = np.random.default_rng(picture)
    received = []
    for index, frame in enumerate(fragment(transmission, picture, NARROW)):
        noise = rng.standard_normal((2, *frame.payload.shape)) * np.sqrt(0.005)
        payload = (frame.payload + noise[0] + 1j * noise[1]).astype(np.complex64)
        noise_var = np.full(payload.shape, 0.01, np.float32)
        start = 10**7 * picture + index * NARROW.frame_samples(payload.shape[1])
        received.append(
            ReceivedFrame(frame.header, payload, noise_var, None, 20.0, 0.0, start, 1e6)
        )
    return received


def count(message: Pmt, key: str) -> int:
    return int(pmt.to_long(pmt.dict_ref(pmt.car(message), pmt.intern(key), pmt.PMT_NIL)))


class Flow(gr.top_block):
    def __init__(self, rate_hz: float) -> None:
        super().__init__()
        self.arriving, self.collect = ArrivingPictures(NARROW, rate_hz), Collect()
        self.msg_connect(self.arriving, "pictures", self.collect, "in")

    def hear(self, message: Pmt) -> None:
        self.arriving._post(pmt.intern("symbols"), message)


@pytest.fixture
def flow() -> Iterator[Flow]:
    flow = Flow(rate_hz=1000.0)
    flow.start()
    yield flow
    flow.stop()
    flow.wait()
    check(flow)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert reached()


def test_a_picture_becomes_better_with_every_frame(flow: Flow) -> None:
    frames = frames_of("linear", 3)
    assert len(frames) >= 3
    psnr = []
    for index, frame in enumerate(frames):
        flow.hear(frame_to_pdu(frame))
        until(lambda count=index + 1: len(flow.collect.messages) == count)  # type: ignore[misc]
        number, pixels = picture_from_pdu(flow.collect.messages[-1])
        assert number == 3
        assert count(flow.collect.messages[-1], "arrived") == index + 1
        assert count(flow.collect.messages[-1], "fragments") == len(frames)
        psnr.append(psnr_db(torch.from_numpy(pixels), PIXELS))
    assert (np.diff(psnr) > 0.5).all()
    assert psnr[-1] > 30


def test_what_comes_too_fast_is_passed_over_but_not_the_last_picture() -> None:
    flow = Flow(rate_hz=4.0)
    flow.start()
    begun = time.monotonic()
    for picture in range(1, 9):
        for frame in frames_of("linear", picture):
            flow.hear(frame_to_pdu(frame))
    flow.hear(end_of_stream())
    flow.wait()
    check(flow)
    assert len(flow.collect.messages) <= 2 + 4 * (time.monotonic() - begun)
    assert len(flow.collect.messages) < 8
    assert picture_from_pdu(flow.collect.messages[-1])[0] == 8
    assert count(flow.collect.messages[-1], "arrived") == count(
        flow.collect.messages[-1], "fragments"
    )


def test_what_cannot_be_decoded_yet_is_left_to_come(flow: Flow) -> None:
    one, *others = frames_of("jpeg+ldpc", 1)
    flow.hear(frame_to_pdu(one))
    time.sleep(0.3)
    check(flow)
    early = len(flow.collect.messages)
    for frame in others:
        flow.hear(frame_to_pdu(frame))
    flow.hear(end_of_stream())
    flow.wait()
    _, pixels = picture_from_pdu(flow.collect.messages[-1])
    assert count(flow.collect.messages[-1], "arrived") == 1 + len(others)
    assert psnr_db(torch.from_numpy(pixels), PIXELS) > 25
    assert early <= 1


def test_old_frames_make_room_for_new_ones() -> None:
    block = ArrivingPictures(NARROW)
    message = frame_to_pdu(frames_of("linear", 1)[0])
    for _ in range(1030):
        block._on_symbols(message)
    assert block.dropped == 6


def test_a_rate_that_is_none_is_told() -> None:
    for rate_hz in (0.0, float("nan")):
        with pytest.raises(ValueError, match="rate"):
            ArrivingPictures(NARROW, rate_hz)
