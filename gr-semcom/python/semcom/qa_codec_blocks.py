# SPDX-License-Identifier: GPL-3.0-or-later
"""Source, encoder, decoder and sink around a codec that loses nothing."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pmt
import pytest
import torch
from gnuradio import gr
from gnuradio.semcom import Decoder, Encoder, PictureSink, PictureSource, check
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import (
    Pmt,
    feedback_to_pmt,
    is_end_of_stream,
    picture_from_pdu,
    picture_to_pdu,
    reception_to_pdu,
    transmission_from_pdu,
)
from gnuradio.semcom.worker import WorkerBlock
from pydantic import BaseModel
from torch import Tensor

from semcom_models.codecs import registry
from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.presets import PresetInfo
from semcom_models.data import load_picture, save_picture
from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    ReceivedAnalog,
    Reception,
    Transmission,
)
from semcom_phy.ideal import IdealLink


class PixelCodec(Codec):
    """A pixel's value as the real part of a symbol; remembers the states it was given."""

    label = CodecLabel(200)

    def __init__(self) -> None:
        self.states: list[ChannelState] = []
        self.requests: list[Request | None] = []
        self.decoded = 0

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        self.states.append(state)
        self.requests.append(request)
        return [
            Transmission(
                (AnalogSection(i.numpy().reshape(1, -1).astype(np.complex64)),),
                i.shape[1],
                i.shape[2],
                self.label,
            )
            for i in images
        ]

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        pictures = []
        self.decoded += len(receptions)
        for reception in receptions:
            section, header = reception.sections[0], reception.header
            assert isinstance(section, ReceivedAnalog)
            pixels = torch.from_numpy(np.ascontiguousarray(section.symbols.real))
            pictures.append(pixels.reshape(3, header.height, header.width).clamp(0, 1))
        return pictures


class IdealChannel(WorkerBlock):
    """Transmissions to receptions without a waveform."""

    def __init__(self, snr_db: float = 100.0, lost: Sequence[int] = ()) -> None:
        super().__init__("ideal_channel", "transmissions", "receptions")
        self.link, self.lost = IdealLink(snr_db), lost
        self.publishes("sent")

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        picture, transmission, _ = transmission_from_pdu(message)
        self.publish("sent", pmt.from_long(picture))
        if picture in self.lost:
            return []
        return [reception_to_pdu(self.link.transfer(transmission, picture))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    (tmp_path / "in").mkdir()
    for i in range(6):
        pixels = torch.from_numpy(rng.random((3, 10 + i, 17)).astype(np.float32))
        save_picture(tmp_path / "in" / f"{i}.png", pixels)
    return tmp_path


class Flow(gr.top_block):
    def __init__(
        self,
        folder: Path,
        window: int = 0,
        lost: Sequence[int] = (),
        channel: IdealChannel | None = None,
        decoded_by: Sequence[PixelCodec] | None = None,
    ) -> None:
        super().__init__()
        self.codec = PixelCodec()
        self.source = PictureSource(folder / "in", window)
        self.encoder = Encoder(self.codec, snr_db=4.0)
        self.channel = channel or IdealChannel(lost=lost)
        self.decoder = Decoder([self.codec] if decoded_by is None else decoded_by)
        self.sink = PictureSink(folder / "out")
        self.msg_connect(self.source, "pictures", self.encoder, "pictures")
        self.msg_connect(self.source, "pictures", self.sink, "originals")
        self.msg_connect(self.encoder, "transmissions", self.channel, "transmissions")
        self.msg_connect(self.channel, "sent", self.source, "next")
        self.msg_connect(self.channel, "receptions", self.decoder, "receptions")
        self.msg_connect(self.decoder, "pictures", self.sink, "pictures")


@pytest.mark.parametrize("window", [0, 1, 2])
def test_pictures_go_round_unchanged(folder: Path, window: int) -> None:
    flow = Flow(folder, window)
    flow.run()
    check(flow)
    assert flow.sink.pictures == 6
    for i in range(6):
        received = load_picture(folder / "out" / f"{i:04d}.png")
        assert torch.equal(received, load_picture(folder / "in" / f"{i}.png"))
        assert flow.sink.metrics[i]["psnr_db"] > 90
    assert {state.snr_db for state in flow.codec.states} == {4.0}


def test_a_lost_picture_is_skipped_and_forgotten(folder: Path) -> None:
    flow = Flow(folder, window=1, lost=(0, 3))
    flow.run()
    check(flow)
    assert sorted(flow.sink.metrics) == [1, 2, 4, 5]
    assert not flow.sink._originals


def test_another_run_s_pictures_leave_the_originals_alone(tmp_path: Path) -> None:
    sink, pixels = PictureSink(tmp_path), np.zeros((3, 2, 2), np.float32)
    for number in (65_534, 65_535, 65_536, 65_537):
        sink._on_original(picture_to_pdu(number, pixels))
    for foreign in (30_000, 500):
        assert sink._take_original(foreign) is None
    assert sorted(sink._originals) == [0, 1, 65_534, 65_535]
    assert sink._take_original(0) is not None
    assert sorted(sink._originals) == [1]


def test_a_window_loads_no_picture_before_it_is_asked_for(folder: Path) -> None:
    flow = gr.top_block()
    source, collect = PictureSource(folder / "in", window=2), Collect()
    flow.msg_connect(source, "pictures", collect, "in")
    flow.start()
    try:
        for expected in (2, 3, 4):
            deadline = time.monotonic() + 5
            while len(collect.messages) < expected and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.15)
            assert len(collect.messages) == expected
            source._post(pmt.intern("next"), pmt.PMT_T)
    finally:
        flow.stop()
        flow.wait()
    check([source, collect])


