# SPDX-License-Identifier: GPL-3.0-or-later
"""The hierarchical blocks: pictures cross, ports and live parameters reach the blocks inside."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from gnuradio import gr
from gnuradio.semcom import (
    ChannelConfig,
    CsiReports,
    LoopbackChannel,
    PictureSink,
    PictureSource,
    SemanticReceiver,
    SemanticTransmitter,
    check,
    named_precoding,
    numerology,
)
from gnuradio.semcom.guard import GuardedBlock, join
from gnuradio.semcom.pdu import Pmt

from semcom_models.data import sample_pictures, save_picture


class Collect(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("collect")
        self.taken: dict[str, int] = dict.fromkeys(("frames", "symbols", "sent"), 0)
        for port in self.taken:
            self.handle(port, lambda message, port=port: self.count(port, message))  # type: ignore[misc]

    def count(self, port: str, message: Pmt) -> None:
        self.taken[port] += 1


class Flow(gr.top_block):
    """Pictures over a channel of 20 dB, fed back without sockets."""

    def __init__(self, folder: Path, streams: int = 1, pictures: int = 4) -> None:
        super().__init__()
        (folder / "in").mkdir()
        for number in range(pictures):
            pixels = sample_pictures()[0][1][:, 60:140, 80:200]
            save_picture(folder / "in" / f"{number}.png", pixels)
        waveform = numerology("wide" if streams == 2 else "narrow", streams, streams)
        precoder, combiner = named_precoding("svd" if streams == 2 else "none", streams)
        self.source = PictureSource(folder / "in", window=1)
        self.transmitter = SemanticTransmitter("linear", waveform, precoder, None, streams)
        self.channel = LoopbackChannel(ChannelConfig(snr_db=20.0), waveform, continues=True)
        self.receiver = SemanticReceiver(waveform, combiner, CsiReports(waveform, 6))
        self.sink, self.collect = PictureSink(folder / "out"), Collect()
        for antenna in range(streams):
            self.connect((self.transmitter, antenna), (self.channel, antenna))
            self.connect((self.channel, antenna), (self.receiver, antenna))
        self.msg_connect(self.source, "pictures", self.transmitter, "pictures")
        self.msg_connect(self.source, "pictures", self.sink, "originals")
        self.msg_connect(self.receiver, "feedback", self.transmitter, "feedback")
        self.msg_connect(self.receiver, "pictures", self.sink, "pictures")
        self.msg_connect(self.receiver, "frames", self.collect, "frames")
        self.msg_connect(self.receiver, "symbols", self.collect, "symbols")
        self.msg_connect(self.transmitter, "sent", self.collect, "sent")


def run(flow: Flow) -> None:
    flow.start()
    deadline = time.monotonic() + 100
    while flow.sink.pictures < 4 and time.monotonic() < deadline:
        check(flow)
        time.sleep(0.01)
    flow.stop()
    flow.wait()
    check(flow)


@pytest.mark.parametrize("streams", [1, 2])
def test_pictures_cross_and_feedback_comes_back(streams: int, tmp_path: Path) -> None:
    flow = Flow(tmp_path, streams)
    flow.msg_connect(flow.receiver, "receptions", flow.source, "next")
    run(flow)
    assert [flow.sink.metrics[number]["psnr_db"] > 30 for number in range(4)] == [True] * 4
    assert flow.collect.taken["sent"] == 4
    assert flow.collect.taken["frames"] >= 4
    assert flow.collect.taken["symbols"] == flow.collect.taken["frames"] + 1  # and the end
    # Each frame tells its channel, each picture its SNR, but both blocks end before the last one.
    told = flow.collect.taken["frames"] + 4
    transmitter = flow.transmitter
    for counters in (transmitter.encoder.feedback, transmitter.framer._known.counters):
        assert told // 4 * 3 <= counters.used <= told
    assert transmitter.encoder.channel.snr_db == pytest.approx(20, abs=4)


def test_parameters_change_while_it_runs(tmp_path: Path) -> None:
    flow = Flow(tmp_path)
    flow.msg_disconnect(flow.receiver, "feedback", flow.transmitter, "feedback")

    class Changing(GuardedBlock):
        """Between the second and the third picture."""

        def __init__(self) -> None:
            super().__init__("changing")
            self.handle("receptions", self.take)
            self.publishes("next")
            self.pictures = 0

        def take(self, message: Pmt) -> None:
            self.pictures += 1
            if self.pictures == 2:
                flow.transmitter.set_snr_db(3.0)
                flow.transmitter.set_clipping_db(-8.0)
            self.publish("next", message)

    flow.changing = Changing()
    flow.msg_connect(flow.receiver, "receptions", flow.changing, "receptions")
    flow.msg_connect(flow.changing, "next", flow.source, "next")
    run(flow)
    assert flow.transmitter.encoder.channel.snr_db == 3.0
    psnr = [flow.sink.metrics[number]["psnr_db"] for number in range(4)]
    assert min(psnr[:2]) > max(psnr[2:]) + 5
    for change in (flow.transmitter.set_snr_db, flow.transmitter.set_clipping_db):
        with pytest.raises(ValueError, match="choose"):
            change(100.0)


def test_errors_of_blocks_inside_are_found(tmp_path: Path) -> None:
    flow = Flow(tmp_path)

    def fail(message: Pmt) -> list[Pmt]:
        raise RuntimeError("planned")

    flow.receiver.decoder.work_on = fail  # type: ignore[method-assign]
    flow.start()
    flow.wait()
    with pytest.raises(RuntimeError, match="planned"):
        check(flow)
    with pytest.raises(RuntimeError, match="planned"):
        check([flow.source, flow.receiver])


def test_blocks_inside_are_joined(tmp_path: Path) -> None:
    flow = Flow(tmp_path)
    join([flow.transmitter, flow.channel])
    joined = {block.flowgraph for block in (flow.transmitter.encoder, flow.transmitter.framer)}
    assert joined == {flow.channel.flowgraph}
    assert flow.channel.flowgraph is not None
    assert flow.receiver.receiver.flowgraph is None
