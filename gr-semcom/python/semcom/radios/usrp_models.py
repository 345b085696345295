# SPDX-License-Identifier: GPL-3.0-or-later
"""USRPs: what each model can do, and what it does where nothing is asked.

Limits of N2x0 and X3x0 are the widest of their daughterboards; what the one that is in the
device can do is asked of the device once it is open. From Ettus Research's manual,
https://files.ettus.com/manual/.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gnuradio.semcom.radios.base import RadioConfigError
from gnuradio.semcom.radios.bench import GainRange


@dataclass(frozen=True)
class UsrpModel:
    """Devices with the same limits.

    Attributes:
        name: as in ``--model``.
        channels: transmitters, and receivers, that it has.
        freq_hz: lowest and highest carrier.
        rate_hz: lowest and highest sample rate of one channel.
        rate_of_two_hz: highest sample rate of two channels.
        clocks_hz: master clocks of which sample rates are integer parts; empty where the clock
            follows the rate.
        clock_hz: lowest and highest master clock.
        gain_tx, gain_rx: ranges.
        quiet_tx_db: transmit gain where none is asked for: a low one.
        middle_rx_db: receive gain where none is asked for: a middle one.
    """

    name: str
    channels: int
    freq_hz: tuple[float, float]
    rate_hz: tuple[float, float]
    rate_of_two_hz: float
    clocks_hz: tuple[float, ...]
    clock_hz: tuple[float, float]
    gain_tx: GainRange
    gain_rx: GainRange
    quiet_tx_db: float
    middle_rx_db: float

    def require_freq(self, freq_hz: float) -> None:
        """Check a carrier frequency.

        Raises:
            RadioConfigError: it is out of range.
        """
        low, high = self.freq_hz
        if not low <= freq_hz <= high:
            raise RadioConfigError(
                f"radio 'usrp': {freq_hz / 1e6:g} MHz is out of range of a {self.name}: choose "
                f"--freq {low:g} to {high:g}"
            )

    def require_rate(self, rate_hz: float, channels: int) -> None:
        """Check a sample rate.

        Args:
            rate_hz: of each channel.
            channels: in use.

        Raises:
            RadioConfigError: it is out of range, or no integer part of a master clock; or there
                are not so many channels.
        """
        if channels > self.channels:
            raise RadioConfigError(
                f"radio 'usrp': {channels} antennas at one end, but a {self.name} has "
                f"{self.channels}: use fewer --antennas, or a device with more"
            )
        low, high = self.rate_hz[0], self.rate_hz[1] if channels == 1 else self.rate_of_two_hz
        if not low <= rate_hz <= high:
            raise RadioConfigError(
                f"radio 'usrp': {rate_hz / 1e6:g} MS/s on {channels} channel(s) is out of range of "
                f"a {self.name}: choose --rate {low:g} to {high:g}"
            )
        parts = [clock / rate_hz for clock in self.clocks_hz]
        if parts and all(abs(part - round(part)) > 1e-9 * part for part in parts):
            near = min(
                (clock / round(clock / rate_hz) for clock in self.clocks_hz),
                key=lambda rate: abs(rate - rate_hz),
            )
            raise RadioConfigError(
                f"radio 'usrp': a {self.name} cannot make {rate_hz / 1e6:g} MS/s, which is no "
                f"integer part of its clock: choose --rate {near:.9g}"
            )

    def require_gains(self, gain_tx_db: float, gain_rx_db: float) -> None:
        """Check gains.

        Raises:
            RadioConfigError: one is out of range.
        """
        for option, gain_db, limits in (
            ("--gain-tx", gain_tx_db, self.gain_tx),
            ("--gain-rx", gain_rx_db, self.gain_rx),
        ):
            if not limits.low <= gain_db <= limits.high:
                raise RadioConfigError(
                    f"radio 'usrp': {option} {gain_db:g} is out of range of a {self.name}: choose "
                    f"{limits.low:g} to {limits.high:g} dB"
                )

    def require_clock(self, clock_hz: float) -> None:
        """Check a master clock rate.

        Raises:
            RadioConfigError: it is out of range, or none of those there are.
        """
        low, high = self.clock_hz
        if not low <= clock_hz <= high or (self.clocks_hz and clock_hz not in self.clocks_hz):
            choice = " or ".join(f"{clock:g}" for clock in self.clocks_hz) or f"{low:g} to {high:g}"
            raise RadioConfigError(
                f"radio 'usrp': a {self.name} has no master clock of {clock_hz / 1e6:g} MHz: "
                f"choose --master-clock-rate {choice}"
            )


_B210 = UsrpModel(
    name="b210",
    channels=2,
    freq_hz=(70e6, 6e9),
    rate_hz=(1e5, 61.44e6),
    rate_of_two_hz=30.72e6,
    clocks_hz=(),
    clock_hz=(5e6, 61.44e6),
    gain_tx=GainRange(0.0, 89.75, 0.25),
    gain_rx=GainRange(0.0, 76.0, 1.0),
    quiet_tx_db=40.0,
    middle_rx_db=40.0,
)
_X3X0 = UsrpModel(
    name="x3x0",
    channels=2,
    freq_hz=(1e6, 6e9),
    rate_hz=(184.32e6 / 1024, 200e6),
    rate_of_two_hz=200e6,
    clocks_hz=(200e6, 184.32e6),
    clock_hz=(184.32e6, 200e6),
    gain_tx=GainRange(0.0, 38.0, 0.5),
    gain_rx=GainRange(0.0, 93.0, 0.5),
    quiet_tx_db=0.0,
    middle_rx_db=15.0,
)

MODELS = {
    "b200": replace(_B210, name="b200", channels=1, rate_of_two_hz=0.0),
    "b210": _B210,
    "n2x0": replace(
        _X3X0,
        name="n2x0",
        channels=1,
        rate_hz=(100e6 / 512, 50e6),
        rate_of_two_hz=0.0,
        clocks_hz=(100e6,),
        clock_hz=(100e6, 100e6),
    ),
    "x3x0": _X3X0,
    # Some 24 dB of SNR over the attenuation that semcom_virtual has by default.
    "virtual": replace(_B210, name="virtual", quiet_tx_db=70.0, middle_rx_db=60.0),
}
"""By name. A B200, B200mini or B205mini is a ``b200``; ``virtual`` is that of semcom_virtual."""

_BY_TYPE = {"usrp2": "n2x0", "x300": "x3x0", "virtual": "virtual"}


def model_of(found: Mapping[str, str]) -> UsrpModel | None:
    """The model of a device that UHD found; None for one that is not among :data:`MODELS`.

    Args:
        found: UHD's device address, with ``type`` and, of some, ``product``.
    """
    kind = found.get("type", "")
    if kind == "b200":
        return MODELS["b210" if found.get("product") == "B210" else "b200"]
    return MODELS[_BY_TYPE[kind]] if kind in _BY_TYPE else None
