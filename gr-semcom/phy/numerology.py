# SPDX-License-Identifier: GPL-3.0-or-later
"""Numerology of the burst OFDM waveform: every number that both ends must share.

A frame is a run of equal OFDM symbols followed by a guard of silence::

    | training x T | header x H | payload x P | guard |

All training symbols carry one sequence, with signs that only the detector needs. On several
transmit antennas, training, header and pilots are sent from all of them with a cyclic delay of
``fft_size / tx_antennas`` samples from one to the next (cyclic delay diversity), so that the
channels of the antennas lie side by side in the delay domain and are estimated together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from semcom_phy.header import HEADER_SYMBOLS


def evenly_spaced_pilots(half_width: int, count: int) -> tuple[int, ...]:
    """Spread ``count`` pilots evenly and symmetrically over carriers +-1..+-``half_width``.

    Raises:
        ValueError: ``count`` is odd, or not 2 to ``2 half_width``.
    """
    if count % 2 or not 2 <= count <= 2 * half_width:
        raise ValueError(
            f"{count} pilots cannot be spread evenly over {half_width} carriers on either side: "
            f"choose an even number from 2 to {2 * half_width}"
        )
    side = count // 2
    step = half_width / side
    positive = [round(step * (i + 0.5) + 0.5) for i in range(side)]
    return tuple(-k for k in reversed(positive)) + tuple(positive)


_CARRIERS_PER_ANTENNA = 16
"""With fewer, preambles are found where there are none, and antennas are not told apart."""


@dataclass(frozen=True)
class Numerology:
    """Parameters of the waveform.

    Attributes:
        name: for reports and messages.
        fft_size: subcarriers of the transform.
        cyclic_prefix: samples; echoes up to seven eighths of it, of a short one three quarters,
            cause no interference.
        half_width: carriers ``-half_width..-1`` and ``1..half_width`` are active.
        pilot_carriers: the active carriers, ascending, that carry pilots in header and payload.
        sample_rate: samples per second.
        tx_antennas, rx_antennas: of the link.
        fragment_symbols: payload OFDM symbols that a frame has at most.
        training_symbols: OFDM symbols of the preamble, odd, at least 3.
        max_cfo_hz: carrier offset, either way, that the receiver searches.
        guard_samples: silence after the frame.
        spreading: of payload symbols over the data carriers of an OFDM symbol: ``none``, or
            ``dft``, see :mod:`semcom_phy.spreading`.

    Raises:
        ValueError: an impossible combination; the message says which.
    """

    name: str = "custom"
    fft_size: int = 128
    cyclic_prefix: int = 16
    half_width: int = 50
    pilot_carriers: tuple[int, ...] = evenly_spaced_pilots(50, 8)
    sample_rate: float = 1e6
    tx_antennas: int = 1
    rx_antennas: int = 1
    fragment_symbols: int = 128
    training_symbols: int = 7
    max_cfo_hz: float = 110e3
    guard_samples: int = 144
    spreading: str = "none"

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ValueError(f"numerology {self.name!r}: {problem}")

    def __hash__(self) -> int:
        # Tables are looked up by numerology many times a frame.
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in fields(self)))

    def _problem(self) -> str | None:
        """Say what is wrong with the parameters, or None."""
        pilots = self.pilot_carriers
        if self.fft_size < 32 or self.fft_size > 8192:
            return f"fft_size is {self.fft_size}, choose 32 to 8192"
        if self.tx_antennas not in (1, 2) or self.rx_antennas not in (1, 2):
            return (
                f"{self.tx_antennas} transmit and {self.rx_antennas} receive antennas asked, "
                "1 or 2 are supported"
            )
        fewest = _CARRIERS_PER_ANTENNA // 2 * self.tx_antennas
        if not fewest <= self.half_width < self.fft_size // 2:
            return (
                f"half_width is {self.half_width}, choose {fewest // self.tx_antennas} tx_antennas "
                f"= {fewest} to fft_size/2 - 1 = {self.fft_size // 2 - 1}"
            )
        if self.cyclic_prefix < 4 or self.cyclic_prefix * 2 * self.tx_antennas > self.fft_size:
            return (
                f"cyclic_prefix is {self.cyclic_prefix}, choose 4 to fft_size / (2 tx_antennas)"
                f" = {self.fft_size // (2 * self.tx_antennas)}"
            )
        if list(pilots) != sorted(set(pilots)) or len(pilots) < 2:
            return "pilot_carriers must be at least two distinct carriers in ascending order"
        if 0 in pilots or max(map(abs, pilots)) > self.half_width:
            return "pilot_carriers must be active carriers"
        if min(pilots) > 0 or max(pilots) < 0:
            return "pilot_carriers must lie on both sides of the carrier"
        if len(pilots) >= 2 * self.half_width:
            return "every active carrier is a pilot: no carrier is left for data"
        if not (math.isfinite(self.sample_rate) and self.sample_rate > 0):
            return f"sample_rate is {self.sample_rate}, it must be positive"
        if not 1 <= self.fragment_symbols <= 4096:
            return f"fragment_symbols is {self.fragment_symbols}, choose 1 to 4096"
        if self.training_symbols not in (3, 5, 7, 9, 11):
            return f"training_symbols is {self.training_symbols}, choose 3, 5, 7, 9 or 11"
        if not 0 <= self.max_cfo_hz <= self.sample_rate / 4:
            return f"max_cfo_hz is {self.max_cfo_hz}, choose 0 to a quarter of the sample rate"
        if self.guard_samples < 0:
            return f"guard_samples is {self.guard_samples}, it cannot be negative"
        if self.spreading not in ("none", "dft"):
            return f"spreading is {self.spreading!r}, choose none or dft"
        return None

    @cached_property
    def active_carriers(self) -> tuple[int, ...]:
        """Active carriers, ascending, negative frequencies first, without the carrier 0."""
        width = self.half_width
        return tuple(range(-width, 0)) + tuple(range(1, width + 1))

    @cached_property
    def data_carriers(self) -> tuple[int, ...]:
        """Active carriers, ascending, that carry header and payload symbols."""
        pilots = set(self.pilot_carriers)
        return tuple(k for k in self.active_carriers if k not in pilots)

    @cached_property
    def data_rows(self) -> NDArray[np.intp]:
        """Positions of the data carriers among the active carriers."""
        return np.flatnonzero(~np.isin(self.active_carriers, self.pilot_carriers))

    @cached_property
    def pilot_rows(self) -> NDArray[np.intp]:
        """Positions of the pilot carriers among the active carriers."""
        return np.flatnonzero(np.isin(self.active_carriers, self.pilot_carriers))

    @cached_property
    def fft_bins(self) -> NDArray[np.intp]:
        """Bins of the transform that the active carriers occupy."""
        return np.asarray(self.active_carriers, dtype=np.intp) % self.fft_size

    @property
    def data_carriers_per_symbol(self) -> int:
        """Payload symbols per stream that an OFDM symbol carries."""
        return 2 * self.half_width - len(self.pilot_carriers)

    @property
    def fragment_capacity(self) -> int:
        """Payload symbols per stream that a frame carries at most."""
        return self.fragment_symbols * self.data_carriers_per_symbol

    @property
    def samples_per_symbol(self) -> int:
        """Samples of an OFDM symbol, cyclic prefix included."""
        return self.fft_size + self.cyclic_prefix

    @property
    def header_ofdm_symbols(self) -> int:
        """OFDM symbols that the coded header takes."""
        return -(-HEADER_SYMBOLS // self.data_carriers_per_symbol)

    @property
    def training_samples(self) -> int:
        """Samples of the preamble."""
        return self.training_symbols * self.samples_per_symbol

    @property
    def subcarrier_spacing_hz(self) -> float:
        """Distance of neighbouring carriers."""
        return self.sample_rate / self.fft_size

    def at_rate(self, sample_rate: float) -> Numerology:
        """The same waveform at another sample rate: as many samples, so wider or narrower.

        Args:
            sample_rate: samples per second; the carrier offset that is searched goes with it.

        Raises:
            ValueError: a rate that is not positive.
        """
        ratio = sample_rate / self.sample_rate
        return replace(self, sample_rate=sample_rate, max_cfo_hz=self.max_cfo_hz * ratio)

    def payload_ofdm_symbols(self, payload_symbols: int) -> int:
        """OFDM symbols that ``payload_symbols`` per stream take.

        Raises:
            ValueError: more than a frame carries, or less than one.
        """
        if not 1 <= payload_symbols <= self.fragment_capacity:
            raise ValueError(
                f"a frame carries 1 to {self.fragment_capacity} payload symbols per stream, "
                f"not {payload_symbols}: cut the picture into more fragments"
            )
        return -(-payload_symbols // self.data_carriers_per_symbol)

    def frame_samples(self, payload_symbols: int) -> int:
        """Samples of a frame of ``payload_symbols`` per stream, guard included.

        Raises:
            ValueError: more than a frame carries, or less than one.
        """
        symbols = (
            self.training_symbols
            + self.header_ofdm_symbols
            + self.payload_ofdm_symbols(payload_symbols)
        )
        return symbols * self.samples_per_symbol + self.guard_samples


NARROW = Numerology(name="narrow")
"""1 MS/s, 100 carriers of 7.8 kHz, 22 ms a full frame; +-110 kHz offset stays in the band."""

WIDE = Numerology(
    name="wide",
    fft_size=256,
    cyclic_prefix=64,
    half_width=100,
    pilot_carriers=evenly_spaced_pilots(100, 32),
    sample_rate=20e6,
    fragment_symbols=128,
    max_cfo_hz=550e3,
    guard_samples=320,
)
"""20 MS/s, 200 carriers of 78 kHz, 2.3 ms a full frame; echoes to 2.8 us, +-550 kHz offset."""

PRESETS = {preset.name: preset for preset in (NARROW, WIDE)}
"""By name."""


def preset(name: str) -> Numerology:
    """The preset numerology of that name, ``narrow`` or ``wide``.

    Raises:
        ValueError: no such preset; the message lists them.
    """
    try:
        return PRESETS[name]
    except KeyError:
        known = ", ".join(PRESETS)
        raise ValueError(f"unknown numerology {name!r}, choose one of: {known}") from None
