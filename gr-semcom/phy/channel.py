# SPDX-License-Identifier: GPL-3.0-or-later
"""A channel for sample streams: echoes, clock, carrier offset, noise, and imperfect radios.

The order is that of the physics, with everything that the two ends disagree about put into the
receiver:

1. the transmitter's amplifier: saturation;
2. the air: echoes, fading, delay; the interferer comes in at the receiver's antennas;
3. the receiver: its sampling clock, its oscillator, its noise, IQ imbalance and DC offset of its
   mixer, samples that its host misses, and when it starts and stops to listen.

Whatever the stream's pieces, the result is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from semcom_phy.echo_filter import EchoFilter
from semcom_phy.exchange import BoolArray, ComplexArray
from semcom_phy.impairments import GapMask, Impairments, clip, frame_power, unbalance
from semcom_phy.numerology import Numerology
from semcom_phy.resampler import Resampler
from semcom_phy.tap_process import ConstantTaps, Multipath, TapProcess


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
            antenna, whatever the taps. A fading channel has unit mean gain: single realisations
            are better or worse. None for no noise.
        cfo_hz: carrier frequency of the receiver's input above its own.
        phase: of the carrier at the first sample, in rad.
        delay: in samples, at least 0, fractions allowed.
        sco_ppm: by how much the receiver's sampling interval is too long, in parts per
            million, within +-1000.
        taps: echoes that stay as they are; empty for one at no delay, from each antenna to its
            like.
        multipath: a fading channel or a trace instead of ``taps``; None for none.
        impairments: of both radios.
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
    multipath: Multipath | None = None
    impairments: Impairments = field(default_factory=Impairments)
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
        if self.taps and self.multipath is not None:
            raise ValueError("channel taps and multipath exclude each other: give one of them")
        if self.start_sample < 0:
            raise ValueError(f"channel start_sample is {self.start_sample}, it must not be < 0")
        if self.stop_sample is not None and self.stop_sample < self.start_sample:
            raise ValueError("channel stop_sample lies before start_sample")


class SampleChannel:
    """Takes samples as transmitted, gives samples as received.

    Args:
        config: what it does.
        numerology: sample rate and antennas.
        seed: of all that is drawn; the noise is drawn afresh for every sample. Several numbers
            make one seed together.

    Raises:
        ValueError: taps or a trace of other numbers of antennas, echoes that last too long, or a
            carrier offset beyond half the sample rate.
    """

    def __init__(
        self, config: ChannelConfig, numerology: Numerology, seed: int | Sequence[int] = 0
    ) -> None:
        require_carrier_offset(config.cfo_hz, numerology)
        self.config, self._numerology = config, numerology
        self.set_snr_db(config.snr_db)
        self._rx, self._tx = numerology.rx_antennas, numerology.tx_antennas
        self._turns, self._phase = config.cfo_hz / numerology.sample_rate, config.phase
        sequence = np.random.SeedSequence(seed)
        self._noise = np.random.default_rng(sequence)
        # The first child is the fading's, see realise().
        _, interference, gaps = map(np.random.default_rng, sequence.spawn(3))
        self._interference = interference
        taps = realise(config, numerology, seed)
        self._echoes = EchoFilter(taps, numerology.sample_rate, self._tx) if taps else None
        self._clock = Resampler(self._rx, config.delay, 1 + config.sco_ppm * 1e-6)
        losses = config.impairments.gaps
        self._gaps = None if losses is None else GapMask(losses, numerology.sample_rate, gaps)
        self._position = 0  # of the next sample on the receiver's clock

    def set_snr_db(self, snr_db: float | None) -> None:
        """Choose the noise of the samples that come out from now on, as in the configuration."""
        self._noise_scale = None if snr_db is None else math.sqrt(0.5 * 10 ** (-snr_db / 10))

    def set_cfo_hz(self, cfo_hz: float) -> None:
        """Choose the carrier offset of the samples that come out from now on.

        The phase goes on from where it is.

        Raises:
            ValueError: an offset beyond half the sample rate.
        """
        require_carrier_offset(cfo_hz, self._numerology)
        turns = cfo_hz / self._numerology.sample_rate
        self._phase += 2 * math.pi * (((self._turns - turns) * self._position) % 1.0)
        self._turns = turns

    def process(self, samples: ComplexArray) -> ComplexArray:
        """Pass a piece of the stream.

        Args:
            samples: ``[tx, n]``.

        Returns:
            ``[rx, m]``, all that no later input can change; ``m`` lags by some 20 to 50 samples.

        Raises:
            ValueError: another number of antennas.
        """
        samples = np.asarray(samples, dtype=np.complex64)
        if samples.ndim != 2 or samples.shape[0] != self._tx:
            raise ValueError(f"samples have shape {samples.shape}, [{self._tx}, n] is expected")
        impairments = self.config.impairments
        if impairments.saturation_db is not None:
            samples = clip(samples, impairments.saturation_db, self._numerology)
        if self._echoes is not None:
            samples = self._echoes.process(samples)
        return self._receive(self._clock.process(samples))

    def flush(self) -> ComplexArray:
        """The stream ends: the rest ``[rx, m]``, until the last echo has died away."""
        rest = self._clock.process(self._echoes.flush()) if self._echoes is not None else None
        pieces = [] if rest is None else [rest]
        return self._receive(np.concatenate([*pieces, self._clock.flush()], axis=1))

    def _receive(self, samples: ComplexArray) -> ComplexArray:
        """What the receiver makes of the next samples ``[rx, n]`` on its clock."""
        position = self._position + np.arange(samples.shape[1])
        self._position += samples.shape[1]
        samples = self._with_interference(samples, position)
        if self._turns or self._phase:
            angle = (self._turns * position) % 1.0
            turn = np.exp(1j * (2 * np.pi * angle + self._phase))
            samples = samples * turn.astype(np.complex64)
        if self._noise_scale is not None:
            noise = _gaussian(self._noise, (self._rx, position.size), self._noise_scale)
            samples = samples + noise
        impairments = self.config.impairments
        if impairments.iq_gain_db or impairments.iq_phase_deg:
            samples = unbalance(samples, impairments.iq_gain_db, impairments.iq_phase_deg)
        if impairments.dc_db is not None:
            power = frame_power(self._numerology) * 10 ** (impairments.dc_db / 10)
            samples = samples + np.complex64(math.sqrt(power))
        return samples[:, self._heard(position)]

    def _with_interference(
        self, samples: ComplexArray, position: NDArray[np.int64]
    ) -> ComplexArray:
        interferer = self.config.impairments.interferer
        if interferer is None:
            return samples
        hit = np.flatnonzero(interferer.active(position, self._numerology.sample_rate))
        power = frame_power(self._numerology) * 10 ** (interferer.power_db / 10)
        samples = samples.copy()
        shape = (self._rx, hit.size)
        samples[:, hit] += _gaussian(self._interference, shape, math.sqrt(power / 2))
        return samples

    def _heard(self, position: NDArray[np.int64]) -> BoolArray:
        """Which of the receiver's samples its host gets."""
        stop = self.config.stop_sample
        heard: BoolArray = position >= self.config.start_sample
        if stop is not None:
            heard &= position < stop
        if self._gaps is not None and position.size:
            heard &= self._gaps.keep(int(position[0]), position.size)
        return heard


