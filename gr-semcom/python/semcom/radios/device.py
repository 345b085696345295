# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every radio that is a device, and leave to transmit."""

from __future__ import annotations

from typing import Annotated

from gnuradio.semcom.radios.base import RadioConfig, RadioConfigError
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import Field

Finite = Annotated[float, Field(allow_inf_nan=False)]

LEAST_ATTENUATION_DB = 30.0
"""Between a transmitter and a receiver on a cable: less may destroy the receiver."""


class DeviceConfig(RadioConfig):
    """Options of a device; a driver adds its own and narrows these to its limits."""

    freq_hz: Annotated[Finite, Field(gt=0)] = Field(
        2.45e9, description="carrier frequency in Hz, of transmitter and receiver"
    )
    gain_tx_db: Finite | None = Field(
        None,
        description="transmit gain in dB; default: what the device's calibration profile has for "
        "--snr, else a low one",
    )
    gain_rx_db: Finite | None = Field(
        None,
        description="receive gain in dB; default: the calibration profile's, else a middle one",
    )
    backoff_db: Annotated[Finite, Field(ge=0, le=40)] = Field(
        12.0, description="by how much a frame's RMS is below the converter's full scale, in dB"
    )
    i_have_a_licence: bool = Field(
        False, description="you may transmit at this frequency and power from an antenna"
    )
    cabled_db: Annotated[Finite, Field(ge=0, le=200)] | None = Field(
        None,
        description="attenuation in dB of the cable that joins transmitter and receiver, in place "
        "of antennas; at least 30",
    )


def require_leave_to_transmit(
    name: str, config: DeviceConfig, gain_tx_db: float, corrections: Corrections
) -> None:
    """Check that a device may transmit, before it does.

    Args:
        name: of the radio.
        config: its options.
        gain_tx_db: the gain it would have.
        corrections: with the limits of the device's profile.

    Raises:
        RadioConfigError: nobody said that it may, or it would exceed a limit.
    """
    freq_mhz = config.freq_hz / 1e6
    if config.cabled_db is not None and config.cabled_db < LEAST_ATTENUATION_DB:
        raise RadioConfigError(
            f"radio '{name}': --cabled {config.cabled_db:g}: a cable with less than "
            f"{LEAST_ATTENUATION_DB:g} dB can destroy the receiver: add attenuators"
        )
    if config.cabled_db is None and not config.i_have_a_licence:
        raise RadioConfigError(
            f"radio '{name}' would radiate at {freq_mhz:g} MHz: give --i-have-a-licence if you "
            "may, or --cabled DB if transmitter and receiver are joined by a cable with "
            "attenuators of so many dB"
        )
    low, high = corrections.lowest_freq_hz, corrections.highest_freq_hz
    if (low is not None and config.freq_hz < low) or (high is not None and config.freq_hz > high):
        allowed = " to ".join(
            "any" if edge is None else f"{edge / 1e6:g} MHz" for edge in (low, high)
        )
        raise RadioConfigError(
            f"radio '{name}': {freq_mhz:g} MHz is outside of what the device's profile allows "
            f"({allowed}): choose another --freq, or mend the profile"
        )
    most = corrections.highest_gain_tx_db
    if most is not None and gain_tx_db > most:
        raise RadioConfigError(
            f"radio '{name}': a transmit gain of {gain_tx_db:g} dB exceeds the {most:g} dB that "
            "the device's profile allows: lower --gain-tx, or mend the profile"
        )
