# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver makes of fading, interference, gaps and radios' faults.

Loss is measured as a codec meets it: mean squared error of unit-power Gaussian symbols after
shrinkage by the announced noise, next to that of a receiver which knows channel and noise.
"""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.header import FrameHeader
from semcom_phy.impairments import Gaps, Impairments, Interferer
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver
from semcom_phy.tap_process import TapProcess
from semcom_phy.tdl import FadingChannel, flat_channel, tdl_channel

GAP = 700
SNR_DB = 12.0
NOISE = 10 ** (-SNR_DB / 10)


class _Fixed:
    """A realisation that the test knows."""

    def __init__(self, channel: FadingChannel, seed: int) -> None:
        self._channel, self._seed = channel, seed

    def realise(self, rx: int, tx: int, generator: np.random.Generator) -> TapProcess:
        return self._channel.realise(rx, tx, np.random.default_rng(self._seed))


def _frames(numerology: Numerology, count: int) -> list[Frame]:
    rng = np.random.default_rng(1)
    symbols = numerology.fragment_capacity
    section = SectionEntry(digital=False, length=symbols)
    parts = rng.standard_normal((count, 1, symbols, 2)) * np.sqrt(0.5)
    payloads = (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)
    return [
        Frame(FrameHeader(PictureHeader(i, 64, 96, CodecLabel(1), (section,))), payload)
        for i, payload in enumerate(payloads)
    ]


def _stream(frames: list[Frame], numerology: Numerology) -> ComplexArray:
    modulator = Modulator(numerology)
    silence = np.zeros((numerology.tx_antennas, GAP), np.complex64)
    return np.concatenate([silence, *(modulator.frame(f) for f in frames), silence], axis=1)


def _receive(
    frames: list[Frame], config: ChannelConfig, numerology: Numerology
) -> dict[int, ReceivedFrame]:
    channel, receiver = SampleChannel(config, numerology, seed=5), Receiver(numerology)
    received = receiver.push(channel.process(_stream(frames, numerology)))
    received += receiver.push(channel.flush()) + receiver.flush()
    return {frame.header.picture.picture: frame for frame in received}


def _errors(frame: Frame, received: ReceivedFrame) -> NDArray[np.float64]:
    """Squared errors of the symbols as a codec takes them."""
    shrunk = received.payload / (1 + received.noise_var)
    return np.asarray(np.abs(shrunk - frame.payload).ravel() ** 2, np.float64)


def _loss_db(numerology: Numerology, channel: FadingChannel, seed: int, count: int = 3) -> float:
    frames = _frames(numerology, count)
    config = ChannelConfig(SNR_DB, multipath=_Fixed(channel, seed))
    received = _receive(frames, config, numerology)
    assert sorted(received) == list(range(count))
    error = np.mean([_errors(frame, received[i]).mean() for i, frame in enumerate(frames)])
    process = channel.realise(1, 1, np.random.default_rng(seed))
    step = numerology.frame_samples(numerology.fragment_capacity)
    first = numerology.training_symbols + numerology.header_ofdm_symbols
    symbols = first + 0.5 + np.arange(numerology.fragment_symbols)
    begins = GAP + np.arange(count)[:, None] * step
    times = (begins + symbols * numerology.samples_per_symbol).ravel() / numerology.sample_rate
    places = np.round(times / process.interval_s).astype(int)
    gains = process.gains(0, int(places.max()) + 1)[places, :, 0, 0]
    carriers = np.asarray(numerology.data_carriers) * numerology.subcarrier_spacing_hz
    response = gains @ np.exp(-2j * np.pi * np.outer(process.delays_s, carriers))
    perfect = np.mean(NOISE / (NOISE + np.abs(response) ** 2))
    return float(10 * np.log10(error / perfect))


@pytest.mark.parametrize("doppler_hz", [5.0, 50.0])
@pytest.mark.parametrize(
    ("numerology", "name", "delay_spread_s"),
    [(NARROW, "tdl-a", 100e-9), (WIDE, "tdl-a", 100e-9), (WIDE, "tdl-c", 300e-9)],
    ids=["narrow", "wide-a", "wide-c"],
)
def test_fading_costs_little_more_than_its_gain(
    numerology: Numerology, name: str, delay_spread_s: float, doppler_hz: float
) -> None:
    channel = tdl_channel(name, delay_spread_s, doppler_hz)
    assert -0.2 < _loss_db(numerology, channel, seed=2) < 0.7


def test_a_flat_channel_that_fades_fast_is_followed() -> None:
    assert -0.2 < _loss_db(NARROW, flat_channel(50.0), seed=3) < 0.5


def test_two_antennas_are_followed_each() -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    frames = _frames(numerology, 2)
    config = ChannelConfig(SNR_DB, multipath=flat_channel(30.0))
    received = _receive(frames, config, numerology)
    assert sorted(received) == [0, 1]
    error = np.concatenate([_errors(f, received[i]) for i, f in enumerate(frames)])
    noise = np.concatenate([received[i].noise_var.ravel() for i in range(2)])
    assert abs(10 * np.log10(error.mean() / np.mean(noise / (1 + noise)))) < 0.4


@pytest.mark.parametrize("power_db", [6.0, 25.0])
def test_a_burst_costs_the_symbols_that_it_hits(power_db: float) -> None:
    """Their noise is announced; the others are as good as ever."""
    frames = _frames(NARROW, 2)
    begin, length = 100, 20  # OFDM symbols from the first frame's start
    period = NARROW.samples_per_symbol / NARROW.sample_rate
    burst = Interferer(power_db, GAP / NARROW.sample_rate + begin * period, length * period)
    config = ChannelConfig(SNR_DB, impairments=Impairments(interferer=burst))
    received = _receive(frames, config, NARROW)
    assert sorted(received) == [0, 1]
    known = NARROW.training_symbols + NARROW.header_ofdm_symbols
    noise = received[0].noise_var.reshape(NARROW.fragment_symbols, -1).mean(axis=1)
    hit = slice(begin - known, begin - known + length)
    power = NOISE + 10 ** (power_db / 10) * 0.78
    np.testing.assert_allclose(10 * np.log10(noise[hit] / power), 0, atol=6)
    assert abs(10 * np.log10(np.mean(noise[hit]) / power)) < 1.5
    errors = _errors(frames[0], received[0]).reshape(NARROW.fragment_symbols, -1).mean(axis=1)
    spared = np.delete(errors, np.arange(hit.start, hit.stop))
    assert 10 * np.log10(spared.mean() * (1 + NOISE) / NOISE) < 0.3
    np.testing.assert_allclose(np.delete(noise, np.arange(hit.start, hit.stop)), NOISE, rtol=0.1)


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
@pytest.mark.parametrize("power_db", [10.0, 30.0])
@pytest.mark.parametrize("begin", [0.3, 2.6, 5.1, 9.2, 12.4])
def test_a_burst_on_preamble_or_header_costs_no_frame(
    numerology: Numerology, power_db: float, begin: float
) -> None:
    """Of three OFDM symbols' length, beginning so many of them after each frame does."""
    numerology = replace(numerology, fragment_symbols=16)
    frames = _frames(numerology, 4)
    period = numerology.samples_per_symbol / numerology.sample_rate
    burst = Interferer(
        power_db,
        GAP / numerology.sample_rate + begin * period,
        3 * period,
        numerology.frame_samples(numerology.fragment_capacity) / numerology.sample_rate,
    )
    config = ChannelConfig(20.0, cfo_hz=3000.0, impairments=Impairments(interferer=burst))
    received = _receive(frames, config, numerology)
    assert sorted(received) == [0, 1, 2, 3]
    error = np.mean([_errors(frame, received[i]).mean() for i, frame in enumerate(frames)])
    announced = np.mean([received[i].noise_var.mean() for i in range(4)])
    assert 10 * np.log10(error) < -20 + 0.8
    assert abs(10 * np.log10(error / announced)) < 0.4


