# SPDX-License-Identifier: GPL-3.0-or-later
"""Modulator to receiver over the sample-level channel."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.channel import ChannelConfig, ChannelTap, SampleChannel
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.power_allocation import PowerRule
from semcom_phy.precoding import SvdCombiner, SvdPrecoder, SvdScheme
from semcom_phy.receiver import Receiver, lookahead_samples

BOTH = pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
SHORT = 1000
GAP = 700


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    parts = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def _header(symbols: int, streams: int = 1, picture: int = 1, csi_id: int = 0) -> FrameHeader:
    section = SectionEntry(digital=False, length=symbols, streams=streams)
    return FrameHeader(PictureHeader(picture, 64, 96, CodecLabel(1), (section,)), csi_id=csi_id)


def _frames(symbols: int, count: int, streams: int = 1, csi_id: int = 0) -> list[Frame]:
    rng = np.random.default_rng(symbols)
    return [
        Frame(_header(symbols, streams, picture, csi_id), _noise(rng, (streams, symbols)))
        for picture in range(count)
    ]


def _send(
    frames: list[Frame],
    numerology: Numerology,
    config: ChannelConfig,
    modulator: Modulator | None = None,
    csi: ComplexArray | None = None,
) -> ComplexArray:
    """Frames with gaps between them, through the channel."""
    modulator = modulator or Modulator(numerology)
    silence = np.zeros((numerology.tx_antennas, GAP), np.complex64)
    bursts = [silence]
    for frame in frames:
        bursts += [modulator.frame(frame, csi), silence]
    channel = SampleChannel(config, numerology, seed=5)
    return np.concatenate(
        [channel.process(np.concatenate(bursts, axis=1)), channel.flush()], axis=1
    )


def _receive(samples: ComplexArray, receiver: Receiver) -> list[ReceivedFrame]:
    return receiver.push(samples) + receiver.flush()


def _check(sent: list[Frame], received: list[ReceivedFrame], tolerance_db: float = 0.35) -> None:
    """All arrived, with errors as large as they say."""
    assert [f.header for f in received] == [f.header for f in sent]
    pairs = list(zip(sent, received, strict=True))
    error = np.concatenate([(np.abs(r.payload - s.payload) ** 2).ravel() for s, r in pairs])
    announced = np.concatenate([r.noise_var.ravel() for _, r in pairs])
    seen = np.isfinite(announced)
    assert seen.mean() > 0.9
    ratio = 10 * np.log10(np.mean(error[seen] / announced[seen]))
    assert abs(ratio) < tolerance_db


@BOTH
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 20.0])
def test_the_error_vector_is_the_noise_asked_for(numerology: Numerology, snr_db: float) -> None:
    sent = _frames(numerology.fragment_capacity, 5)
    samples = _send(sent, numerology, ChannelConfig(snr_db, cfo_hz=31e3, delay=3.7))
    received = _receive(samples, Receiver(numerology))
    _check(sent, received, 0.2)
    error = np.mean(
        [np.mean(np.abs(r.payload - s.payload) ** 2) for s, r in zip(sent, received, strict=True)]
    )
    assert abs(10 * np.log10(error) + snr_db) < 0.3
    estimates = np.array([frame.snr_db for frame in received])
    known = numerology.training_symbols + numerology.header_ofdm_symbols
    cells = known * len(numerology.active_carriers)
    cells += numerology.fragment_symbols * len(numerology.pilot_carriers)
    bound_db = 10 / np.log(10) * np.sqrt(1 / cells + 2 / (cells * 10 ** (snr_db / 10)))
    assert abs(estimates.mean() - snr_db) < 0.1 + 4 * bound_db / np.sqrt(len(sent))
    for frame in received:
        assert frame.cfo_hz == pytest.approx(31e3, abs=2e-5 * numerology.sample_rate)
        assert frame.sample_rate == numerology.sample_rate
    starts = np.diff([frame.start_sample for frame in received])
    expected = numerology.frame_samples(numerology.fragment_capacity) + GAP
    assert np.abs(starts - expected).max() <= 2
    assert abs(received[0].start_sample - GAP - 3.7) < 4


def test_symbols_are_unbiased() -> None:
    sent = _frames(NARROW.fragment_capacity, 6)
    received = _receive(_send(sent, NARROW, ChannelConfig(0.0)), Receiver(NARROW))
    x = np.concatenate([frame.payload.ravel() for frame in sent])
    y = np.concatenate([frame.payload.ravel() for frame in received])
    gain = np.vdot(x, y) / np.vdot(x, x)
    assert abs(gain - 1) < 4 / np.sqrt(x.size) + 0.01


IMPAIRMENTS: dict[str, dict[str, Any]] = {
    "offset": {"cfo_hz": 100e3, "phase": 2.0},
    "offset down": {"cfo_hz": -109e3},
    "delay": {"delay": 1234.56},
    "clock": {"sco_ppm": 10.0, "delay": 0.5},
    "fast clock": {"sco_ppm": -40.0, "cfo_hz": 5e3},
    "echoes": {
        "cfo_hz": -20e3,
        "sco_ppm": 10.0,
        "taps": (ChannelTap(0, 0.9), ChannelTap(2.4, 0.3j), ChannelTap(9.3, 0.2 + 0j)),
    },
    "late echo is strongest": {"taps": (ChannelTap(0, 0.4), ChannelTap(5.5, 0.9j))},
}


@BOTH
@pytest.mark.parametrize("name", IMPAIRMENTS)
@pytest.mark.parametrize("snr_db", [3.0, 25.0])
def test_impairments_cost_nothing_beyond_the_noise(
    numerology: Numerology, name: str, snr_db: float
) -> None:
    sent = _frames(numerology.fragment_capacity, 2)
    config = ChannelConfig(snr_db, **IMPAIRMENTS[name])
    received = _receive(_send(sent, numerology, config), Receiver(numerology))
    _check(sent, received)
    if not config.taps:
        error = np.mean(np.abs(received[0].payload - sent[0].payload) ** 2)
        assert abs(10 * np.log10(error) + snr_db) < 0.3


@pytest.mark.parametrize("symbols", [1, 2, 91, 92, 93, 500])
def test_short_frames(symbols: int) -> None:
    sent = _frames(symbols, 2)
    samples = _send(sent, NARROW, ChannelConfig(40.0, cfo_hz=-7e3))
    received = _receive(samples, Receiver(NARROW))
    assert [f.header for f in received] == [f.header for f in sent]
    for ours, theirs in zip(sent, received, strict=True):
        assert theirs.payload.shape == theirs.noise_var.shape == (1, symbols)
        np.testing.assert_allclose(theirs.payload, ours.payload, atol=0.1)


def test_frames_without_gap_between_them() -> None:
    numerology = replace(NARROW, guard_samples=0)
    sent = _frames(SHORT, 6)
    bursts = np.concatenate([Modulator(numerology).frame(f) for f in sent], axis=1)
    channel = SampleChannel(ChannelConfig(10.0, sco_ppm=40), numerology)
    samples = np.concatenate([channel.process(bursts), channel.flush()], axis=1)
    _check(sent, _receive(samples, Receiver(numerology)))


@lru_cache(maxsize=1)
def _stream() -> tuple[ComplexArray, list[ReceivedFrame]]:
    sent = _frames(SHORT, 4)
    samples = _send(sent, NARROW, ChannelConfig(4.0, cfo_hz=50e3, delay=7.7, sco_ppm=20))
    received = _receive(samples, Receiver(NARROW))
    _check(sent, received)
    return samples, received


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 25_000), max_size=40))
def test_how_the_stream_is_cut_does_not_matter(cuts: list[int]) -> None:
    samples, whole = _stream()
    receiver = Receiver(NARROW)
    pieces = np.split(samples, sorted(cuts), axis=1)
    frames = [frame for piece in pieces for frame in receiver.push(piece)] + receiver.flush()
    assert len(frames) == len(whole)
    for ours, theirs in zip(frames, whole, strict=True):
        assert ours.header == theirs.header
        assert ours.start_sample == theirs.start_sample
        np.testing.assert_array_equal(ours.payload, theirs.payload)
        np.testing.assert_array_equal(ours.noise_var, theirs.noise_var)
        assert (ours.snr_db, ours.cfo_hz) == (theirs.snr_db, theirs.cfo_hz)


def test_a_frame_is_out_as_soon_as_its_samples_are_in() -> None:
    frame = _frames(NARROW.fragment_capacity, 1)[0]
    burst = Modulator(NARROW).frame(frame)
    receiver = Receiver(NARROW)
    needed = burst.shape[1] - NARROW.guard_samples
    assert receiver.push(burst[:, : needed - 1]) == []
    assert len(receiver.push(burst[:, needed - 1 : needed])) == 1


@BOTH
@pytest.mark.parametrize("symbols", [1, 3000])
def test_silence_after_a_frame_gets_it_out(numerology: Numerology, symbols: int) -> None:
    """However the frame lies to the blocks that are searched, and with the stream still open."""
    burst = Modulator(numerology).frame(_frames(symbols, 1)[0])
    burst = burst[:, : burst.shape[1] - numerology.guard_samples]
    silence = lookahead_samples(numerology)
    for ahead in [0, 1, 20, *range(250, 8192, 1130), *range(8170, 8210, 6)]:
        samples = np.pad(burst, ((0, 0), (ahead, silence)))
        noise = _noise(np.random.default_rng(ahead), samples.shape) * np.float32(0.3)
        assert len(Receiver(numerology).push(samples + noise)) == 1, ahead


def test_a_thousand_frames_at_5_db_without_a_loss() -> None:
    """And the SNR of each is measured nearly as well as so few known cells allow."""
    [frame] = _frames(SHORT, 1)
    burst = Modulator(NARROW).frame(frame)
    receiver, channel = Receiver(NARROW), SampleChannel(ChannelConfig(5.0), NARROW, seed=6)
    rng = np.random.default_rng(6)
    received: list[ReceivedFrame] = []
    for _ in range(1000):
        gap = np.zeros((1, int(rng.integers(1000))), np.complex64)
        received += receiver.push(channel.process(np.concatenate([burst, gap], axis=1)))
    received += receiver.push(channel.flush()) + receiver.flush()
    assert [f.header for f in received] == 1000 * [frame.header]
    assert receiver.counters.detections == receiver.counters.frames == 1000
    snr_db = np.array([f.snr_db for f in received])
    known = NARROW.training_symbols + NARROW.header_ofdm_symbols
    cells = known * len(NARROW.active_carriers)
    cells += NARROW.payload_ofdm_symbols(SHORT) * len(NARROW.pilot_carriers)
    bound_db = 10 / np.log(10) * np.sqrt((1 + 2 * 10**-0.5) / cells)
    assert abs(snr_db.mean() - 5) < 0.1
    assert snr_db.std() < 1.5 * bound_db


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 25_000), st.integers(0, 25_000))
def test_truncated_streams_lose_only_what_is_cut(start: int, length: int) -> None:
    samples, whole = _stream()
    receiver = Receiver(NARROW)
    frames = _receive(samples[:, start : start + length], receiver)
    last = NARROW.frame_samples(SHORT) - NARROW.guard_samples
    complete = [
        f.header.picture.picture
        for f in whole
        if f.start_sample - 160 >= start and f.start_sample + last + 1 <= start + length
    ]
    # A frame of which a few training symbols are cut off may or may not be received.
    assert set(complete) <= {f.header.picture.picture for f in frames}
    assert len(frames) <= len(complete) + 2
    assert receiver.counters.frames == len(frames)


def test_the_end_of_the_stream_cuts_a_frame() -> None:
    samples, whole = _stream()
    receiver = Receiver(NARROW)
    frames = _receive(samples[:, : whole[-1].start_sample + 3000], receiver)
    assert len(frames) == len(whole) - 1
    assert receiver.counters.truncated == 1
    assert len(receiver.push(samples) + receiver.flush()) == len(whole)


def test_samples_that_are_not_finite_are_missing_ones() -> None:
    samples, whole = _stream()
    damaged = samples.copy()
    middle = whole[1].start_sample + 5000
    damaged[0, middle : middle + 20] = np.nan
    damaged[0, 3] = np.inf
    damaged[0, 4] = complex(1, -np.inf)
    receiver = Receiver(NARROW)
    frames = _receive(damaged, receiver)
    assert receiver.counters.non_finite_samples == 22
    assert [f.header for f in frames] == [f.header for f in whole]
    assert all(np.isfinite(f.payload).all() for f in frames)


@pytest.mark.parametrize("scale", [1e-10, 1e10])
def test_the_scale_of_the_samples_does_not_matter(scale: float) -> None:
    samples, whole = _stream()
    frames = _receive(samples * np.float32(scale), Receiver(NARROW))
    assert [f.header for f in frames] == [f.header for f in whole]
    for ours, theirs in zip(frames, whole, strict=True):
        np.testing.assert_allclose(ours.payload, theirs.payload, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(ours.noise_var, theirs.noise_var, rtol=1e-3)
        assert ours.snr_db == pytest.approx(theirs.snr_db, abs=1e-3)
        assert ours.csi is not None
        assert theirs.csi is not None
        np.testing.assert_allclose(ours.csi / scale, theirs.csi, rtol=1e-3, atol=1e-4)


def test_a_hole_in_the_stream_loses_the_frame_it_is_in() -> None:
    samples, whole = _stream()
    hole = whole[1].start_sample + 1500
    cut = np.concatenate([samples[:, :hole], samples[:, hole + 3000 :]], axis=1)
    frames = _receive(cut, Receiver(NARROW))
    pictures = {f.header.picture.picture for f in frames}
    assert {0, 2, 3} <= pictures


@pytest.mark.parametrize("kind", ["noise", "silence", "nan", "saturated", "empty"])
def test_there_is_nothing_where_nothing_was_sent(kind: str) -> None:
    samples: ComplexArray = {
        "noise": _noise(np.random.default_rng(8), (1, 200_000)),
        "silence": np.zeros((1, 50_000), np.complex64),
        "nan": np.full((1, 50_000), np.nan + 0j, np.complex64),
        "saturated": np.sign(_noise(np.random.default_rng(9), (1, 50_000)).real)
        * np.complex64(1e30),
        "empty": np.zeros((1, 0), np.complex64),
    }[kind]
    assert _receive(samples, Receiver(NARROW)) == []


def test_headers_that_fail_are_counted_and_cost_only_their_frame() -> None:
    samples, whole = _stream()
    damaged = samples.copy()
    first = whole[1].start_sample + NARROW.training_samples
    rng = np.random.default_rng(3)
    count = NARROW.header_ofdm_symbols * NARROW.samples_per_symbol
    damaged[:, first : first + count] = _noise(rng, (1, count))
    receiver = Receiver(NARROW)
    frames = _receive(damaged, receiver)
    assert receiver.counters.header_failures == 1
    assert [f.header for f in frames] == [f.header for f in whole if f is not whole[1]]


def test_headers_of_another_numerology_are_foreign() -> None:
    small = replace(NARROW, name="small", fragment_symbols=4)
    sent = _frames(NARROW.fragment_capacity, 1)
    receiver = Receiver(small)
    assert _receive(_send(sent, NARROW, ChannelConfig(20.0)), receiver) == []
    assert receiver.counters.foreign_headers == 1


def test_more_streams_than_the_combiner_has_are_foreign() -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    gains = ((1.0, 0.2j), (-0.3, 0.9))
    config = ChannelConfig(25.0, taps=(ChannelTap(0.0, gains),))
    samples = _send(_frames(4000, 1, 2), numerology, config)
    receiver = Receiver(numerology, SvdCombiner(SvdScheme(streams=1)))
    assert _receive(samples, receiver) == []
    assert receiver.counters.foreign_headers == 1


@BOTH
@pytest.mark.parametrize(("tx", "rx", "streams"), [(1, 2, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2)])
@pytest.mark.parametrize("snr_db", [8.0, 25.0])
def test_antennas(numerology: Numerology, tx: int, rx: int, streams: int, snr_db: float) -> None:
    numerology = replace(numerology, tx_antennas=tx, rx_antennas=rx)
    gains = np.array([[1.0, 0.5j], [-0.4, 0.9]])[:rx, :tx]
    echo = 0.3j * np.array([[0.2, 1.0], [1.0, -0.5]])[:rx, :tx]
    taps = tuple(
        ChannelTap(delay, tuple(map(tuple, gain.tolist())))
        for delay, gain in ((0.0, gains), (4.3, echo))
    )
    sent = _frames(4000, 2, streams)
    config = ChannelConfig(snr_db, cfo_hz=12e3, delay=1.3, sco_ppm=5.0, taps=taps)
    received = _receive(_send(sent, numerology, config), Receiver(numerology))
    _check(sent, received)
    csi = received[0].csi
    assert csi is not None
    assert csi.shape == (len(numerology.active_carriers), rx, tx)
    carriers = np.asarray(numerology.active_carriers)[:, None, None]
    truth = gains + echo * np.exp(-2j * np.pi * carriers * 4.3 / numerology.fft_size)
    # Delay and phase are the receiver's own; what is left is the channel.
    turn = np.sum(csi * truth.conj(), axis=(1, 2), keepdims=True)
    error = np.mean(np.abs(csi - truth * turn / np.abs(turn)) ** 2)
    assert error < 0.25 * 10 ** (-snr_db / 10) * tx


@pytest.mark.parametrize("powers", ["equal", "water-filling"])
def test_svd_precoding_over_the_air(powers: PowerRule) -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    gain = ((1.0, 0.5j), (-0.4, 0.9))
    config = ChannelConfig(20.0, taps=(ChannelTap(0, gain),))
    # First an unprecoded frame shows the channel, then it comes back as feedback.
    sounding = _receive(_send(_frames(100, 1), numerology, config), Receiver(numerology))
    csi = sounding[0].csi
    assert csi is not None
    scheme = SvdScheme(2, 2, powers, snr_db=20.0)
    sent = _frames(4000, 2, streams=2, csi_id=3)
    modulator = Modulator(numerology, SvdPrecoder(scheme))
    samples = _send(sent, numerology, config, modulator, csi)
    _check(sent, _receive(samples, Receiver(numerology, SvdCombiner(scheme), {3: csi})))
    ignorant = Receiver(numerology, SvdCombiner(scheme))
    assert _receive(samples, ignorant) == []
    assert ignorant.counters.unknown_csi == 2


def test_the_modulator_keeps_the_power_and_the_length() -> None:
    frame = _frames(NARROW.fragment_capacity, 1)[0]
    burst = Modulator(NARROW).frame(frame)
    assert burst.shape == (1, NARROW.frame_samples(NARROW.fragment_capacity))
    assert burst.dtype == np.complex64
    active = burst[:, : -NARROW.guard_samples]
    expected = len(NARROW.active_carriers) / NARROW.fft_size
    assert np.mean(np.abs(active) ** 2) == pytest.approx(expected, rel=0.02)
    louder = Modulator(NARROW).frame(replace(frame, payload=2 * frame.payload))
    assert np.mean(np.abs(louder[:, 4000:]) ** 2) > 3 * np.mean(np.abs(burst[:, 4000:]) ** 2)
    np.testing.assert_array_equal(louder[:, :1000], burst[:, :1000])


def test_constant_payloads_make_no_peaks() -> None:
    frame = Frame(_header(5000), np.ones((1, 5000), np.complex64))
    burst = Modulator(NARROW).frame(frame)
    assert np.abs(burst).max() ** 2 / np.mean(np.abs(burst) ** 2) < 20


def test_frames_that_do_not_fit_are_refused() -> None:
    modulator = Modulator(NARROW)
    payload = np.ones((1, 100), np.complex64)
    with pytest.raises(ValueError, match="101 symbols"):
        modulator.frame(Frame(_header(101), payload))
    with pytest.raises(ValueError, match="streams"):
        modulator.frame(Frame(_header(100), np.ones((2, 100), np.complex64)))
    with pytest.raises(ValueError, match="antennas"):
        modulator.frame(Frame(_header(100, streams=2), np.ones((2, 100), np.complex64)))
    with pytest.raises(ValueError, match="finite"):
        modulator.frame(Frame(_header(100), payload * np.nan))
    with pytest.raises(ValueError, match="row per receive antenna"):
        Receiver(NARROW).push(np.zeros(10, np.complex64))


def test_what_is_fed_back_on_a_frame_is_known_to_the_next_of_the_same_samples() -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    scheme = SvdScheme(2, 2, "equal", snr_db=20.0)
    csi = np.tile(np.eye(2, dtype=np.complex64), (len(numerology.active_carriers), 1, 1))
    frames = [
        replace(frame, header=replace(frame.header, csi_id=fed_back))
        for fed_back, frame in enumerate(_frames(4000, 3, streams=2))
    ]
    modulator = Modulator(numerology, SvdPrecoder(scheme))
    samples = _send(frames, numerology, ChannelConfig(20.0), modulator, csi)
    fed_back: dict[int, ComplexArray] = {}
    receiver = Receiver(numerology, SvdCombiner(scheme), fed_back)
    for arrived, _ in enumerate(receiver.frames(samples), start=1):
        fed_back[arrived] = csi
    receiver.flush()
    assert (receiver.counters.frames, receiver.counters.unknown_csi) == (3, 0)
    late = Receiver(numerology, SvdCombiner(scheme), {})
    assert len(_receive(samples, late)) == 1
    assert late.counters.unknown_csi == 2
