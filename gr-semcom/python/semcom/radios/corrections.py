# SPDX-License-Identifier: GPL-3.0-or-later
"""What calibration found of a device, as its driver and its link apply it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Corrections:
    """Of one device, at one frequency and rate.

    Attributes:
        carrier_hz: what the driver adds to the receiver's frequency to hear the transmitter at
            zero offset.
        dc: offset of each receive antenna's samples, which the link subtracts; empty for none.
        image: of each receive antenna, ``c`` of the image that the link removes, ``x - c x*``;
            empty for none.
        highest_gain_tx_db: of the transmitter, in the profile's wiring; None for no limit.
        lowest_freq_hz, highest_freq_hz: that may be radiated; None for no limit.
    """

    carrier_hz: float = 0.0
    dc: tuple[complex, ...] = ()
    image: tuple[complex, ...] = ()
    highest_gain_tx_db: float | None = None
    lowest_freq_hz: float | None = None
    highest_freq_hz: float | None = None
