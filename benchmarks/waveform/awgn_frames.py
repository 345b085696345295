# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames in white noise, received: what several measurements look at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.bursts import random_frames, stream, with_noise
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import Receiver

BANK = 20
"""Frames that are sent again and again, each time in fresh noise."""

GAP = 300


def received_frames(
    numerology: Numerology, symbols: int, snr_db: float, count: int, rng: np.random.Generator
) -> Iterator[tuple[Frame, ReceivedFrame]]:
    """Pairs of frames as sent and as received; lost ones are left out.

    Args:
        numerology: of the waveform.
        symbols: of each frame's payload.
        snr_db: Es/N0.
        count: frames to send, at least; whole rounds of :data:`BANK` are.
        rng: of payloads and noise.
    """
    bank = random_frames(min(BANK, count), symbols, rng)
    samples = stream(bank, numerology, GAP)
    for _ in range(-(-count // len(bank))):
        receiver = Receiver(numerology)
        for frame in receiver.push(with_noise(samples, snr_db, rng)) + receiver.flush():
            number = frame.header.picture.picture
            if number < len(bank) and frame.header == bank[number].header:
                yield bank[number], frame
