# SPDX-License-Identifier: GPL-3.0-or-later
"""The framer's samples, tags and manners."""

import time

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import Framer, check, numerology
from gnuradio.semcom.pdu import end_of_stream, feedback_to_pmt, transmission_to_pdu

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import AnalogSection, ChannelState, CodecLabel, ComplexArray, Transmission
from semcom_phy.fragments import air_samples, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.precoding import IdentityCombiner
from semcom_phy.receiver import Receiver, lookahead_samples


def transmission(symbols: int, streams: int = 1, seed: int = 0) -> Transmission:
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((2, streams, symbols)) / np.sqrt(2)
    values = (parts[0] + 1j * parts[1]).astype(np.complex64)
    return Transmission((AnalogSection(values),), 64, 64, CodecLabel(200))


def symbols_of(picture: Transmission) -> ComplexArray:
    section = picture.sections[0]
    assert isinstance(section, AnalogSection)
    return section.symbols


def run(framer: Framer, antennas: int = 1) -> tuple[list[ComplexArray], list[gr.tag_t]]:
    """Samples of each antenna and the tags of the first, until the stream ends."""
    flowgraph = gr.top_block()
    sinks = [blocks.vector_sink_c() for _ in range(antennas)]
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((framer, antenna), sink)
    flowgraph.run()
    check([framer])
    return [np.array(sink.data(), np.complex64) for sink in sinks], list(sinks[0].tags())


@pytest.mark.parametrize("antennas", [1, 2])
def test_samples_are_the_modulator_s_with_silence_between_pictures(antennas: int) -> None:
    waveform = numerology("narrow", antennas, antennas)
    pictures = [transmission(3000, antennas, seed) for seed in (1, 2)]
    framer = Framer(waveform)
    for number, picture in enumerate(pictures):
        framer.submit(number, picture, ChannelState())
    framer.end()
    streams, _ = run(framer, antennas)
    modulator, position = Modulator(waveform), 0
    for number, picture in enumerate(pictures):
        for frame in fragment(picture, number, waveform):
            burst = modulator.frame(frame)
            for stream, expected in zip(streams, burst, strict=True):
                sent = stream[position : position + len(expected)]
                assert np.array_equal(sent, expected)
            position += burst.shape[1]
        silence = streams[0][position : position + lookahead_samples(waveform)]
        assert len(silence) == lookahead_samples(waveform)
        assert not silence.any()
        position += (len(streams[0]) - 2 * air_samples(picture, waveform)) // 2
    assert position == len(streams[0]) == framer.samples_out
    assert framer.burst_samples == sum(air_samples(p, waveform) for p in pictures)
    assert framer.pictures_waiting == 0


def test_a_picture_is_one_tagged_burst() -> None:
    waveform = numerology("wide")
    picture = transmission(30_000)
    framer = Framer(waveform)
    spans = [framer.submit(number, picture, ChannelState()) for number in (0, 70_000)]
    framer.end()
    streams, tags = run(framer)
    found = [(pmt.symbol_to_string(tag.key), tag.offset) for tag in tags]
    for key in ("picture", "picture_end"):
        numbers = [pmt.to_long(tag.value) for tag in tags if str(tag.key) == key]
        assert numbers == [0, 70_000]
    length, period = air_samples(picture, waveform), len(streams[0]) // 2
    assert found == [
        ("tx_sob", 0),
        ("picture", 0),
        ("tx_eob", length - 1),
        ("picture_end", length - 1),
        ("tx_sob", period),
        ("picture", period),
        ("tx_eob", period + length - 1),
        ("picture_end", period + length - 1),
    ]
    assert spans == [range(length), range(period, period + length)]


def test_messages_do_the_same_and_each_picture_is_reported() -> None:
    waveform = numerology("narrow")
    direct, by_message = Framer(waveform), Framer(waveform)
    for number in range(3):
        direct.submit(number, transmission(500, seed=number), ChannelState())
    direct.end()
    debug = blocks.message_debug()
    flowgraph = gr.top_block()
    sink = blocks.vector_sink_c()
    flowgraph.connect(by_message, sink)
    flowgraph.msg_connect(by_message, "sent", debug, "store")
    for number in range(3):
        pdu = transmission_to_pdu(number, transmission(500, seed=number), ChannelState())
        by_message._post(pmt.intern("transmissions"), pdu)
    by_message._post(pmt.intern("transmissions"), end_of_stream())
    flowgraph.run()
    check([by_message])
    assert np.array_equal(run(direct)[0][0], np.array(sink.data(), np.complex64))
    reports = [pmt.to_long(debug.get_message(i)) for i in range(debug.num_messages())]
    assert reports == [0, 1, 2]


def test_feedback_is_named_only_where_a_precoder_uses_it() -> None:
    waveform = numerology("narrow")
    state = ChannelState(csi=np.ones((100, 1, 1), np.complex64), csi_id=9)
    for precoder in (None, Identity()):
        framer = Framer(waveform, precoder)
        framer.submit(0, transmission(500), state)
        framer.end()
        samples = run(framer)[0][0]
        csi_id = 0 if precoder is None else 9
        expected = Modulator(waveform).frame(fragment(transmission(500), 0, waveform, csi_id)[0])
        assert np.array_equal(samples[: expected.shape[1]], expected[0])


