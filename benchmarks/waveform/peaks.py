# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak power of the payload: how often it is how far above its mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.waveform.measurement import Effort, Measurement
from semcom_phy.numerology import NARROW
from semcom_phy.peak_power import ccdf, draw_symbols, relative_power, send
from semcom_phy.preamble import scrambling_signs

LEVELS_DB = tuple(np.arange(0, 14.01, 0.5).tolist())
FRAMES = 60
CLIPPING_DB = 5.0


def peaks(effort: Effort) -> Measurement:
    """CCDF of the instantaneous power, with and without what lowers it."""
    rng = np.random.default_rng(1)
    shape = (effort.trials(FRAMES), NARROW.fragment_capacity)
    gaussian = draw_symbols("gaussian", shape, rng)
    qpsk = draw_symbols("qpsk", shape, rng)
    constant = draw_symbols("constant", shape, rng)
    dft = replace(NARROW, spreading="dft")
    clipped, _ = send(gaussian, NARROW, CLIPPING_DB)
    unlimited, _ = send(gaussian, NARROW)
    loss = np.mean(np.abs(clipped - unlimited) ** 2) / np.mean(np.abs(unlimited) ** 2)
    sent = {
        "Gaussian symbols": unlimited,
        "all symbols alike": send(constant, NARROW)[0],
        "all alike, not scrambled": send(constant * scrambling_signs(NARROW)[0], NARROW)[0],
        "Gaussian, spread by DFT": send(gaussian, dft)[0],
        "QPSK, spread by DFT": send(qpsk, dft)[0],
        f"Gaussian, clipped at {CLIPPING_DB:g} dB": clipped,
    }
    return Measurement(
        title="Peak power",
        method=(
            f"Payload of {shape[0]} full frames of the narrow waveform, four times oversampled. "
            f"Clipping and filtering at {CLIPPING_DB:g} dB above the mean costs an error vector of "
            f"{10 * np.log10(loss):.1f} dB."
        ),
        x_label="power above its mean (dB)",
        y_label="share of the time above",
        x=LEVELS_DB,
        curves={
            label: ccdf(relative_power(samples), LEVELS_DB).tolist()
            for label, samples in sent.items()
        },
        log_y=True,
    )
