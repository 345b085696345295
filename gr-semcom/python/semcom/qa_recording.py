# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings say of every picture where it is and what became of it."""

from __future__ import annotations

import itertools
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from gnuradio import blocks, gr
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.qa_framer import transmission
from gnuradio.semcom.radios import open_radio
from gnuradio.semcom.recording import Recording

from semcom_models.codecs.registry import load
from semcom_phy.exchange import ChannelState, CodecLabel, ComplexArray, Reception
from semcom_phy.fragments import air_samples

NARROW = numerology("narrow")
PICTURE = transmission(25_000)
LOSSY: dict[str, Any] = {
    "snr_db": 15.0,
    "channel_continues": True,
    "gap_length_s": 0.05,
    "gap_starts_s": (0.066,),
}
"""A radio that loses the second of three such pictures."""


def record(folder: Path, pictures: int = 3, **options: Any) -> list[Reception | None]:
    """Send a picture again and again and record that."""
    received = []
    radio = open_radio("loopback", NARROW, **options)
    with FlowgraphLink(radio, NARROW, record_to=folder) as link:
        for number in range(pictures):
            link.send(number, PICTURE, ChannelState(snr_db=7.5))
            received.append(link.receive())
    return received


def read(folder: Path, stream: str) -> sigmf.SigMFFile:
    """Metadata of the first antenna, found valid."""
    metadata = json.loads((folder / f"{stream}-0.sigmf-meta").read_text())
    recording = sigmf.SigMFFile(metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the library warns of undeclared namespaces
        recording.validate()
    return recording


def samples_of(folder: Path, stream: str) -> ComplexArray:
    """Samples of the first antenna, of which the hash is right."""
    recording = sigmf.fromfile(str(folder / f"{stream}-0.sigmf-meta"))
    return np.asarray(recording.read_samples())


def test_every_picture_is_found_in_both_streams(tmp_path: Path) -> None:
    receptions = record(tmp_path, **LOSSY)
    assert [reception is None for reception in receptions] == [False, True, False]
    sent, received = read(tmp_path, "sent"), read(tmp_path, "received")
    samples = samples_of(tmp_path, "sent")
    for annotation in sent.get_annotations():
        start, count = annotation["core:sample_start"], annotation["core:sample_count"]
        assert count == air_samples(PICTURE, NARROW)
        assert samples[start] != 0
        assert not samples[start + count : start + count + 5000].any()
        assert annotation["semcom:snr_told"] == 7.5
    pictures = [note["semcom:picture"] for note in sent.get_annotations()]
    assert pictures == [note["semcom:picture"] for note in received.get_annotations()] == [0, 1, 2]
    assert [note["semcom:received"] for note in received.get_annotations()] == [True, False, True]
    end = 0
    for annotation, reception in zip(received.get_annotations(), receptions, strict=True):
        assert annotation["core:sample_start"] == end  # nothing lies between them
        end += annotation["core:sample_count"]
        if reception is not None:
            last = reception.stream_time_s * NARROW.sample_rate
            assert annotation["core:sample_start"] < last < end
            assert annotation["semcom:fragments"] == reception.fragments.tolist()
            assert annotation["semcom:snr"] == pytest.approx(reception.snr_db, abs=1e-3)
    assert end <= samples_of(tmp_path, "received").size


def test_the_metadata_say_what_was_sent(tmp_path: Path) -> None:
    codec = load("linear")
    label, state = codec.label, ChannelState()
    notes: dict[str, str | float] = {
        "name": "kodim07",
        "sha256": "ab" * 32,
        "quality": 80,
        "loss": float("inf"),
    }
    recording = Recording(tmp_path, NARROW, open_radio("loopback", NARROW, snr_db=3))
    assert len(recording.sent) == len(recording.received) == 1
    picture = replace(transmission(100), label=label, notes=notes)
    recording.picture_sent(70_000, picture, state, range(5, 105))
    recording.picture_received(None, 300)
    recording.finish()
    sent, received = read(tmp_path, "sent"), read(tmp_path, "received")
    for meta in (sent.get_global_info(), received.get_global_info()):
        assert meta["semcom:scheme"] == "linear"
        assert meta["semcom:numerology"]["fft_size"] == NARROW.fft_size
        assert meta["semcom:radio"]["snr_db"] == 3
    for file in (sent, received):
        [annotation] = file.get_annotations()
        assert annotation["semcom:picture"] == 70_000
        assert annotation["semcom:name"] == "kodim07"
        assert annotation["semcom:sha256"] == "ab" * 32
        assert annotation["semcom:label"]["codec"] == label.codec
    assert sent.get_annotations()[0]["semcom:notes"] == {"quality": 80, "loss": "inf"}


def test_weights_are_named_by_their_hash(tmp_path: Path) -> None:
    recording = Recording(tmp_path, NARROW, open_radio("loopback", NARROW))
    assert recording.sent
    made = replace(transmission(10), label=CodecLabel(2, 250, 0xAB12))
    recording.picture_sent(0, made, ChannelState(), range(10))
    recording.finish()
    meta = read(tmp_path, "sent").get_global_info()
    assert (meta["semcom:scheme"], meta["semcom:weights"]) == ("adjscc", "0000ab12")
    assert "semcom:preset" not in meta  # such weights are not here to ask


def test_a_half_alone_is_recorded_alone(tmp_path: Path) -> None:
    header = record(tmp_path / "both", 1)[0]
    assert header is not None
    recording = Recording(tmp_path / "half", NARROW, open_radio("loopback", NARROW))
    assert recording.received
    recording.picture_received(header, 1234)
    recording.finish()
    assert {path.name for path in (tmp_path / "half").iterdir()} == {
        "received-0.sigmf-data",
        "received-0.sigmf-meta",
    }
    [annotation] = read(tmp_path / "half", "received").get_annotations()
    assert (annotation["semcom:picture"], annotation["core:sample_count"]) == (0, 1234)


def test_metadata_are_rewritten_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of pictures in some seconds are not hundreds of files written."""
    clock = itertools.count(0.0, 0.01)
    monkeypatch.setattr("gnuradio.semcom.recording.time.monotonic", lambda: next(clock))
    recording = Recording(tmp_path, NARROW, open_radio("loopback", NARROW))
    assert recording.sent
    recording.picture_sent(0, PICTURE, ChannelState(), range(1))
    assert len(read(tmp_path, "sent").get_annotations()) == 1  # the first one at once
    written = set()
    for number in range(1, 900):
        recording.picture_sent(number, PICTURE, ChannelState(), range(number, number + 1))
        written.add((tmp_path / "sent-0.sigmf-meta").stat().st_mtime_ns)
    assert 4 <= len(written) <= 7
    assert 600 < len(read(tmp_path, "sent").get_annotations()) < 900
    assert not list(tmp_path.glob("*.part"))
    recording.finish()
    assert len(read(tmp_path, "sent").get_annotations()) == 900


def test_the_files_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a device, whose stream has no end, the recorder may be behind the receiver."""
    recording = Recording(tmp_path, NARROW, open_radio("loopback", NARROW))
    flowgraph = gr.top_block()
    source = blocks.null_source(gr.sizeof_gr_complex)
    throttle = blocks.throttle(gr.sizeof_gr_complex, 100_000)
    flowgraph.connect(source, throttle, recording.received[0])
    [reception] = record(tmp_path / "one", 1)
    flowgraph.start()
    recording.picture_received(reception, 20_000)
    recording.settle()
    flowgraph.stop()
    flowgraph.wait()
    recording.finish()
    assert samples_of(tmp_path, "received").size >= 20_000
    recording.picture_received(reception, 10**9)
    monkeypatch.setattr("gnuradio.semcom.recording._SETTLE_S", 0.05)
    recording.settle()  # not for ever


def test_samples_pass_unchanged(tmp_path: Path) -> None:
    values = np.arange(1000, dtype=np.float32).view(np.complex64)
    recording = Recording(tmp_path, NARROW, open_radio("loopback", NARROW))
    flowgraph = gr.top_block()
    flowgraph.connect(blocks.vector_source_c(values.tolist()), recording.received[0])
    flowgraph.run()
    recording.finish()
    assert np.array_equal(samples_of(tmp_path, "received"), values)
