# SPDX-License-Identifier: GPL-3.0-or-later
"""Bias and spread of the SNR estimate, beside its Cramer-Rao bound."""

from __future__ import annotations

import numpy as np

from benchmarks.waveform.awgn_frames import received_frames
from benchmarks.waveform.bounds import echo_matrix, looks, snr_spread_db
from benchmarks.waveform.channel_estimate import echo_count
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.numerology import NARROW, WIDE, Numerology

SNRS_DB = (-3, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)
FRAMES = 300


def bound_db(numerology: Numerology, snr_db: float) -> float:
    """Bound of the spread for a channel of echoes that the waveform admits, one at each sample."""
    delays = np.arange(float(echo_count(numerology)))
    gains = np.zeros(delays.size, np.complex128)
    gains[0] = 1.0
    counts = looks(numerology, numerology.fragment_symbols)
    return snr_spread_db(echo_matrix(numerology, delays), gains, counts, 10 ** (-snr_db / 10))


def _estimates(
    numerology: Numerology, snr_db: float, count: int, rng: np.random.Generator
) -> np.ndarray:
    pairs = received_frames(numerology, numerology.fragment_capacity, snr_db, count, rng)
    return np.array([received.snr_db for _, received in pairs]) - snr_db


def snr_estimate(effort: Effort) -> Measurement:
    """Mean and standard deviation of the error of ``snr_db``, frame by frame."""
    rng = np.random.default_rng(1)
    count = effort.trials(FRAMES, least=20)
    curves: dict[str, list[float | None]] = {}
    goals = []
    for numerology in (NARROW, WIDE):
        errors = [_estimates(numerology, snr_db, count, rng) for snr_db in SNRS_DB]
        bounds = [bound_db(numerology, snr_db) for snr_db in SNRS_DB]
        bias = [float(error.mean()) for error in errors]
        spread = [float(error.std(ddof=1)) for error in errors]
        name = numerology.name
        curves |= {f"{name}: bias": [*bias], f"{name}: spread": [*spread]}
        curves[f"{name}: bound of the spread"] = [*bounds]
        goals.append(Goal(f"{name}: largest bias", max(map(abs, bias)), 0.1, "dB"))
        ratio = max(s / b for s, b in zip(spread, bounds, strict=True))
        goals.append(Goal(f"{name}: largest spread over its bound", ratio, 1.2, ""))
    return Measurement(
        title="SNR estimate",
        method=(
            f"{count} full frames at each SNR in white noise. The bound is that of the known cells "
            "of a frame (training, header, pilots), noise and channel unknown: "
            "`benchmarks/waveform/bounds.py`. A measured spread is good to "
            f"{100 / np.sqrt(2 * count):.0f} %."
        ),
        x_label="SNR (dB)",
        y_label="error of the estimate (dB)",
        x=[*map(float, SNRS_DB)],
        curves=curves,
        bounds={label for label in curves if "bound" in label},
        goals=goals,
    )
