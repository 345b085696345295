# SPDX-License-Identifier: GPL-3.0-or-later
"""SNR of the waveform over transmit gain, so that an SNR can be asked of a radio."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from gnuradio.semcom.front_end_correction import correct_front_end
from gnuradio.semcom.radios.bench import Bench
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import Field

from semcom_calibration.errors import CalibrationError
from semcom_calibration.gains import spread
from semcom_calibration.result import Result, ascending
from semcom_calibration.tone import exchange
from semcom_phy.exchange import (
    CodecLabel,
    ComplexArray,
    PictureHeader,
    SectionEntry,
    effective_snr_db,
)
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.impairments import frame_power
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.receiver import Receiver

GAINS = 16
"""Transmit gains at which it is measured."""

_FEWEST = 2
"""Points that make a table."""

_FRAMES = 3
_OFDM_SYMBOLS = 32
"""Of a frame's payload."""

_CLIPPED = 1e-3
"""Share of samples at full scale with which a receiver counts as overloaded."""

_FULL_SCALE = 0.985
"""Either part of a sample from which on it counts as at full scale."""

_FALLS_DB = 0.5
"""By which the SNR of a higher gain may be lower without the table's ending there."""


class SnrPoint(Result):
    """The SNR at one transmit gain.

    Attributes:
        gain_tx_db: as set.
        snr_db: of the payload after equalisation, one stream from all antennas to all antennas, as
            the receiver estimates it: what a run reports.
    """

    gain_tx_db: float
    snr_db: float


class SnrTable(Result):
    """SNR over transmit gain at one receive gain.

    Attributes:
        gain_rx_db: as set.
        backoff_db: of a frame's RMS from full scale, at the transmitter.
        occupied: active carriers over all carriers of the waveform.
        points: ascending in both.
        overloaded_db: transmit gain at which the receiver clips; None where none does.
    """

    gain_rx_db: float
    backoff_db: float
    occupied: float
    points: Annotated[
        tuple[SnrPoint, ...], Field(min_length=_FEWEST), ascending("gain_tx_db", "snr_db")
    ]
    overloaded_db: float | None = None

    def gain_tx_db(self, snr_db: float) -> float | None:
        """Gain for an SNR, between the points by interpolation; None for one out of the table."""
        reached = [point.snr_db for point in self.points]
        if not reached[0] <= snr_db <= reached[-1]:
            return None
        return float(np.interp(snr_db, reached, [point.gain_tx_db for point in self.points]))


def measure_snr_table(
    bench: Bench, gain_rx_db: float, backoff_db: float, corrections: Corrections
) -> SnrTable:
    """SNR of frames behind the equaliser of the receiver of all runs, over transmit gain.

    The noise that it estimates from the scatter of known symbols has all in it that is no signal:
    the receiver's own, the converters' steps, distortion. The transmit gain rises until the
    receiver clips or a higher gain makes the SNR no higher.

    Wiring: as for a run.

    Args:
        bench: of the device.
        gain_rx_db: to receive with.
        backoff_db: of the frames' RMS from full scale.
        corrections: of DC offset and image, as runs apply them.

    Raises:
        CalibrationError: frames are heard at less than two gains.
    """
    numerology = _waveform(bench)
    sent = _frames(numerology, backoff_db)
    gain_rx_db = bench.set_gain_rx_db(gain_rx_db)
    points: list[SnrPoint] = []
    overloaded = None
    for gain_db in spread(bench.gain_tx, GAINS):
        gain_db = bench.set_gain_tx_db(gain_db)
        samples = exchange(bench, sent)
        if _clips(samples):
            overloaded = gain_db
            break
        snr_db = _snr_db(_corrected(samples, corrections), numerology)
        if snr_db is None:
            continue
        if points and snr_db <= points[-1].snr_db:
            if snr_db < points[-1].snr_db - _FALLS_DB:
                break
            continue
        points.append(SnrPoint(gain_tx_db=gain_db, snr_db=round(snr_db, 2)))
    if len(points) < _FEWEST:
        raise CalibrationError(
            "no signal: frames are not heard; change the attenuation or --gain-rx"
        )
    return SnrTable(
        gain_rx_db=gain_rx_db,
        backoff_db=backoff_db,
        occupied=frame_power(numerology),
        points=tuple(points),
        overloaded_db=overloaded,
    )


def _waveform(bench: Bench) -> Numerology:
    return replace(
        NARROW,
        sample_rate=bench.rate_hz,
        max_cfo_hz=min(NARROW.max_cfo_hz, bench.rate_hz / 4),
        tx_antennas=bench.tx_antennas,
        rx_antennas=bench.rx_antennas,
    )


def _frames(numerology: Numerology, backoff_db: float) -> ComplexArray:
    """Frames of random symbols, ``[tx, n]``."""
    rng = np.random.default_rng(0)
    count = _OFDM_SYMBOLS * numerology.data_carriers_per_symbol
    modulator, bursts = Modulator(numerology), []
    section = SectionEntry(digital=False, length=count)
    for number in range(_FRAMES):
        symbols = ((rng.integers(0, 2, (2, count)) * 2 - 1) / np.sqrt(2)).astype(np.float32)
        header = FrameHeader(PictureHeader(number, 1, 1, CodecLabel(1), (section,)))
        bursts.append(modulator.frame(Frame(header, (symbols[:1] + 1j * symbols[1:]))))
    scale = 10 ** (-backoff_db / 20) / np.sqrt(frame_power(numerology))
    return (np.concatenate(bursts, axis=1) * scale).astype(np.complex64)


def _clips(samples: ComplexArray) -> bool:
    at_end = np.maximum(np.abs(samples.real), np.abs(samples.imag)) >= _FULL_SCALE
    return bool(at_end.mean(axis=1).max() > _CLIPPED)


def _corrected(samples: ComplexArray, corrections: Corrections) -> ComplexArray:
    none = (0j,) * len(samples)
    antennas = zip(samples, corrections.dc or none, corrections.image or none, strict=True)
    return np.stack([correct_front_end(*antenna) for antenna in antennas])


def _snr_db(samples: ComplexArray, numerology: Numerology) -> float | None:
    """Of all symbols of the frames; None where any frame is missing."""
    receiver = Receiver(numerology)
    frames = receiver.push(samples) + receiver.flush()
    if len(frames) < _FRAMES:
        return None
    return effective_snr_db(np.concatenate([frame.noise_var.ravel() for frame in frames]))
