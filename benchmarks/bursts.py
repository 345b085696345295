# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of random symbols, each a picture of its own, and the stream that they make."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import Numerology

SIDE = 256
"""Height and width in pixels that the headers tell of."""


def gaussian(shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
    """Complex Gaussian numbers of unit power: noise, or what a picture code makes."""
    parts = rng.standard_normal((*shape, 2), np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def random_frame(number: int, symbols: int, rng: np.random.Generator) -> Frame:
    """A frame of one stream, the only one of picture ``number``.

    Args:
        number: of the picture, 0 to 65535.
        symbols: of its payload.
        rng: of the payload.
    """
    section = SectionEntry(digital=False, length=symbols)
    header = PictureHeader(number, SIDE, SIDE, CodecLabel(1), (section,))
    return Frame(FrameHeader(header), gaussian((1, symbols), rng))


def random_frames(count: int, symbols: int, rng: np.random.Generator) -> list[Frame]:
    """Frames of the pictures ``0, 1, ...``, at most 65536 of them."""
    return [random_frame(number, symbols, rng) for number in range(count)]


def stream(frames: Iterable[Frame], numerology: Numerology, gap: int) -> ComplexArray:
    """Bursts one after the other, ``[tx, n]``.

    Args:
        frames: to send.
        numerology: of the waveform.
        gap: samples of silence before the first, behind the last and, on top of the guard,
            between them.
    """
    modulator = Modulator(numerology)
    silence = np.zeros((numerology.tx_antennas, gap), np.complex64)
    pieces = [silence]
    for frame in frames:
        pieces += [modulator.frame(frame), silence]
    return np.concatenate(pieces, axis=1)


def with_noise(samples: ComplexArray, snr_db: float, rng: np.random.Generator) -> ComplexArray:
    """Samples with white noise that puts carriers of unit power at an Es/N0 of ``snr_db``."""
    noise = gaussian(samples.shape, rng)
    noise *= np.float32(10 ** (-snr_db / 20))
    noise += samples
    return noise