def test_a_channel_without_a_number_is_no_channel_to_precode_for() -> None:
    state = ChannelState(csi=np.ones((100, 1, 1), np.complex64))
    with pytest.raises(ValueError, match="no csi_id"):
        Framer(numerology("narrow"), Identity()).submit(0, transmission(500), state)
    Framer(numerology("narrow")).submit(0, transmission(500), state)


def test_a_channel_of_another_shape_is_no_channel_to_precode_for() -> None:
    state = ChannelState(csi=np.ones((100, 2, 1), np.complex64), csi_id=3)
    with pytest.raises(ValueError, match=r"\(100, 2, 1\).*\(100, 1, 1\)"):
        Framer(numerology("narrow"), Identity()).submit(0, transmission(500), state)
    Framer(numerology("narrow")).submit(0, transmission(500), state)


class Identity:
    def precode(self, x: ComplexArray, csi: ComplexArray | None) -> ComplexArray:
        assert csi is not None
        return x


def test_a_transmission_that_fits_no_frame_is_refused_at_once() -> None:
    framer = Framer(numerology("narrow"))
    with pytest.raises(ValueError, match="streams"):
        framer.submit(0, transmission(100, streams=2), ChannelState())
    bad = Transmission((AnalogSection(np.full((1, 9), np.nan, np.complex64)),), 8, 8, CodecLabel(1))
    with pytest.raises(ValueError, match="finite"):
        framer.submit(0, bad, ChannelState())
    assert framer.pictures_waiting == 0


class Noted:
    """A precoder that sends streams straight and remembers for which channel."""

    def __init__(self) -> None:
        self.told: list[complex | None] = []

    def precode(self, x: ComplexArray, csi: ComplexArray | None) -> ComplexArray:
        self.told.append(None if csi is None else complex(csi[0, 0, 0]))
        return x


def test_each_frame_is_precoded_for_the_latest_channel() -> None:
    waveform, precoder = numerology("narrow"), Noted()
    known = ChannelKnowledge(numerology=waveform)
    framer = Framer(waveform, precoder, known=known, stop_and_wait=True)
    sink, flowgraph = blocks.vector_sink_c(), gr.top_block()
    flowgraph.connect(framer, sink)
    flowgraph.start()
    shape = (len(waveform.active_carriers), 1, 1)
    channels = {number: np.full(shape, number, np.complex64) for number in (1, 2)}
    picture = transmission(int(2.5 * waveform.fragment_capacity))
    span = framer.submit(0, picture, ChannelState())
    for report, csi in channels.items():
        while not framer.waits:
            time.sleep(0.005)
        assert framer.frames_sent == report
        known.learn(Feedback(csi=csi, csi_id=report))
        framer.proceed()
    framer.end()
    flowgraph.wait()
    check([framer])
    assert precoder.told == [None, 1, 2]
    receiver = Receiver(waveform, IdentityCombiner(1), channels)
    frames = receiver.push(np.array([sink.data()], np.complex64))
    assert [frame.header.csi_id for frame in frames] == [0, 1, 2]
    starts, ends = (
        [tag.offset for tag in sink.tags() if str(tag.key) == key] for key in ("tx_sob", "tx_eob")
    )
    assert starts == [frame.start_sample for frame in frames]  # each frame is a burst
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    assert [tag.offset for tag in sink.tags() if str(tag.key) == "picture_end"] == ends[-1:]
    assert span == range(ends[-1] + 1)
    gaps = np.diff([frame.start_sample for frame in frames])
    assert min(gaps) > waveform.frame_samples(waveform.fragment_capacity) + 500


def test_feedback_messages_tell_the_precoder() -> None:
    waveform, precoder = numerology("narrow"), Noted()
    framer = Framer(waveform, precoder)
    csi = np.full((len(waveform.active_carriers), 1, 1), 3, np.complex64)
    framer._on_message_feedback(feedback_to_pmt(Feedback(csi=csi, csi_id=9)))
    framer._on_message_feedback(feedback_to_pmt(Feedback(csi=csi[:5], csi_id=10)))
    framer.submit(0, transmission(50), ChannelState())
    framer.end()
    run(framer)
    assert precoder.told == [3]


@pytest.mark.parametrize(
    ("carriers", "csi_id", "told"), [(100, 3, 2), (7, 3, None), (100, 0, None), (100, 256, None)]
)
def test_a_message_with_csi_of_no_use_is_sent_without_it(
    carriers: int, csi_id: int, told: complex | None
) -> None:
    waveform, precoder = numerology("narrow"), Noted()
    state = ChannelState(csi=np.full((carriers, 1, 1), 2, np.complex64), csi_id=csi_id)
    framer = Framer(waveform, precoder)
    framer._on_message_transmissions(transmission_to_pdu(0, transmission(50), state))
    framer._on_message_transmissions(end_of_stream())
    samples, _ = run(framer)
    assert precoder.told == [told]
    assert framer.csi_dropped == (told is None)
    channels = {3: np.ones((100, 1, 1), np.complex64)}
    (frame,) = Receiver(waveform, IdentityCombiner(1), channels).push(np.array(samples))
    assert frame.header.csi_id == (3 if told else 0)
