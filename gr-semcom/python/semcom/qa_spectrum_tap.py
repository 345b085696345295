# SPDX-License-Identifier: GPL-3.0-or-later
"""Spectra of samples that pass."""

from __future__ import annotations

import numpy as np
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom.guard import check
from gnuradio.semcom.spectrum_tap import _KEPT, BINS, SEGMENT, STRIDE, SpectrumTap

RATE = 2e6
BIN = RATE / BINS


def tapped(*streams: np.ndarray) -> SpectrumTap:
    """A tap through which streams of complex samples have gone."""
    flowgraph, tap = gr.top_block(), SpectrumTap(len(streams), RATE)
    sources = [blocks.vector_source_c(samples.astype(np.complex64)) for samples in streams]
    for port, source in enumerate(sources):
        flowgraph.connect(source, (tap, port))
    flowgraph.run()
    check([tap])
    return tap


def taken(*streams: np.ndarray) -> np.ndarray:
    """The estimate of a tap through which streams have gone."""
    estimate = tapped(*streams).take()
    assert estimate is not None
    return estimate


def noise(count: int, power: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.sqrt(power / 2) * (rng.standard_normal(count) + 1j * rng.standard_normal(count))


def tone(count: int, bins: int, power: float) -> np.ndarray:
    return np.sqrt(power) * np.exp(2j * np.pi * bins * np.arange(count) / BINS)


@pytest.mark.parametrize("segments", [5, 2 * _KEPT + 3])
def test_power_and_place(segments: int) -> None:
    """Noise is flat at its power over the rate; a tone and a DC offset are where they belong."""
    count = segments * STRIDE
    tap = tapped(noise(count, 4.0), tone(count, -40, 9.0) + 2.0)
    estimate = tap.take()
    assert estimate is not None
    assert estimate.shape == (2, BINS)
    assert estimate[0].mean() * RATE == pytest.approx(4.0, rel=0.05)
    assert estimate[0] * RATE == pytest.approx(np.full(BINS, 4.0), rel=0.7)
    around_tone, around_dc = slice(BINS // 2 - 43, BINS // 2 - 36), slice(125, 132)
    assert estimate[1, around_tone].sum() * BIN == pytest.approx(9.0, rel=1e-3)
    assert estimate[1, around_dc].sum() * BIN == pytest.approx(4.0, rel=1e-3)
    assert tap.take() is None


def test_segments_between_are_passed_over() -> None:
    samples = np.zeros(STRIDE + SEGMENT)
    samples[SEGMENT:STRIDE] = 1.0
    assert not taken(samples).any()
    samples[STRIDE + 100 :] = 1.0
    assert taken(samples).any()


def test_what_tells_nothing() -> None:
    assert tapped(np.ones(SEGMENT - 1)).take() is None
    broken = np.ones(SEGMENT, np.complex64)
    broken[7] = np.nan
    assert tapped(broken).take() is None