@pytest.mark.parametrize("power_db", [20.0, 40.0])
def test_a_short_strong_burst_on_the_payload_spares_the_rest(power_db: float) -> None:
    frames = _frames(NARROW, 2)
    period = NARROW.samples_per_symbol / NARROW.sample_rate
    burst = Interferer(power_db, GAP / NARROW.sample_rate + 90 * period, 2 * period)
    config = ChannelConfig(SNR_DB, impairments=Impairments(interferer=burst))
    received = _receive(frames, config, NARROW)
    noise = received[0].noise_var.reshape(NARROW.fragment_symbols, -1).mean(axis=1)
    assert np.count_nonzero(noise > 2 * NOISE) == 2
    assert np.median(noise) == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize(
    ("numerology", "gap"),
    [(NARROW, 5), (NARROW, 10), (NARROW, 50), (WIDE, 20), (WIDE, 100)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_short_gap_costs_the_symbol_that_it_is_in(numerology: Numerology, gap: int) -> None:
    """Ten and twenty samples turn the pilots of these waveforms hardly at all."""
    numerology = replace(numerology, guard_samples=0)
    frames = _frames(numerology, 3)
    length = numerology.frame_samples(numerology.fragment_capacity)
    begin = (GAP + length + length // 2) / numerology.sample_rate
    gaps = Gaps(gap / numerology.sample_rate, starts_s=(begin,))
    config = ChannelConfig(6.0, cfo_hz=3000.0, impairments=Impairments(gaps=gaps))
    received = _receive(frames, config, numerology)
    assert sorted(received) == [0, 1, 2]
    width = numerology.data_carriers_per_symbol
    known = numerology.training_symbols + numerology.header_ofdm_symbols
    inside = (length // 2) // numerology.samples_per_symbol - known
    spared = np.delete(np.arange(numerology.fragment_symbols), [inside - 1, inside, inside + 1])
    error = np.abs(received[1].payload - frames[1].payload).reshape(-1, width) ** 2
    assert 10 * np.log10(error[spared].mean()) + 6.0 == pytest.approx(0, abs=0.4)
    noise = received[1].noise_var.reshape(-1, width)[spared]
    assert 10 * np.log10(noise.mean()) + 6.0 == pytest.approx(0, abs=0.4)


@pytest.mark.parametrize("gap", [333, 3000, 30_000])
def test_a_gap_costs_what_was_in_it_and_never_the_next_frame(gap: int) -> None:
    frames = _frames(NARROW, 4)
    length = NARROW.frame_samples(NARROW.fragment_capacity)
    begin = GAP + length + length // 2
    gaps = Gaps(gap / NARROW.sample_rate, starts_s=(begin / NARROW.sample_rate,))
    config = ChannelConfig(SNR_DB, impairments=Impairments(gaps=gaps))
    received = _receive(frames, config, NARROW)
    swallowed = {2} if gap > length else set()
    assert set(received) | {1} == {0, 1, 2, 3} - swallowed
    noise = received[1].noise_var.reshape(NARROW.fragment_symbols, -1).mean(axis=1)
    known = NARROW.training_symbols + NARROW.header_ofdm_symbols
    last = (length // 2) // NARROW.samples_per_symbol - known
    assert noise[: last - 1].max() < 2 * NOISE
    assert noise[last + 1 :].min() > 3 * NOISE


@pytest.mark.parametrize(
    ("impairments", "loss_db"),
    [
        (Impairments(dc_db=-10.0), 0.3),
        (Impairments(iq_gain_db=0.5, iq_phase_deg=2.0), 0.4),
        (Impairments(saturation_db=6.0), 0.4),
    ],
    ids=["dc", "iq", "saturation"],
)
@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_faults_of_radios_cost_little(
    numerology: Numerology, impairments: Impairments, loss_db: float
) -> None:
    frames = _frames(numerology, 2)
    offset = 2.3 * numerology.subcarrier_spacing_hz
    config = ChannelConfig(SNR_DB, cfo_hz=offset, impairments=impairments)
    received = _receive(frames, config, numerology)
    assert sorted(received) == [0, 1]
    error = np.mean([_errors(frame, received[i]).mean() for i, frame in enumerate(frames)])
    assert abs(10 * np.log10(error * (1 + NOISE) / NOISE)) < loss_db


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
@pytest.mark.parametrize("carriers", [-7.0, 7.0])
def test_offsets_of_seven_carriers_are_found(numerology: Numerology, carriers: float) -> None:
    frames = _frames(numerology, 1)
    config = ChannelConfig(SNR_DB, cfo_hz=carriers * numerology.subcarrier_spacing_hz)
    received = _receive(frames, config, numerology)
    assert received[0].cfo_hz == pytest.approx(config.cfo_hz, abs=2e-5 * numerology.sample_rate)


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_a_clipped_payload_has_the_noise_that_it_is_announced_with(numerology: Numerology) -> None:
    """Training is not clipped; pilots and payload are, and all symbols alike."""
    frames = _frames(numerology, 2)
    modulator = Modulator(numerology, clipping_db=3.0)
    silence = np.zeros((1, GAP), np.complex64)
    bursts = [silence, *(modulator.frame(frame) for frame in frames), silence]
    channel, receiver = SampleChannel(ChannelConfig(30.0), numerology), Receiver(numerology)
    received = receiver.push(channel.process(np.concatenate(bursts, axis=1)))
    received += receiver.push(channel.flush()) + receiver.flush()
    for frame, heard in zip(frames, received, strict=True):
        error = np.mean(np.abs(heard.payload - frame.payload) ** 2)
        assert 10 * np.log10(error / np.mean(heard.noise_var)) == pytest.approx(0, abs=1.5)


def test_a_channel_that_moves_by_a_decibel_within_a_frame_is_followed() -> None:
    """Of a full frame of the narrow waveform; its mean is what the SNR tells of."""
    rng = np.random.default_rng(3)
    frame = _frames(NARROW, 1)[0]
    burst = Modulator(NARROW).frame(frame)
    for seed in range(4):
        db = np.linspace(0, 1.2 if seed % 2 else -1.2, burst.shape[1])
        noise = rng.standard_normal((*burst.shape, 2)) @ np.array([1, 1j]) * np.sqrt(NOISE / 2)
        receiver = Receiver(NARROW)
        samples = (burst * 10 ** (db / 20) + noise).astype(np.complex64)
        received = receiver.push(samples) + receiver.flush()
        known = NARROW.training_symbols + NARROW.header_ofdm_symbols
        payload = db[known * NARROW.samples_per_symbol : -NARROW.guard_samples]
        true_db = SNR_DB + 10 * np.log10(np.mean(10 ** (payload / 10)))
        assert received[0].snr_db == pytest.approx(true_db, abs=0.4)
        assert abs(10 * np.log10(_relative(frame, received[0]))) < 0.3


def _relative(frame: Frame, received: ReceivedFrame) -> float:
    """Error of the symbols in units of the noise announced."""
    return float(np.mean(np.abs(received.payload - frame.payload) ** 2 / received.noise_var))
