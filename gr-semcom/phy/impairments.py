# SPDX-License-Identifier: GPL-3.0-or-later
"""What radios do to samples besides clock and carrier: limits, imbalance, offsets, losses.

Levels are relative to a *frame of unit gain*: what a transmit antenna sends while every active
carrier has unit power, over a path of unit gain; of power ``active carriers / fft_size``. All of
it depends on a sample's place in the stream alone, never on how the stream is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import BoolArray, ComplexArray
from semcom_phy.numerology import Numerology


def frame_power(numerology: Numerology) -> float:
    """Mean power of a frame of unit gain, per sample and transmit antenna."""
    return len(numerology.active_carriers) / numerology.fft_size


def _require(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"channel {name} is {value:g} {unit}, choose {low:g} to {high:g}")


@dataclass(frozen=True)
class Interferer:
    """Bursts of white Gaussian noise on top of the receiver's.

    Attributes:
        power_db: of each receive antenna's, relative to a frame of unit gain.
        start_s: of the first burst, from where the channel starts.
        length_s: of each burst.
        period_s: from one burst's start to the next's; 0 for a single burst.

    Raises:
        ValueError: a value out of range, or bursts that overlap.
    """

    power_db: float
    start_s: float = 0.0
    length_s: float = 1e-3
    period_s: float = 0.0

    def __post_init__(self) -> None:
        _require("interferer power", self.power_db, -60, 60, "dB")
        _require("interferer start", self.start_s, 0, 1e6, "s")
        _require("interferer length", self.length_s, 0, 1e6, "s")
        if self.period_s and not self.length_s <= self.period_s < math.inf:
            raise ValueError(
                f"channel interferer period is {self.period_s:g} s, its bursts last "
                f"{self.length_s:g} s: choose a period no shorter, or 0 for a single burst"
            )

    def active(self, position: NDArray[np.integer], sample_rate: float) -> BoolArray:
        """Which of the receiver's samples it hits."""
        within = position - round(self.start_s * sample_rate)
        if self.period_s:
            within = np.where(within < 0, -1, within % round(self.period_s * sample_rate))
        return (within >= 0) & (within < round(self.length_s * sample_rate))


@dataclass(frozen=True)
class Gaps:
    """Samples that the receiver's host did not take in time.

    The stream goes on without them, as a driver's does after an overflow: all that follows comes
    too early by the length of the gap. (A driver that puts zeros in their place is kinder.)

    Attributes:
        length_s: of each gap.
        rate_hz: mean number of gaps a second that begin at random (a Poisson process).
        starts_s: where further gaps begin, from where the channel starts.

    Raises:
        ValueError: a value out of range.
    """

    length_s: float
    rate_hz: float = 0.0
    starts_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require("gap length", self.length_s, 0, 1e6, "s")
        _require("gap rate", self.rate_hz, 0, 1e6, "Hz")
        for start in self.starts_s:
            _require("gap start", start, 0, 1e6, "s")


@dataclass(frozen=True)
class Impairments:
    """Of both radios.

    Attributes:
        saturation_db: the transmitter's amplifier limits the magnitude of the samples to this
            much above the RMS magnitude of a frame; None for no limit.
        iq_gain_db: gain of the receiver's quadrature branch over that of its in-phase branch.
        iq_phase_deg: by which its branches are off a right angle.
        dc_db: power of the receiver's DC offset relative to a frame of unit gain (dBc); None for
            no offset.
        interferer: bursts of interference at the receiver.
        gaps: samples that the receiver misses.

    Raises:
        ValueError: a value out of range.
    """

    saturation_db: float | None = None
    iq_gain_db: float = 0.0
    iq_phase_deg: float = 0.0
    dc_db: float | None = None
    interferer: Interferer | None = None
    gaps: Gaps | None = None

    def __post_init__(self) -> None:
        if self.saturation_db is not None:
            _require("saturation", self.saturation_db, -10, 60, "dB")
        _require("iq_gain_db", self.iq_gain_db, -20, 20, "dB")
        _require("iq_phase_deg", self.iq_phase_deg, -45, 45, "degrees")
        if self.dc_db is not None:
            _require("dc_db", self.dc_db, -100, 40, "dB")


def clip(samples: ComplexArray, limit_db: float, numerology: Numerology) -> ComplexArray:
    """Limit the magnitude, keep the phase: an ideal limiter.

    Args:
        samples: of any shape.
        limit_db: largest magnitude above the RMS magnitude of a frame of unit gain, in dB.
        numerology: of the frame.
    """
    largest = math.sqrt(frame_power(numerology) * 10 ** (limit_db / 10))
    excess = np.maximum(np.abs(samples) / np.float32(largest), np.float32(1))
    return np.asarray(samples / excess, np.complex64)


def unbalance(samples: ComplexArray, gain_db: float, phase_deg: float) -> ComplexArray:
    """IQ imbalance of a receiver: ``K1 x + K2 x*``.

    ``K1 = (1 + g exp(-j phi)) / 2`` and ``K2 = (1 - g exp(j phi)) / 2``: Valkama, Renfors,
    Koivunen, "Advanced methods for I/Q imbalance compensation in communication receivers", IEEE
    Trans. Signal Processing 49(10), 2001.
    """
    branch = 10 ** (gain_db / 20) * np.exp(1j * math.radians(phase_deg))
    straight, image = (1 + branch.conjugate()) / 2, (1 - branch) / 2
    return np.asarray(straight * samples + image * samples.conj(), np.complex64)


class GapMask:
    """Which samples a receiver with gaps keeps; asked in the order of the stream.

    Args:
        gaps: what it misses.
        sample_rate: in samples per second.
        generator: of the places of random gaps.
    """

    def __init__(self, gaps: Gaps, sample_rate: float, generator: np.random.Generator) -> None:
        self._length = round(gaps.length_s * sample_rate)
        self._mean = sample_rate / gaps.rate_hz if gaps.rate_hz else math.inf
        self._generator = generator
        self._given = sorted(round(start * sample_rate) for start in gaps.starts_s)
        self._begun: list[int] = []  # gaps that reach into what is asked next
        self._next_random = self._draw(0)

    def _draw(self, end: int) -> float:
        return end + self._generator.exponential(self._mean) if self._mean < math.inf else math.inf

    def keep(self, start: int, count: int) -> BoolArray:
        """Which of the samples ``start`` to ``start + count`` are kept."""
        stop = start + count
        while self._given and self._given[0] < stop:
            self._begun.append(self._given.pop(0))
        while self._next_random < stop:
            self._begun.append(int(self._next_random))
            self._next_random = self._draw(self._begun[-1] + self._length)
        kept = np.ones(count, bool)
        for begin in self._begun:
            kept[max(begin - start, 0) : max(begin + self._length - start, 0)] = False
        self._begun = [begin for begin in self._begun if begin + self._length > stop]
        return kept
