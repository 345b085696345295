# SPDX-License-Identifier: GPL-3.0-or-later
"""Amplitude and phase of the paths between the antennas, next to each other."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.radios.bench import Bench
from numpy.typing import NDArray

from semcom_calibration.errors import CalibrationError
from semcom_calibration.result import Result
from semcom_calibration.sounding import LENGTH as SEQUENCE
from semcom_calibration.sounding import heard, sequence
from semcom_calibration.tone import (
    FREQUENCY,
    LENGTH,
    HeardTone,
    exchange,
    fit_tone,
    make_tone,
)

_SLOT = LENGTH + 2048
"""Samples from one antenna's tone to the next's."""

_MARGIN = LENGTH // 8

_REPEATS = 3

_CLEAR_DB = 26.0
"""Of a tone over the noise in its bin, at which phases are told to 2 degrees."""


class Channels(Result):
    """Paths from each transmit to each receive antenna, relative to that of the first ones.

    Attributes:
        gain_db: ``[rx][tx]``; None for a path on which nothing is heard.
        phase_deg: likewise.
        deviation_deg: of the phase, from one measurement to the next. Devices without a common
            oscillator, and many with one, choose phases anew whenever they are tuned.
    """

    gain_db: tuple[tuple[float | None, ...], ...]
    phase_deg: tuple[tuple[float | None, ...], ...]
    deviation_deg: tuple[tuple[float | None, ...], ...]


def measure_channels(bench: Bench, carrier_offset_hz: float) -> Channels:
    """Tones of the same frequency from one transmit antenna after the other.

    A sequence goes ahead of them, which tells when each is heard.

    ``h[r][t] / h[0][0]``, the turn of the carrier between the two tones taken out by the frequency
    of the first as heard.

    Wiring: all transmit antennas to all receive antennas, by a combiner, attenuators and a
    splitter with cables of equal length; with a cable for each pair, only like antennas are
    compared.

    Args:
        bench: with its gains set.
        carrier_offset_hz: as measured before.

    Raises:
        CalibrationError: the first antenna's tone is not heard by the first.
    """
    found = np.array([_paths(bench, carrier_offset_hz / bench.rate_hz) for _ in range(_REPEATS)])
    ratio = found.mean(axis=0)
    spread = np.angle(found / np.where(ratio == 0, 1, ratio)).std(axis=0)
    return Channels(
        gain_db=_rows(20 * np.log10(np.maximum(np.abs(ratio), 1e-15)), ratio),
        phase_deg=_rows(np.degrees(np.angle(ratio)), ratio),
        deviation_deg=_rows(np.degrees(spread), ratio),
    )


def _paths(bench: Bench, carrier_turns: float) -> NDArray[np.complex128]:
    """``h[r][t] / h[0][0]``, zero where nothing is heard."""
    sent = np.zeros((bench.tx_antennas, SEQUENCE + _SLOT * bench.tx_antennas), np.complex64)
    sent[0, :SEQUENCE] = sequence()
    for antenna in range(bench.tx_antennas):
        first = SEQUENCE + antenna * _SLOT
        sent[antenna, first : first + LENGTH] = make_tone()
    samples = exchange(bench, sent)
    start = round(heard(samples[0], carrier_turns).samples) + SEQUENCE
    frequency = FREQUENCY + carrier_turns
    paths = np.zeros((bench.rx_antennas, bench.tx_antennas), np.complex128)
    for antenna in range(bench.tx_antennas):
        begin = start + antenna * _SLOT + _MARGIN
        tone = fit_tone(samples[:, begin : begin + LENGTH - 2 * _MARGIN])
        if tone is None:
            continue
        if antenna == 0:
            frequency = tone.frequency
        paths[:, antenna] = _clear(tone) * np.exp(-2j * np.pi * frequency * antenna * _SLOT)
    if paths[0, 0] == 0:
        raise CalibrationError("no signal: the first antenna's tone is not heard by the first")
    return paths / paths[0, 0]


def _clear(tone: HeardTone) -> NDArray[np.complex128]:
    """Amplitude ``[rx]`` of a tone, zero where it is not clear."""
    clear = [tone.clear_db(antenna) >= _CLEAR_DB for antenna in range(tone.amplitude.size)]
    return np.where(clear, tone.amplitude, 0)


def _rows(
    values: NDArray[np.float64], ratio: NDArray[np.complex128]
) -> tuple[tuple[float | None, ...], ...]:
    """Rounded, None where nothing was heard."""
    return tuple(
        tuple(None if h == 0 else round(float(value), 3) for value, h in zip(*both, strict=True))
        for both in zip(values, ratio, strict=True)
    )
