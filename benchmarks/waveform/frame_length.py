# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the modem is for frames of different length, without GNU Radio."""

from __future__ import annotations

import numpy as np

from benchmarks.bursts import random_frames, stream, with_noise
from benchmarks.timing import measure, one_core
from benchmarks.waveform.measurement import Effort, Measurement
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver

SYMBOLS = (1, 2, 4, 8, 16, 32, 64, 128)
SNR_DB = 20.0
SAMPLES = 2_000_000
REPEATS = 3


def _receive(samples: ComplexArray, numerology: Numerology) -> int:
    receiver = Receiver(numerology)
    return len(receiver.push(samples) + receiver.flush())


def _rates(numerology: Numerology, symbols: int, samples: int) -> tuple[float, float]:
    """Million samples per CPU second of receiver and transmitter.

    Raises:
        RuntimeError: frames were lost, so that their time would mean nothing.
    """
    rng = np.random.default_rng(1)
    payload = symbols * numerology.data_carriers_per_symbol
    count = -(-samples // numerology.frame_samples(payload))
    frames = random_frames(count, payload, rng)
    sent = measure(lambda: stream(frames, numerology, 0), REPEATS)
    heard = with_noise(sent.value, SNR_DB, rng)
    received = measure(lambda: _receive(heard, numerology), REPEATS)
    if received.value != count:
        raise RuntimeError(f"{received.value} of {count} frames arrived at {SNR_DB:g} dB")
    return heard.shape[1] / received.cpu_s / 1e6, heard.shape[1] / sent.cpu_s / 1e6


def frame_length(effort: Effort) -> Measurement:
    """Throughput over the length of the payload, frames back to back."""
    samples = effort.trials(SAMPLES, least=50_000)
    curves: dict[str, list[float | None]] = {}
    with one_core():
        for numerology in (NARROW, WIDE):
            rates = [
                _rates(numerology, symbols, samples)
                if symbols <= numerology.fragment_symbols
                else (None, None)
                for symbols in SYMBOLS
            ]
            curves[f"receiver, {numerology.name}"] = [receive for receive, _ in rates]
            curves[f"transmitter, {numerology.name}"] = [transmit for _, transmit in rates]
    return Measurement(
        title="Throughput",
        method=(
            f"Frames back to back at {SNR_DB:g} dB, {samples / 1e6:g} million samples, median of "
            f"{REPEATS} runs on one core; without GNU Radio, for which see `make bench`."
        ),
        x_label="payload (OFDM symbols)",
        y_label="million samples per CPU second",
        x=[*map(float, SYMBOLS)],
        curves=curves,
    )
