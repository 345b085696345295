# SPDX-License-Identifier: GPL-3.0-or-later
"""The SNR of single frames over fading channels, as estimated and as it was."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.bursts import random_frames, stream
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.channel import ChannelConfig, SampleChannel, realise
from semcom_phy.frequency_response import frequency_response
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver
from semcom_phy.tdl import tdl_channel

SNR_DB = 15.0
CASES = (
    (NARROW, "tdl-a", 100e-9, 5.0),
    (NARROW, "tdl-a", 100e-9, 50.0),
    (WIDE, "tdl-a", 100e-9, 5.0),
    (WIDE, "tdl-a", 100e-9, 50.0),
    (WIDE, "tdl-c", 300e-9, 5.0),
    (WIDE, "tdl-c", 300e-9, 50.0),
)
CHANNELS = 40
FRAMES = 3
GAP = 700
ERRORS_DB = tuple(np.arange(0, 1.55, 0.05).round(2).tolist())


def _errors(numerology: Numerology, config: ChannelConfig, channels: int) -> NDArray[np.float64]:
    """Estimates less the truth, in dB, of all frames received."""
    rng = np.random.default_rng(1)
    frames = random_frames(FRAMES, numerology.fragment_capacity, rng)
    samples = stream(frames, numerology, GAP)
    before = numerology.training_symbols + numerology.header_ofdm_symbols
    length = numerology.frame_samples(numerology.fragment_capacity) + GAP
    errors = []
    for seed in range(channels):
        channel, receiver = SampleChannel(config, numerology, seed), Receiver(numerology)
        received = receiver.push(channel.process(samples))
        received += receiver.push(channel.flush()) + receiver.flush()
        process = realise(config, numerology, seed)
        assert process is not None
        for frame in received:
            start = GAP + frame.header.picture.picture * length
            begin = start + before * numerology.samples_per_symbol
            response = frequency_response(process, begin, numerology.fragment_symbols, numerology)
            power = np.mean(np.abs(response) ** 2, dtype=np.float64)
            errors.append(frame.snr_db - SNR_DB - 10 * np.log10(power))
    return np.array(errors)


def fading_snr(effort: Effort) -> Measurement:
    """How many frames' SNR estimates are off by more than so much."""
    channels = effort.trials(CHANNELS, least=4)
    curves: dict[str, list[float | None]] = {}
    goals = []
    for numerology, profile, spread_s, doppler_hz in CASES:
        label = f"{numerology.name}, {profile.upper()} {spread_s * 1e9:g} ns, {doppler_hz:g} Hz"
        config = ChannelConfig(SNR_DB, multipath=tdl_channel(profile, spread_s, doppler_hz))
        errors = np.abs(_errors(numerology, config, channels))
        curves[label] = [float(np.mean(errors > limit)) for limit in ERRORS_DB]
        goals.append(Goal(f"{label}: largest error", float(errors.max()), 1.0, "dB"))
    return Measurement(
        title="SNR of single frames over fading channels",
        method=(
            f"{channels} channels of each kind, {FRAMES} full frames over each, mean SNR "
            f"{SNR_DB:g} dB. True SNR: mean power of the channel over the payload's carriers and "
            "symbols over the noise."
        ),
        x_label="error of the estimate (dB)",
        y_label="share of frames that are off by more",
        x=ERRORS_DB,
        curves=curves,
        goals=goals,
    )
