# SPDX-License-Identifier: GPL-3.0-or-later
"""What an AD936x can be set to: of the family before a device is open, of a device after that.

Sources: Analog Devices' data sheets AD9361 Rev. G, AD9363 Rev. D and AD9364 Rev. C, and the
attributes ``..._available`` of the Linux driver ``ad9361``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Values that a setting can have.

    Attributes:
        low, high: both included.
        unit: of messages.
        scale: of what a message prints, in units.
    """

    low: float
    high: float
    unit: str
    scale: float = 1.0

    def problem(self, what: str, value: float) -> str | None:
        """One line on a value that is out of range; None where it is not."""
        if self.low <= value <= self.high:
            return None
        return (
            f"{what} is {value / self.scale:.9g} {self.unit}, choose "
            f"{self.low / self.scale:g} to {self.high / self.scale:g} {self.unit}"
        )

    def as_read(self, text: str) -> Range:
        """This range as a device gives it, ``[low step high]``; itself where it gives none."""
        numbers = re.fullmatch(r"\s*\[(\S+) \S+ (\S+)\]\s*", text)
        if numbers is None:
            return self
        try:
            return Range(float(numbers[1]), float(numbers[2]), self.unit, self.scale)
        except ValueError:
            return self


@dataclass(frozen=True)
class Limits:
    """Of an AD936x.

    Attributes:
        freq_hz: carrier.
        rate_hz: sample rate; below 25 MHz / 12 the chip's FIR filter must decimate.
        bandwidth_hz: of the analogue filters.
        gain_tx_db: attenuation of the transmitter, as a gain.
        gain_rx_db: of the receiver; the table of gains depends on the carrier.
    """

    freq_hz: Range
    rate_hz: Range
    bandwidth_hz: Range
    gain_tx_db: Range
    gain_rx_db: Range


def _limits(freq_mhz: tuple[float, float], bandwidth_mhz: float) -> Limits:
    low, high = freq_mhz
    return Limits(
        Range(low * 1e6, high * 1e6, "MHz", 1e6),
        Range(25e6 / 48, 61.44e6, "MS/s", 1e6),
        Range(200e3, bandwidth_mhz * 1e6, "MHz", 1e6),
        Range(-89.75, 0.0, "dB"),
        Range(-10.0, 73.0, "dB"),
    )


AD9361 = _limits((70, 6000), 56)
"""Also AD9364, and a Pluto whose firmware was told that it has one: the widest of the family."""

AD9363 = _limits((325, 3800), 20)
"""What a Pluto is sold with."""


def chip_limits(chip: str) -> Limits:
    """Limits by the name that a device gives of its chip, such as ``ad9363a``."""
    return AD9363 if chip.lower().startswith("ad9363") else AD9361


def gain_range_rx_db(freq_hz: float) -> Range:
    """Of the receiver's full gain table at a carrier."""
    if freq_hz <= 1.3e9:
        return Range(-1.0, 73.0, "dB")
    if freq_hz <= 4e9:
        return Range(-3.0, 71.0, "dB")
    return Range(-10.0, 62.0, "dB")


def default_buffer_size(rate_hz: float) -> int:
    """Samples of 10 to 20 ms, a power of 2: small delay, and few turns a second."""
    return max(1 << int(rate_hz / 50).bit_length() - 1, 1024)
