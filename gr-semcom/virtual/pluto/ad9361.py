# SPDX-License-Identifier: GPL-3.0-or-later
"""The transceiver of a Pluto: its settings, with the limits of its Linux driver.

Ranges and refusals are those of Analog Devices' driver for the AD9361 family and of the AD9361
reference manual (UG-570): rates, gains over frequency, steps of the synthesisers. What has no
meaning on a simulated channel (calibrations, tracking, analogue filters) is kept and read back.
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass

import numpy as np

from semcom_virtual.air_port import AirPort
from semcom_virtual.front_end import full_scale_dbm
from semcom_virtual.pluto.iio_context import IioError
from semcom_virtual.radio_model import Range

ATTENUATION = Range(-89.75, 0.0, 0.25)
SLOWEST_HZ = 25e6 / 12
"""Sample rate of the slowest converter clock, without the FIR filter's decimation."""

FASTEST_HZ = 61.44e6
GAIN_MODES = ("manual", "fast_attack", "slow_attack", "hybrid")
STATES = ("sleep", "wait", "alert", "fdd", "pinctrl", "pinctrl_fdd_indep")

_REFERENCE_HZ = 80_000_000  # of the synthesisers: the 40 MHz crystal, doubled
_MODULUS = 8_388_593
_LOWEST_VCO_HZ = 6_000_000_000


@dataclass(frozen=True)
class Transceiver:
    """A member of the family.

    Attributes:
        model: as the driver calls it.
        rx_hz, tx_hz: ranges of the carriers.
        rx_bandwidth_hz, tx_bandwidth_hz: ranges of the analogue filters.
    """

    model: str
    rx_hz: tuple[int, int]
    tx_hz: tuple[int, int]
    rx_bandwidth_hz: tuple[int, int]
    tx_bandwidth_hz: tuple[int, int]


AD9363A = Transceiver(
    "ad9363a",
    (325_000_000, 3_800_000_000),
    (325_000_000, 3_800_000_000),
    (200_000, 20_000_000),
    (200_000, 20_000_000),
)
AD9361 = Transceiver(
    "ad9361",
    (70_000_000, 6_000_000_000),
    (46_875_001, 6_000_000_000),
    (200_000, 56_000_000),
    (200_000, 40_000_000),
)


def synthesised_hz(wanted_hz: int) -> float:
    """The carrier that the synthesiser makes: a fraction of its reference, divided."""
    divider = 2
    while wanted_hz * divider < _LOWEST_VCO_HZ:
        divider *= 2
    steps = round(wanted_hz * divider * _MODULUS / _REFERENCE_HZ)
    return steps * _REFERENCE_HZ / _MODULUS / divider


def receive_gain_range(carrier_hz: float) -> Range:
    """Of the gain table for a carrier."""
    if carrier_hz <= 1.3e9:
        return Range(-1.0, 73.0, 1.0)
    if carrier_hz <= 4e9:
        return Range(-3.0, 71.0, 1.0)
    return Range(-10.0, 62.0, 1.0)


def number(text: str) -> float:
    """What the kernel makes of a decimal number, with or without ``dB``.

    Raises:
        IioError: it is none.
    """
    try:
        value = float(text.strip().removesuffix("dB"))
    except ValueError:
        raise IioError(errno.EINVAL) from None
    if not math.isfinite(value):
        raise IioError(errno.EINVAL)
    return value