def numbers_published(
    source: PictureSource, count: int, patience_s: float | None = None
) -> list[int]:
    """Of the first pictures that come while nobody asks; the patience changes on the way."""
    flow, collect = gr.top_block(), Collect()
    flow.msg_connect(source, "pictures", collect, "in")
    flow.start()
    time.sleep(0.1)
    if patience_s is not None:
        source.set_patience_s(patience_s)
    deadline = time.monotonic() + 5
    while len(collect.messages) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    flow.stop()
    flow.wait()
    check([source, collect])
    return [picture_from_pdu(message)[0] for message in collect.messages]


def test_a_source_that_nobody_asks_goes_on(folder: Path) -> None:
    source = PictureSource(folder / "in", window=1, patience_s=100.0)
    assert numbers_published(source, 6, patience_s=0.01) == [0, 1, 2, 3, 4, 5]


def test_who_asks_late_does_not_ask_for_one_more(folder: Path) -> None:
    source = PictureSource(folder / "in", window=1, patience_s=0.01, repeat=True)
    flow, collect = gr.top_block(), Collect()
    flow.msg_connect(source, "pictures", collect, "in")
    (sent,) = PixelCodec().encode([torch.zeros(3, 2, 2)], ChannelState())
    reception = IdealLink(20.0).transfer(sent, 2)

    def published_after(message: Pmt) -> int:
        source._post(pmt.intern("next"), message)
        time.sleep(0.15)
        return len(collect.messages)

    flow.start()
    try:
        while len(collect.messages) < 5:
            time.sleep(0.01)
        source.set_patience_s(100.0)
        time.sleep(0.15)
        count = len(collect.messages)
        for late in (pmt.PMT_T, pmt.from_long(1), reception_to_pdu(reception)):
            assert published_after(late) == count
        last = picture_to_pdu(count - 1, np.zeros((3, 2, 2), np.float32))
        assert [published_after(last), published_after(last)] == [count + 1, count + 1]
    finally:
        flow.stop()
        flow.wait()
    check([source, collect])


def test_pictures_repeat_and_their_numbers_go_on(folder: Path) -> None:
    source = PictureSource(folder / "in", window=8, repeat=True)
    assert numbers_published(source, 8) == list(range(8))