def require_carrier_offset(cfo_hz: float, numerology: Numerology) -> None:
    """Check that a carrier offset can be told from its aliases.

    Raises:
        ValueError: it lies beyond half the sample rate.
    """
    if not abs(cfo_hz) <= numerology.sample_rate / 2:
        raise ValueError(
            f"carrier offset of {cfo_hz} Hz does not fit a sample rate of {numerology.sample_rate}"
        )


def _gaussian(generator: np.random.Generator, shape: tuple[int, int], scale: float) -> ComplexArray:
    """Noise ``[antennas, n]`` whose parts have standard deviation ``scale``."""
    # [sample, antenna, part]: in the order of the stream, whatever its pieces.
    drawn = generator.standard_normal((*shape[::-1], 2), np.float32) * scale
    return drawn.astype(np.float32).view(np.complex64)[..., 0].T


def realise(
    config: ChannelConfig, numerology: Numerology, seed: int | Sequence[int]
) -> TapProcess | None:
    """The taps of a :class:`SampleChannel` of the same arguments.

    Returns:
        The taps; None where the samples go straight through.

    Raises:
        ValueError: taps or a trace of other numbers of antennas.
    """
    rx, tx = numerology.rx_antennas, numerology.tx_antennas
    if config.multipath is not None:
        (fading,) = np.random.SeedSequence(seed).spawn(1)
        return config.multipath.realise(rx, tx, np.random.default_rng(fading))
    if not config.taps and rx == tx:
        return None
    taps = config.taps or (ChannelTap(0.0, _sharing_gain(rx, tx)),)
    delays = np.array([tap.delay for tap in taps]) / numerology.sample_rate
    return ConstantTaps(delays, np.stack([_gain_matrix(tap.gain, rx, tx) for tap in taps]))


def _sharing_gain(rx: int, tx: int) -> tuple[tuple[complex, ...], ...]:
    """Of links of which one end has more antennas: all of them share."""
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
