# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols of frames as a stream: every one of them, and tags where frames begin."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import FrameSymbols, Receiver, check
from gnuradio.semcom import receiver as receiver_module
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, frame_to_pdu
from gnuradio.semcom.qa_receiver import LONG, NARROW, waveform

from semcom_phy.exchange import CodecLabel, PictureHeader
from semcom_phy.fragments import ReceivedFrame, fragment
from semcom_phy.header import FrameHeader

REPORT = {
    "picture",
    "fragment",
    "fragments",
    "streams",
    "csi_id",
    "snr_db",
    "noise_var",
    "cfo_hz",
    "stream_time_s",
}


def received(fragment_number: int, symbols: int, streams: int = 1) -> ReceivedFrame:
    header = FrameHeader(PictureHeader(5, 8, 8, CodecLabel(1), ()), fragment_number, 7, csi_id=3)
    payload = np.arange(streams * symbols).reshape(streams, symbols).astype(np.complex64)
    noise_var = np.full(payload.shape, 0.25, np.float32)
    noise_var[0, 0] = np.inf
    return ReceivedFrame(header, payload, noise_var, None, 6.0, -40.0, 2_000_000, 1e6)


class Messages(GuardedBlock):
    """Publishes messages when the flowgraph starts."""

    def __init__(self, messages: list[Pmt]) -> None:
        super().__init__("messages")
        self._messages = messages
        self.publishes("symbols")

    def open(self) -> None:
        for message in self._messages:
            self.publish("symbols", message)
        self.finish()


def tags_by_offset(sink: blocks.vector_sink_c) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for tag in sink.tags():
        found.setdefault(tag.offset, {})[pmt.symbol_to_string(tag.key)] = pmt.to_python(tag.value)
    return found


def test_each_frame_s_first_symbol_is_tagged() -> None:
    frames = [received(0, 10_000), received(1, 1), received(4, 9001, streams=2)]
    messages = Messages([*map(frame_to_pdu, frames), end_of_stream()])
    symbols, sink = FrameSymbols(), blocks.vector_sink_c()
    flowgraph = gr.top_block()
    flowgraph.connect(symbols, sink)
    flowgraph.msg_connect(messages, "symbols", symbols, "symbols")
    flowgraph.run()
    check([symbols])
    expected = np.concatenate([frame.payload.ravel() for frame in frames])
    np.testing.assert_array_equal(np.array(sink.data(), np.complex64), expected)
    found = tags_by_offset(sink)
    assert list(found) == [0, 10_000, 10_001]
    assert found[10_001] == {
        "picture": 5,
        "fragment": 4,
        "fragments": 7,
        "streams": 2,
        "csi_id": 3,
        "snr_db": 6.0,
        "noise_var": 0.25,
        "cfo_hz": -40.0,
        "stream_time_s": 2.0,
    }


def test_what_the_receiver_equalised_comes_out() -> None:
    receiver, symbols, sink = Receiver(NARROW), FrameSymbols(), blocks.vector_sink_c()
    flowgraph = gr.top_block()
    flowgraph.connect(blocks.vector_source_c(waveform().tolist()), receiver)
    flowgraph.connect(symbols, sink)
    flowgraph.msg_connect(receiver, "symbols", symbols, "symbols")
    flowgraph.run()
    check([receiver, symbols])
    sent = [frame.payload[0] for frame in fragment(LONG, 7, NARROW)]
    error = np.array(sink.data()) - np.concatenate(sent)
    assert 10 * np.log10(np.mean(np.abs(error) ** 2)) == pytest.approx(-20, abs=0.8)
    found = tags_by_offset(sink)
    assert list(found) == [0, sent[0].size, sent[0].size + sent[1].size]
    for index, tags in enumerate(found.values()):
        assert set(tags) == REPORT
        assert (tags["picture"], tags["fragment"]) == (7, index)
        assert tags["snr_db"] == pytest.approx(20, abs=1)
        assert 10 * np.log10(tags["noise_var"]) == pytest.approx(-20, abs=1)


def test_symbols_nobody_wants_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(frame: ReceivedFrame) -> Pmt:
        raise AssertionError("made for nobody")

    monkeypatch.setattr(receiver_module, "frame_to_pdu", refuse)
    receiver = Receiver(NARROW)
    flowgraph = gr.top_block()
    flowgraph.connect(blocks.vector_source_c(waveform().tolist()), receiver)
    flowgraph.run()
    check([receiver])
    assert receiver.counters.frames == 3


def test_frames_beyond_those_that_may_wait_are_dropped_and_counted() -> None:
    symbols, pdu = FrameSymbols(), frame_to_pdu(received(0, 2))
    for _ in range(1030):
        symbols._on_symbols(pdu)
    assert symbols.dropped == 6


@pytest.mark.parametrize("message", [pmt.PMT_T, pmt.cons(pmt.make_dict(), pmt.PMT_T)])
def test_foreign_messages_end_the_flowgraph_with_one_clear_error(message: Pmt) -> None:
    messages, symbols = Messages([message]), FrameSymbols()
    flowgraph = gr.top_block()
    flowgraph.connect(symbols, blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.msg_connect(messages, "symbols", symbols, "symbols")
    flowgraph.run()
    with pytest.raises(ValueError, match=r"PDU|PMT"):
        check([symbols])