class Phy:
    """State of the transceiver, and its settings of a port of the air.

    Values are read and written as text, as in sysfs; what is written and not accepted raises
    :class:`semcom_virtual.pluto.iio_context.IioError`.

    Args:
        port: of the air.
        transceiver: which it is.

    Attributes:
        kind: which it is.
        antennas: of the receiver and of the transmitter.
    """

    def __init__(self, port: AirPort, transceiver: Transceiver) -> None:
        self._port, self.kind = port, transceiver
        self.antennas = port.model.rx_channels
        self._fir_taps, self._fir_rate = 0, 1
        self._fir_enabled = False
        self._state = "fdd"
        self._tx_powered_down = False
        self._modes = ["slow_attack"] * self.antennas
        self._rate_hz = 30_720_000
        self._lo_hz = {False: 2_400_000_000.0, True: 2_450_000_000.0}
        port.rate_hz = self._rate_hz
        port.settings.tx_gain_db = [-10.0] * self.antennas
        port.settings.rx_gain_db = [71.0] * self.antennas
        port.settings.rx_automatic = [True] * self.antennas
        self._tune()

    # Rate and filter.

    @property
    def decimation(self) -> int:
        """Of the FIR filter, 1 where it is off."""
        return self._fir_rate if self._fir_enabled else 1

    def read_rate(self) -> str:
        """Samples a second."""
        return str(self._rate_hz)

    def read_rates(self) -> str:
        """That are possible."""
        return f"[{math.ceil(SLOWEST_HZ / self.decimation)} 1 {FASTEST_HZ:.0f}]"

    def write_rate(self, text: str) -> None:
        """Set the rate of both directions."""
        rate_hz = int(number(text))
        if not SLOWEST_HZ / self.decimation <= rate_hz + 1 or rate_hz > FASTEST_HZ:
            raise IioError(errno.EINVAL)
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._port.rate_hz = rate_hz

    def read_fir(self) -> str:
        """Whether the FIR filter is on."""
        return str(int(self._fir_enabled))

    def write_fir(self, text: str) -> None:
        """Turn the FIR filter on or off; the rate must be possible with and without."""
        enabled = text.strip() in ("1", "Y", "y")
        if enabled and not self._fir_taps:
            raise IioError(errno.EINVAL)
        decimation = self._fir_rate if enabled else 1
        if self._rate_hz + 1 < SLOWEST_HZ / decimation:
            raise IioError(errno.EINVAL)
        self._fir_enabled = enabled

    def read_fir_config(self) -> str:
        """Taps and decimation."""
        return f"FIR Rx: {self._fir_taps},{self._fir_rate} Tx: {self._fir_taps},{self._fir_rate}"

    def write_fir_config(self, text: str) -> None:
        """Load a filter; its taps are not applied to the samples."""
        rates = [int(line.split()[-1]) for line in text.splitlines() if line[:2] in ("RX", "TX")]
        taps = sum(1 for line in text.splitlines() if "," in line)
        if not rates or not all(rate in (1, 2, 4) for rate in rates) or not 16 <= taps <= 128:
            raise IioError(errno.EINVAL)
        self._fir_taps, self._fir_rate = taps, rates[0]

    def path_rates(self, stages: tuple[str, ...]) -> str:
        """Clocks from the synthesiser to the samples, as far as the rate decides them."""
        samples = self._rate_hz
        filtered = samples * self.decimation
        converter = filtered
        while converter < 25e6:
            converter *= 2
        rates = (converter * 8, converter, converter, filtered, filtered, samples)
        return " ".join(f"{name}:{rate}" for name, rate in zip(stages, rates, strict=True))

    # Carriers and states.

    def read_lo(self, transmits: bool) -> str:
        """Carrier in Hz."""
        return str(int(self._lo_hz[transmits]))

    def write_lo(self, transmits: bool, text: str) -> None:
        """Tune, as near as the synthesiser gets."""
        wanted = int(number(text))
        low, high = self.kind.tx_hz if transmits else self.kind.rx_hz
        if not low <= wanted <= high:
            raise IioError(errno.EINVAL)
        self._lo_hz[transmits] = synthesised_hz(wanted)
        self._tune()

    def _tune(self) -> None:
        settings = self._port.settings
        settings.rx_freq_hz, settings.tx_freq_hz = self._lo_hz[False], self._lo_hz[True]
        gains = receive_gain_range(settings.rx_freq_hz)
        settings.rx_gain_db = [gains.clamp(gain) for gain in settings.rx_gain_db]
        settings.tx_enabled = self._state == "fdd" and not self._tx_powered_down

    def read_powerdown(self) -> str:
        """Whether the transmitter's synthesiser is off."""
        return str(int(self._tx_powered_down))

    def write_powerdown(self, text: str) -> None:
        """Turn the transmitter's synthesiser off or on."""
        self._tx_powered_down = number(text) != 0
        self._tune()

    def read_state(self) -> str:
        """Of the enable state machine."""
        return self._state

    def write_state(self, text: str) -> None:
        """Enter a state; the transmitter is on in ``fdd`` alone."""
        if text.strip() not in STATES:
            raise IioError(errno.EINVAL)
        self._state = text.strip()
        self._tune()

    # Gains.

    def read_tx_gain(self, channel: int) -> str:
        """Attenuation, negative."""
        return f"{self._port.settings.tx_gain_db[channel]:.6f} dB"

    def write_tx_gain(self, channel: int, text: str) -> None:
        """Attenuate, in steps of a quarter of a dB."""
        gain = number(text)
        if not ATTENUATION.low <= gain <= ATTENUATION.high:
            raise IioError(errno.EINVAL)
        self._port.settings.tx_gain_db[channel] = math.ceil(gain * 4) / 4

    def read_rx_gain(self, channel: int) -> str:
        """Gain, whoever chose it."""
        return f"{self._port.settings.rx_gain_db[channel]:.6f} dB"

    def read_rx_gains(self) -> str:
        """That are possible at this carrier."""
        gains = receive_gain_range(self._lo_hz[False])
        return f"[{gains.low:.0f} {gains.step:.0f} {gains.high:.0f}]"

    def write_rx_gain(self, channel: int, text: str) -> None:
        """Set the gain, in steps of 1 dB; only in manual mode."""
        gain = float(int(number(text)))
        gains = receive_gain_range(self._lo_hz[False])
        if self._modes[channel] != "manual":
            raise IioError(errno.EOPNOTSUPP)
        if not gains.low <= gain <= gains.high:
            raise IioError(errno.EINVAL)
        self._port.settings.rx_gain_db[channel] = gain

    def read_mode(self, channel: int) -> str:
        """Who sets the gain."""
        return self._modes[channel]

    def write_mode(self, channel: int, text: str) -> None:
        """Choose who sets the gain."""
        mode = text.strip()
        if mode not in GAIN_MODES:
            raise IioError(errno.EINVAL)
        self._modes[channel] = mode
        self._port.settings.rx_automatic[channel] = mode != "manual"

    def read_rssi(self, channel: int) -> str:
        """Power at the antenna below 0 dBm, in quarters of a dB."""
        samples = self._port.received
        if samples is None or not samples.shape[1]:
            return "127.75 dB"
        gain = self._port.settings.rx_gain_db[channel]
        power = float(np.mean(np.abs(samples[channel]) ** 2)) + 1e-12
        dbm = 10 * math.log10(power) + full_scale_dbm(self._port.model, gain)
        return f"{min(max(round(-dbm * 4) / 4, 0.0), 127.75):.2f} dB"
