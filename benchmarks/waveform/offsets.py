# SPDX-License-Identifier: GPL-3.0-or-later
"""What offsets of the carrier and of the sampling clock cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.bursts import random_frames, stream
from benchmarks.waveform.error_vector import squared_error
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver

SNR_DB = 20.0
FRAMES = 17
"""As many as a Kodak picture takes on the narrow waveform at a bandwidth ratio of 1/6."""

CARRIER_OFFSETS = (-14, -10, -7, -5, -3, -1, -0.5, 0, 0.5, 1, 3, 5, 7, 10, 14)
"""In subcarriers."""

CLOCK_OFFSETS_PPM = (-40, -30, -20, -10, 0, 10, 20, 30, 40)
LEAD = 500
"""Samples of silence before the first frame."""


def _receive(numerology: Numerology, config: ChannelConfig, count: int) -> tuple[float | None, int]:
    """Error vector above the noise in dB, None where nothing arrived, and frames lost.

    The frames follow each other like those of a picture.
    """
    rng = np.random.default_rng(1)
    frames = random_frames(count, numerology.fragment_capacity, rng)
    silence = np.zeros((1, LEAD), np.complex64)
    samples = np.concatenate([silence, stream(frames, numerology, 0), silence], axis=1)
    channel, receiver = SampleChannel(config, numerology, 1), Receiver(numerology)
    received = receiver.push(channel.process(samples))
    received += receiver.push(channel.flush()) + receiver.flush()
    errors = [
        squared_error(frames[frame.header.picture.picture], frame)
        for frame in received
        if frame.header == frames[frame.header.picture.picture % count].header
    ]
    excess = float(10 * np.log10(np.mean(errors))) + SNR_DB if errors else None
    return excess, count - len(errors)


def _measure(
    title: str,
    x_label: str,
    x: Sequence[float],
    cases: Mapping[str, tuple[Numerology, Sequence[ChannelConfig | None]]],
    count: int,
) -> Measurement:
    """Curves of the error vector, and goals for it and for lost frames."""
    curves: dict[str, list[float | None]] = {}
    goals = []
    for label, (numerology, configs) in cases.items():
        found = [
            (None, 0) if config is None else _receive(numerology, config, count)
            for config in configs
        ]
        curves[label] = [excess for excess, _ in found]
        worst = max((e for e in curves[label] if e is not None), default=float("inf"))
        goals.append(Goal(f"{label}: most above the noise", worst, 0.5, "dB"))
        goals.append(Goal(f"{label}: frames lost", sum(lost for _, lost in found), 0, ""))
    return Measurement(
        title=title,
        method=(
            f"A picture of {count} full frames, one behind the other, at each offset; white noise, "
            f"{SNR_DB:g} dB."
        ),
        x_label=x_label,
        y_label="error vector above the noise (dB)",
        x=x,
        curves=curves,
        goals=goals,
    )


def carrier_offset(effort: Effort) -> Measurement:
    """Error vector over the carrier offset, as far as each waveform searches."""
    cases = {}
    for numerology in (NARROW, WIDE):
        offsets = [n * numerology.subcarrier_spacing_hz for n in CARRIER_OFFSETS]
        configs = [
            ChannelConfig(SNR_DB, cfo_hz=hz) if abs(hz) <= numerology.max_cfo_hz else None
            for hz in offsets
        ]
        cases[numerology.name] = (numerology, configs)
    count = effort.trials(FRAMES)
    x = CARRIER_OFFSETS
    return _measure("Carrier offset", "carrier offset (subcarriers)", x, cases, count)


def clock_offset(effort: Effort) -> Measurement:
    """Error vector over the offset of the receiver's sampling clock, over a whole picture."""
    configs = [ChannelConfig(SNR_DB, sco_ppm=ppm) for ppm in CLOCK_OFFSETS_PPM]
    cases = {numerology.name: (numerology, configs) for numerology in (NARROW, WIDE)}
    count = effort.trials(FRAMES)
    return _measure("Clock offset", "clock offset (ppm)", CLOCK_OFFSETS_PPM, cases, count)
