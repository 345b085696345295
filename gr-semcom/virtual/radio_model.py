# SPDX-License-Identifier: GPL-3.0-or-later
"""What a virtual radio is by design, and what is wrong with the specimen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Range:
    """What a setting can be: ``low, low + step, ..., high``; ``step`` 0 for anything between."""

    low: float
    high: float
    step: float = 0.0

    def clamp(self, value: float) -> float:
        """The nearest value within the range."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class RadioModel:
    """A kind of radio.

    Attributes:
        name: for messages.
        tx_channels, rx_channels: 1 or 2 of each.
        tx_gain_db, rx_gain_db: ranges.
        max_power_dbm: of a transmitter at its highest gain, for samples of magnitude 1.
        full_scale_dbm: at the antenna of a receiver of gain 0 dB, for samples of magnitude 1.
        noise_figure_db: of a receiver, of whatever gain: what its converter adds comes on top.
        converter_bits: of each part of a sample, in both directions; 0 for ideal converters.
    """

    name: str
    tx_channels: int = 1
    rx_channels: int = 1
    tx_gain_db: Range = field(default_factory=lambda: Range(-89.75, 0.0, 0.25))
    rx_gain_db: Range = field(default_factory=lambda: Range(-3.0, 71.0, 1.0))
    max_power_dbm: float = 7.0
    full_scale_dbm: float = 0.0
    noise_figure_db: float = 3.0
    converter_bits: int = 12

    def __post_init__(self) -> None:
        for name in ("tx_channels", "rx_channels"):
            if getattr(self, name) not in (1, 2):
                raise ValueError(f"{name} is {getattr(self, name)}, choose 1 or 2")
        if self.converter_bits != 0 and not 2 <= self.converter_bits <= 16:
            raise ValueError(f"converter_bits is {self.converter_bits}, choose 2 to 16, or 0")


@dataclass(frozen=True)
class Imperfections:
    """Of one radio.

    Attributes:
        ppm: by how much its reference oscillator is too fast: its sampling clock and its carrier
            are, too.
        tx_iq_gain_db, tx_iq_phase_deg: of its transmitters' mixers, as in
            :func:`semcom_phy.impairments.unbalance`.
        rx_iq_gain_db, rx_iq_phase_deg: of its receivers' mixers.
        rx_dc: offset of its receivers' samples, at any gain.
        tx_channel_gain_db, tx_channel_phase_deg: of the second transmitter over the first.
        rx_channel_gain_db, rx_channel_phase_deg: of the second receiver over the first.

    Raises:
        ValueError: a value out of range.
    """

    ppm: float = 0.0
    tx_iq_gain_db: float = 0.0
    tx_iq_phase_deg: float = 0.0
    rx_iq_gain_db: float = 0.0
    rx_iq_phase_deg: float = 0.0
    rx_dc: complex = 0j
    tx_channel_gain_db: float = 0.0
    tx_channel_phase_deg: float = 0.0
    rx_channel_gain_db: float = 0.0
    rx_channel_phase_deg: float = 0.0

    def __post_init__(self) -> None:
        limits = {"ppm": 200.0, "gain_db": 20.0, "iq_phase_deg": 45.0, "channel_phase_deg": 360.0}
        for name, value in vars(self).items():
            if name == "rx_dc":
                continue
            limit = next(limit for ending, limit in limits.items() if name.endswith(ending))
            if not abs(value) <= limit:
                raise ValueError(f"{name} is {value:g}, choose {-limit:g} to {limit:g}")
        if not math.hypot(self.rx_dc.real, self.rx_dc.imag) <= 0.5:
            raise ValueError(f"rx_dc is {self.rx_dc}, choose a magnitude up to 0.5")
