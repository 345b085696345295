# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel block gives what the channel gives, however it is scheduled, and passes no tag."""

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import ChannelConfig, LoopbackChannel, check, numerology

from semcom_phy.channel import SampleChannel
from semcom_phy.exchange import ComplexArray

CONFIG = ChannelConfig(snr_db=12.0, cfo_hz=777.0, delay=40_000.25, sco_ppm=20.0)


def noise(antennas: int, count: int) -> ComplexArray:
    rng = np.random.default_rng(3)
    parts = rng.standard_normal((2, antennas, count))
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def through_block(
    samples: ComplexArray,
    channel: LoopbackChannel,
    rx: int,
    max_items: int,
    *pictures: tuple[int, int],
) -> tuple[ComplexArray, int]:
    flowgraph = gr.top_block()
    tags = [gr.tag_t() for _ in pictures]
    for tag, (offset, number) in zip(tags, pictures, strict=True):
        tag.offset, tag.key, tag.value = offset, pmt.intern("picture"), pmt.from_long(number)
    sources = [blocks.vector_source_c(row.tolist(), False, 1, tags) for row in samples]
    sinks = [blocks.vector_sink_c() for _ in range(rx)]
    for port, source in enumerate(sources):
        flowgraph.connect(source, (channel, port))
    for port, sink in enumerate(sinks):
        flowgraph.connect((channel, port), sink)
    flowgraph.start(max_items)
    flowgraph.wait()
    check([channel])
    received = np.array([sink.data() for sink in sinks], np.complex64)
    return received, sum(len(sink.tags()) for sink in sinks)


@pytest.mark.parametrize(("tx", "rx"), [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("max_items", [1000, 100_000])
def test_it_is_the_channel_whatever_the_pieces(tx: int, rx: int, max_items: int) -> None:
    waveform = numerology("narrow", tx, rx)
    samples = noise(tx, 60_000)
    block = LoopbackChannel(CONFIG, waveform, seed=5)
    received, _ = through_block(samples, block, rx, max_items)
    expected = SampleChannel(CONFIG, waveform, seed=5).process(samples)
    assert received.shape == expected.shape
    # Phases of a long stretch computed at once or in parts differ by rounding alone.
    assert np.allclose(received, expected, atol=1e-5)
    assert block.samples_in == 60_000
    assert block.drained(60_000, received.shape[1])
    assert not block.drained(60_001, received.shape[1])
    assert not block.drained(60_000, received.shape[1] - 1)


@pytest.mark.parametrize("max_items", [1000, 100_000])
def test_each_picture_meets_the_channel_from_its_start(max_items: int) -> None:
    waveform = numerology("narrow")
    samples = noise(1, 60_000)
    block = LoopbackChannel(CONFIG, waveform, seed=5)
    received, _ = through_block(samples, block, 1, max_items, (0, 7), (25_001, 70_000))
    parts = [SampleChannel(CONFIG, waveform, seed=5).flush()]
    for number, part in ((7, samples[:, :25_001]), (70_000, samples[:, 25_001:])):
        channel = SampleChannel(CONFIG, waveform, seed=(5, number))
        parts += [channel.process(part), channel.flush()]
    expected = np.concatenate(parts[:-1], axis=1)  # the last one goes on
    assert received.shape == expected.shape
    assert np.allclose(received, expected, atol=1e-5)


@pytest.mark.parametrize("max_items", [1000, 100_000])
def test_a_channel_that_continues_passes_over_pictures(max_items: int) -> None:
    waveform = numerology("narrow")
    samples = noise(1, 60_000)
    block = LoopbackChannel(CONFIG, waveform, seed=5, continues=True)
    received, _ = through_block(samples, block, 1, max_items, (0, 7), (25_001, 8))
    expected = SampleChannel(CONFIG, waveform, seed=5).process(samples)
    assert received.shape == expected.shape
    assert np.allclose(received, expected, atol=1e-5)


def test_the_noise_of_a_channel_that_continues_changes_with_the_picture() -> None:
    silence = np.zeros((1, 40_000), np.complex64)
    block = LoopbackChannel(ChannelConfig(snr_db=0.0), numerology("narrow"), continues=True)
    block.set_snr_db(20.0)
    received, _ = through_block(silence, block, 1, 100_000, (20_000, 1))
    power = [
        np.mean(np.abs(part) ** 2) for part in np.split(received[0, :39_000], [19_500, 20_500])
    ]
    assert power[0] == pytest.approx(1.0, rel=0.05)
    assert power[2] == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("continues", [False, True])
def test_the_carrier_offset_changes_with_the_picture(continues: bool) -> None:
    tone = np.ones((1, 40_000), np.complex64)
    block = LoopbackChannel(ChannelConfig(cfo_hz=1e3), numerology("narrow"), continues=continues)
    block.set_cfo_hz(-2e3)
    received, _ = through_block(tone, block, 1, 100_000, (20_000, 1))
    turns = np.angle(received[0, 1:] * received[0, :-1].conj()) / (2 * np.pi) * 1e6
    assert turns[1000:19_900] == pytest.approx(1e3, abs=1)
    assert turns[20_100:39_000] == pytest.approx(-2e3, abs=1)
    # A jump of the phase would be one large turn; of a fresh channel it means nothing.
    assert np.abs(turns[1000:39_000]).max() < 2001 or not continues
    with pytest.raises(ValueError, match="sample rate"):
        block.set_cfo_hz(float("nan"))


def test_no_tag_passes() -> None:
    block = LoopbackChannel(ChannelConfig(), numerology("narrow"))
    received, tags = through_block(noise(1, 5000), block, 1, 100_000, (100, 0))
    assert received.shape[1] > 4000
    assert tags == 0


def test_a_channel_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="sample rate"):
        LoopbackChannel(ChannelConfig(cfo_hz=1e6), numerology("narrow"))
