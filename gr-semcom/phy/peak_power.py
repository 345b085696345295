# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak power of the waveform: how often the power is how far above its mean (CCDF).

``python -m semcom_phy.peak_power narrow --spreading dft`` makes frames of random symbols and prints
the power that a share of the samples exceeds, of the payload and of whole frames; with
``--clipping`` also the noise that it costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.signal
from numpy.typing import ArrayLike, NDArray

from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import PRESETS, Numerology, preset
from semcom_phy.preamble import scrambling_signs

OVERSAMPLING = 4
"""The peaks of a signal lie between its samples; so many times as many come within 0.1 dB."""

SYMBOLS = ("gaussian", "qpsk", "constant")
"""What frames are filled with: a picture code's symbols are much like ``gaussian`` ones."""

_PROBABILITIES = (1e-1, 1e-2, 1e-3, 1e-4)


def relative_power(samples: ComplexArray) -> NDArray[np.float64]:
    """Instantaneous power of a burst over its mean.

    Args:
        samples: ``[..., n]`` without silence.

    Returns:
        ``[..., OVERSAMPLING * n]`` of mean one, of the signal that the samples stand for.
    """
    # The signal in between, as if the burst came again and again.
    between = scipy.signal.resample(samples, OVERSAMPLING * samples.shape[-1], axis=-1)
    power = np.abs(between.astype(np.complex128)) ** 2
    return np.asarray(power / power.mean(), np.float64)


def ccdf(power: NDArray[np.floating], levels_db: ArrayLike) -> NDArray[np.float64]:
    """Share of ``power`` that exceeds each of the levels ``[n]`` in dB."""
    ordered = np.sort(power, axis=None)
    above = np.searchsorted(ordered, 10 ** (np.asarray(levels_db) / 10), side="right")
    return 1 - above / ordered.size


def exceeded_db(power: NDArray[np.floating], probabilities: ArrayLike) -> NDArray[np.float64]:
    """Levels in dB that ``power`` exceeds with each of the probabilities ``[n]``."""
    levels = np.quantile(power, 1 - np.asarray(probabilities))
    return np.asarray(10 * np.log10(levels), np.float64)


def draw_symbols(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
    """Unit-power symbols of a kind of :data:`SYMBOLS`."""
    if kind == "constant":
        return np.full(shape, (1 + 1j) * np.sqrt(0.5), np.complex64)
    parts = rng.standard_normal((*shape, 2))
    if kind == "qpsk":
        parts = np.sign(parts)
    return np.asarray((parts[..., 0] + 1j * parts[..., 1]) * np.sqrt(0.5), np.complex64)


def send(
    symbols: ComplexArray, numerology: Numerology, clipping_db: float | None = None
) -> tuple[ComplexArray, ComplexArray]:
    """Frames of given symbols, as they leave the transmitter.

    Args:
        symbols: ``[frames, k]``, sent from the first antenna.
        numerology: of the waveform.
        clipping_db: limit of the transmitter, None for none.

    Returns:
        The samples ``[frames, n]`` of their payload, and ``[frames, m]`` of whole frames without
        the guard.

    Raises:
        ValueError: more symbols than a frame carries.
    """
    frames, count = symbols.shape
    section = SectionEntry(digital=False, length=count)
    modulator = Modulator(numerology, clipping_db=clipping_db)
    length = numerology.frame_samples(count) - numerology.guard_samples
    whole = np.empty((frames, length), np.complex64)
    for index, payload in enumerate(symbols):
        header = PictureHeader(index % 0x10000, 256, 256, CodecLabel(1), (section,))
        frame = Frame(FrameHeader(header), payload[None])
        whole[index] = modulator.frame(frame)[0, :length]
    opening = numerology.training_symbols + numerology.header_ofdm_symbols
    return whole[:, opening * numerology.samples_per_symbol :], whole


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m semcom_phy.peak_power",
        description="Print the power, in dB above the mean, that a share of the samples exceeds.",
    )
    parser.add_argument("numerology", choices=PRESETS)
    parser.add_argument("--spreading", choices=("none", "dft"), default="none")
    parser.add_argument("--clipping", type=float, metavar="DB", help="limit of the transmitter")
    parser.add_argument("--symbols", choices=SYMBOLS, default="gaussian")
    parser.add_argument(
        "--unscrambled", action="store_true", help="undo the scrambling of the symbols' signs"
    )
    parser.add_argument("--frames", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    numerology = replace(preset(options.numerology), spreading=options.spreading)
    rng = np.random.default_rng(options.seed)
    shape = (options.frames, numerology.fragment_capacity)
    symbols = draw_symbols(options.symbols, shape, rng)
    if options.unscrambled:
        symbols = symbols * scrambling_signs(numerology)[0]
    payload, whole = send(symbols, numerology, options.clipping)
    levels = [exceeded_db(relative_power(part), _PROBABILITIES) for part in (payload, whole)]
    print("share    payload   frame")
    for probability, *row in zip(_PROBABILITIES, *levels, strict=True):
        print(f"{probability:.0e} {row[0]:6.2f} dB {row[1]:6.2f} dB")
    if options.clipping is not None:
        unlimited, _ = send(symbols, numerology)
        error = np.mean(np.abs(payload - unlimited) ** 2) / np.mean(np.abs(unlimited) ** 2)
        print(f"error vector of clipping {10 * np.log10(error):.1f} dB")


if __name__ == "__main__":
    main()
