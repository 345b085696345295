# SPDX-License-Identifier: GPL-3.0-or-later
"""A device on the bench: what calibration asks of a radio, without a flowgraph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gnuradio.semcom.radios.base import RadioConfig
from gnuradio.semcom.radios.corrections import Corrections

from semcom_phy.exchange import ComplexArray


@dataclass(frozen=True)
class GainRange:
    """Gains that a device can be set to, in dB."""

    low: float
    high: float
    step: float


@runtime_checkable
class Bench(AbstractContextManager["Bench"], Protocol):
    """A device that plays and captures short pieces; leaving its context turns it off.

    Samples are complex64 of full scale 1 in either part, ``[antennas, samples]``.

    Attributes:
        radio: name of the radio, as in ``--radio``.
        model: of the device, as it says itself.
        serial: of the device.
        rate_hz: samples a second, as read back.
        tx_antennas, rx_antennas: that are used.
        gain_tx, gain_rx: ranges.
    """

    radio: str
    model: str
    serial: str
    rate_hz: float
    tx_antennas: int
    rx_antennas: int
    gain_tx: GainRange
    gain_rx: GainRange

    @property
    def freq_hz(self) -> float:
        """Carrier of transmitter and receiver, as read back."""
        ...

    def set_freq_hz(self, tx_hz: float, rx_hz: float) -> None:
        """Tune both ends."""
        ...

    def set_gain_tx_db(self, gain_db: float) -> float:
        """Gain of all transmit antennas; what was read back."""
        ...

    def set_gain_rx_db(self, gain_db: float) -> float:
        """Gain of all receive antennas; what was read back."""
        ...

    def temperature_c(self) -> float | None:
        """Of the device, where it has a sensor."""
        ...

    def capture(self, samples: int) -> ComplexArray:
        """What is heard while nothing is sent, settled after the last change of a setting."""
        ...

    def exchange(self, sent: ComplexArray, samples: int) -> ComplexArray:
        """Send ``sent`` once and capture ``samples`` from when its first sample is sent.

        Where the device cannot time both ends, sent samples may begin anywhere within
        ``samples``.
        """
        ...


OpenBench = Callable[[RadioConfig, float, int, int, Corrections], Bench]
"""``open_bench(config, rate_hz, tx_antennas, rx_antennas, corrections)`` of a driver's ``*_bench``
module; of the corrections only the limits count."""
