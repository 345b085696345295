# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel for sample streams: clock, echoes, carrier offset, noise.

The order is that of the physics, with everything that the two ends disagree about put into the
receiver: echoes, delay and the receiver's sampling clock, its oscillator, its noise, and when it
starts to listen. Whatever the stream's pieces, the result is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.resampler import Resampler
from semcom_phy.sample_buffer import SampleBuffer


@dataclass(frozen=True)
class ChannelTap:
    """One echo.

    Attributes:
        delay: in samples, at least 0, fractions allowed.
        gain: complex gain ``[rx][tx]``, or one number where both ends have one antenna.
    """

    delay: float
    gain: complex | tuple[tuple[complex, ...], ...] = 1.0


@dataclass(frozen=True)
class ChannelConfig:
    """What the channel does.

    Attributes:
        snr_db: Es/N0 of subcarriers that a transmit antenna sends with unit power over a path of
            unit gain: the noise has variance ``10^(-snr_db/10)`` per complex sample and receive
            antenna, whatever the taps. None for no noise.
        cfo_hz: carrier frequency of the receiver's input above its own.
        phase: of the carrier at the first sample, in rad.
        delay: in samples, at least 0, fractions allowed.
        sco_ppm: by how much the receiver's sampling interval is too long, in parts per
            million, within +-1000.
        taps: echoes; empty for one at no delay, from each antenna to its like.
        start_sample: the receiver misses this many samples at first.
        stop_sample: the receiver hears no sample from this one on (counted like
            ``start_sample``); None for never.

    Raises:
        ValueError: a value that makes no sense; the message says which.
    """

    snr_db: float | None = None
    cfo_hz: float = 0.0
    phase: float = 0.0
    delay: float = 0.0
    sco_ppm: float = 0.0
    taps: tuple[ChannelTap, ...] = ()
    start_sample: int = 0
    stop_sample: int | None = None

    def __post_init__(self) -> None:
        for name in ("snr_db", "cfo_hz", "phase", "delay", "sco_ppm"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"channel {name} is {value}, it must be a finite number")
        if self.snr_db is not None and not -60 <= self.snr_db <= 200:
            raise ValueError(f"channel snr_db is {self.snr_db}, choose -60 to 200")
        if self.delay < 0:
            raise ValueError(f"channel delay is {self.delay} samples, it cannot be negative")
        if abs(self.sco_ppm) > 1000:
            raise ValueError(f"channel sco_ppm is {self.sco_ppm}, choose -1000 to 1000")
        if any(not (math.isfinite(tap.delay) and tap.delay >= 0) for tap in self.taps):
            raise ValueError("the delays of channel taps must be finite and not negative")
        if self.start_sample < 0:
            raise ValueError(f"channel start_sample is {self.start_sample}, it must not be < 0")
        if self.stop_sample is not None and self.stop_sample < self.start_sample:
            raise ValueError("channel stop_sample lies before start_sample")


class SampleChannel:
    """Takes samples as transmitted, gives samples as received.

    Args:
        config: what it does.
        numerology: sample rate and antennas.
        seed: of the noise, which is drawn afresh for every sample; several numbers make one
            seed together.

    Raises:
        ValueError: taps of other numbers of antennas, or a carrier offset beyond half the
            sample rate.
    """

    def __init__(
        self, config: ChannelConfig, numerology: Numerology, seed: int | Sequence[int] = 0
    ) -> None:
        if abs(config.cfo_hz) > numerology.sample_rate / 2:
            raise ValueError(
                f"carrier offset of {config.cfo_hz} Hz does not fit a sample rate of "
                f"{numerology.sample_rate}"
            )
        self.config = config
        self._rx, self._tx = numerology.rx_antennas, numerology.tx_antennas
        self._turns = config.cfo_hz / numerology.sample_rate
        self._noise_scale = (
            None if config.snr_db is None else math.sqrt(0.5 * 10 ** (-config.snr_db / 10))
        )
        self._generator = np.random.default_rng(seed)
        taps = config.taps or (ChannelTap(0.0, _straight_gain(self._rx, self._tx)),)
        # One resampler a tap: its delay, and the receiver's clock.
        self._paths = [
            (
                _gain_matrix(tap.gain, self._rx, self._tx),
                Resampler(self._tx, tap.delay + config.delay, 1 + config.sco_ppm * 1e-6),
                SampleBuffer(self._tx),
            )
            for tap in taps
        ]
        self._position = 0  # of the next sample on the receiver's clock

    def process(self, samples: ComplexArray) -> ComplexArray:
        """Pass a piece of the stream.

        Args:
            samples: ``[tx, n]``.

        Returns:
            ``[rx, m]``, all that no later input can change; ``m`` lags by some 20 samples.

        Raises:
            ValueError: another number of antennas.
        """
        samples = np.asarray(samples, dtype=np.complex64)
        if samples.ndim != 2 or samples.shape[0] != self._tx:
            raise ValueError(f"samples have shape {samples.shape}, [{self._tx}, n] is expected")
        for _, resampler, pending in self._paths:
            pending.append(resampler.process(samples))
        return self._emit(min(pending.end for _, _, pending in self._paths))

    def flush(self) -> ComplexArray:
        """The stream ends: the rest ``[rx, m]``, until the last echo has died away."""
        for _, resampler, pending in self._paths:
            pending.append(resampler.flush())
        return self._emit(max(pending.end for _, _, pending in self._paths))

    def _emit(self, stop: int) -> ComplexArray:
        """Everything up to sample ``stop`` of the receiver's clock."""
        start, count = self._position, max(stop - self._position, 0)
        out = np.zeros((self._rx, count), np.complex64)
        for gain, _, pending in self._paths:
            out += gain @ pending.view(start, start + count)
            pending.discard(start + count)
        self._position = start + count
        if self._turns or self.config.phase:
            angle = (self._turns * np.arange(start, start + count)) % 1.0
            out *= np.exp(1j * (2 * np.pi * angle + self.config.phase)).astype(np.complex64)
        if self._noise_scale is not None:
            # [sample, antenna, part]: in the order of the stream, whatever its pieces.
            shape = (count, self._rx, 2)
            noise = self._generator.standard_normal(shape, np.float32) * self._noise_scale
            out += noise.astype(np.float32).view(np.complex64)[..., 0].T
        heard = self.config.stop_sample
        low = max(self.config.start_sample - start, 0)
        high = count if heard is None else min(max(heard - start, 0), count)
        return out[:, low : max(low, high)]


def _straight_gain(rx: int, tx: int) -> tuple[tuple[complex, ...], ...]:
    """Antenna to like antenna; where one end has more, all of its antennas share."""
    if rx == tx:
        return tuple(tuple(complex(i == j) for j in range(tx)) for i in range(rx))
    return tuple(tuple(1.0 + 0j for _ in range(tx)) for _ in range(rx))


def _gain_matrix(gain: complex | tuple[tuple[complex, ...], ...], rx: int, tx: int) -> ComplexArray:
    matrix = np.atleast_2d(np.asarray(gain, dtype=np.complex64))
    if matrix.shape != (rx, tx):
        raise ValueError(
            f"a channel tap has gains for {matrix.shape[0]} receive and {matrix.shape[1]} "
            f"transmit antennas, the link has {rx} and {tx}"
        )
    if not np.isfinite(matrix).all():
        raise ValueError("the gains of channel taps must be finite numbers")
    return matrix