class Collect(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("collect")
        self.messages: list[Pmt] = []
        self.handle("in", self.take)

    def take(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.finish()
        else:
            self.messages.append(message)


def encode_after(*feedback: Pmt) -> tuple[Encoder, ChannelState]:
    """The state with which a picture is encoded after those messages."""
    codec = PixelCodec()
    encoder, collect, flow = Encoder(codec, snr_db=10.0), Collect(), gr.top_block()
    flow.msg_connect(encoder, "transmissions", collect, "in")
    flow.start()
    for message in feedback:
        encoder._post(pmt.intern("feedback"), message)
    while encoder.feedback.used + encoder.feedback.implausible < len(feedback):
        time.sleep(0.005)
    encoder._post(pmt.intern("pictures"), picture_to_pdu(0, np.zeros((3, 2, 2), np.float32)))
    encoder._post(pmt.intern("pictures"), pmt.PMT_EOF)
    flow.wait()
    check([encoder, collect])
    return encoder, codec.states[0]


@pytest.mark.parametrize(
    ("message", "snr_db"),
    [
        (pmt.from_double(3.5), 3.5),
        (pmt.from_long(-2), -2.0),
        (feedback_to_pmt(Feedback(snr_db=17.0)), 17.0),
        (feedback_to_pmt(Feedback(csi=np.ones((1, 1, 1), np.complex64), csi_id=3)), 10.0),
    ],
)
def test_feedback_is_used(message: Pmt, snr_db: float) -> None:
    encoder, state = encode_after(message)
    assert state.snr_db == snr_db
    assert (encoder.feedback.used, encoder.feedback.implausible) == (1, 0)


def test_nonsense_is_refused_and_the_last_good_value_kept() -> None:
    nonsense = [
        pmt.from_double(200.0),
        pmt.from_double(float("nan")),
        pmt.intern("loud"),
        pmt.PMT_NIL,
        feedback_to_pmt(Feedback(csi_id=3)),
        feedback_to_pmt(Feedback(snr_db=float("-inf"))),
        feedback_to_pmt(Feedback(csi=np.full((1, 1, 1), np.nan, np.complex64), csi_id=3)),
        feedback_to_pmt(Feedback(csi=np.ones((1, 1, 1), np.complex64))),
        feedback_to_pmt(Feedback(csi=np.ones((1, 1, 1), np.complex64), csi_id=256)),
        feedback_to_pmt(Feedback(csi=np.ones(1, np.complex64), csi_id=3)),
        pmt.dict_add(pmt.make_dict(), pmt.intern("snr_db"), pmt.intern("x")),
    ]
    encoder, state = encode_after(pmt.from_double(6.0), *nonsense)
    assert state.snr_db == 6.0
    assert (encoder.feedback.used, encoder.feedback.implausible) == (1, len(nonsense))


@pytest.mark.parametrize("csi_first", [True, False])
def test_snr_and_csi_may_come_apart(csi_first: bool) -> None:
    csi = np.ones((4, 1, 1), np.complex64)
    messages = [feedback_to_pmt(Feedback(csi=csi, csi_id=5)), pmt.from_double(6.0)]
    _, state = encode_after(*(messages if csi_first else reversed(messages)))
    assert (state.snr_db, state.csi_id) == (6.0, 5)
    assert state.csi is not None
    assert np.array_equal(state.csi, csi)


class Knobs(BaseModel):
    mcs: str = "adaptive"


def test_the_schemes_options_reach_its_codec() -> None:
    codec = PixelCodec()
    preset = PresetInfo("pixels", "plain", 0, 1.0, default=True)
    registry.register("pixels", 200, lambda *_: codec, presets=[preset], options=Knobs)
    try:
        encoder = Encoder("pixels", options="mcs: nr-16qam-2/3")
        encoder.work_on(picture_to_pdu(0, np.zeros((3, 2, 2), np.float32)))
        with pytest.raises(ValueError, match="no option 'msc'"):
            Encoder("pixels", options="msc: 3")
    finally:
        registry.unregister("pixels")
    [request] = codec.requests
    assert request is not None
    assert request.options == Knobs(mcs="nr-16qam-2/3")
    with pytest.raises(ValueError, match="open codec"):
        Encoder(codec, options="mcs: adaptive")


def test_a_picture_of_an_unknown_codec_is_dropped_and_counted(folder: Path) -> None:
    flow = Flow(folder, decoded_by=[])
    flow.run()
    check(flow)
    assert flow.decoder.undecodable == 6
    assert flow.sink.pictures == 0


class Choosy(PixelCodec):
    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        if receptions[0].header.picture == 2:
            raise ValueError("not a picture of mine")
        return super().decode(receptions)


def test_a_picture_that_its_codec_cannot_have_made_is_dropped_and_counted(folder: Path) -> None:
    flow = Flow(folder, decoded_by=[Choosy()])
    flow.run()
    check(flow)
    assert flow.decoder.undecodable == 1
    assert flow.sink.pictures == 5


def test_a_picture_of_a_size_that_nobody_sends_is_dropped_and_counted(folder: Path) -> None:
    class Boaster(IdealChannel):
        def work_on(self, message: Pmt) -> Iterable[Pmt]:
            picture, transmission, _ = transmission_from_pdu(message)
            reception = self.link.transfer(transmission, picture)
            header = replace(reception.header, height=16384, width=16384)
            self.publish("sent", pmt.from_long(picture))
            return [reception_to_pdu(replace(reception, header=header) if picture else reception)]

    flow = Flow(folder, channel=Boaster())
    flow.run()
    check(flow)
    assert flow.decoder.undecodable == 5
    assert flow.codec.decoded == 1
    assert list(flow.sink.metrics) == [0]


def test_an_unreadable_picture_ends_the_flowgraph_with_its_error(folder: Path) -> None:
    (folder / "in" / "3.png").write_bytes(b"no picture")
    flow = Flow(folder, window=1)
    flow.run()
    with pytest.raises(ValueError, match=r"3\.png"):
        check(flow)


def test_bad_arguments_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no picture"):
        PictureSource(tmp_path / "nothing")
    with pytest.raises(ValueError, match="window"):
        PictureSource(window=-1)
    with pytest.raises(ValueError, match="snr_db"):
        Encoder(PixelCodec(), snr_db=float("nan"))
    with pytest.raises(ValueError, match="morse"):
        Encoder("morse")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        PictureSink(tmp_path / "file")
    with pytest.raises(ValueError, match="patience"):
        PictureSource(patience_s=0.0)
    with pytest.raises(ValueError, match="window"):
        PictureSource(repeat=True)
