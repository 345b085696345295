# SPDX-License-Identifier: GPL-3.0-or-later
"""Error vector of the payload against the noise of its carriers."""

from __future__ import annotations

import numpy as np

from benchmarks.waveform.awgn_frames import received_frames
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.numerology import NARROW, WIDE

SNRS_DB = (0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30)
FRAMES = 40
SHORT = 8
"""OFDM symbols of a short payload."""


def squared_error(sent: Frame, received: ReceivedFrame) -> float:
    """Mean squared error of a frame's symbols, which have unit mean power."""
    return float(np.mean(np.abs(received.payload - sent.payload) ** 2))


def error_vector(effort: Effort) -> Measurement:
    """How far the error of equalised symbols lies above the noise."""
    rng = np.random.default_rng(1)
    count = effort.trials(FRAMES, least=4)
    curves: dict[str, list[float | None]] = {}
    for numerology in (NARROW, WIDE):
        for length, symbols in (("full", numerology.fragment_symbols), ("short", SHORT)):
            payload = symbols * numerology.data_carriers_per_symbol
            frames = count * (numerology.fragment_symbols // symbols)
            excess: list[float | None] = []
            for snr_db in SNRS_DB:
                pairs = received_frames(numerology, payload, snr_db, frames, rng)
                error = np.mean([squared_error(*pair) for pair in pairs])
                excess.append(float(10 * np.log10(error)) + snr_db)
            curves[f"{numerology.name}, {length} frames"] = excess
    goals = [
        Goal(f"{label}: most above the noise", max(v for v in values if v is not None), 0.5, "dB")
        for label, values in curves.items()
        if "full" in label
    ]
    return Measurement(
        title="Error vector",
        method=(
            f"{count} full frames at each SNR in white noise, and as many symbols in frames of "
            f"{SHORT} OFDM symbols; Gaussian payload. gr-digital gives out hard decisions and so "
            "has no error vector."
        ),
        x_label="SNR (dB)",
        y_label="error vector above the noise of the carriers (dB)",
        x=[*map(float, SNRS_DB)],
        curves=curves,
        goals=goals,
    )
