# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a USRP, and the device that they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from gnuradio.semcom.radios.base import RadioOpenError
from gnuradio.semcom.radios.device import DeviceConfig, Finite
from gnuradio.semcom.radios.usrp_discovery import choose, describe, find
from gnuradio.semcom.radios.usrp_models import MODELS, UsrpModel, model_of
from pydantic import Field


class UsrpConfig(DeviceConfig):
    """Options of a USRP."""

    serial: str | None = Field(None, description="serial number; default: the only device there is")
    args: str = Field("", description="UHD's device arguments, such as addr=192.168.10.2")
    model: Literal["b200", "b210", "n2x0", "x3x0", "virtual"] | None = Field(
        None, description="whose limits count; default: what the device says that it is"
    )
    antenna_tx: str | None = Field(None, description="transmit connector, such as TX/RX")
    antenna_rx: str | None = Field(None, description="receive connector, such as RX2")
    bandwidth_hz: Annotated[Finite, Field(gt=0)] | None = Field(
        None, description="of the analogue filters in Hz; default: the device's choice"
    )
    master_clock_rate_hz: Annotated[Finite, Field(gt=0)] | None = Field(
        None, description="in Hz; default: the device's choice"
    )
    subdevice: str | None = Field(
        None, description="front ends that are the antennas, such as 'A:A A:B'"
    )
    clock_source: str | None = Field(None, description="internal, external, gpsdo or mimo")
    time_source: str | None = Field(None, description="none, external, gpsdo or mimo")
    burst_lead_s: Annotated[Finite, Field(gt=0, le=0.5)] = Field(
        0.02, description="how long before its time a burst is handed to the device, in s"
    )
    otw_format: Literal["sc16", "sc12", "sc8"] = Field(
        "sc16", description="of samples between host and device"
    )
    backend: Literal["gr-uhd", "uhd"] = Field(
        "gr-uhd",
        description="what streams: gr-uhd, or uhd: UHD's Python API, which outlives a device that "
        "is pulled out",
    )


@dataclass(frozen=True)
class ChosenUsrp:
    """A device that is there and can do what is asked.

    Attributes:
        found: as UHD describes it.
        model: with its limits.
        address: UHD's arguments that open it, and no other.
        gain_tx_db, gain_rx_db: asked for, or the model's.
    """

    found: dict[str, str]
    model: UsrpModel
    address: str
    gain_tx_db: float
    gain_rx_db: float

    @property
    def name(self) -> str:
        """Product and serial number."""
        return describe(self.found)


def choose_usrp(
    config: UsrpConfig, rate_hz: float, tx_channels: int, rx_channels: int
) -> ChosenUsrp:
    """Check options and find the device.

    Args:
        config: its options.
        rate_hz: samples a second.
        tx_channels: that are used.
        rx_channels: likewise.

    Raises:
        RadioConfigError: an option out of range; where a model is named, before any device is
            looked for.
        RadioOpenError: no such device.
    """
    channels = max(tx_channels, rx_channels)
    if config.model is not None:
        _require_limits(MODELS[config.model], config, rate_hz, channels)
    found = find_usrp(config)
    model = model_of(found) if config.model is None else MODELS[config.model]
    if model is None:
        raise RadioOpenError(
            f"{describe(found)} is of no model known here: name the nearest by --model "
            f"({', '.join(MODELS)})"
        )
    _require_limits(model, config, rate_hz, channels)
    return ChosenUsrp(found, model, device_address(config, found), *_gains(config, model))


def find_usrp(config: UsrpConfig) -> dict[str, str]:
    """The device that the options name, as UHD describes it.

    Raises:
        RadioOpenError: none, or more than one.
    """
    return choose(find(config.args), config.serial)


def device_address(config: UsrpConfig, found: dict[str, str]) -> str:
    """UHD's arguments that open a device that was found, and no other."""
    address = [config.args] if config.args else []
    for key in ("type", "serial"):
        if key in found and f"{key}=" not in config.args:
            address.append(f"{key}={found[key]}")
    if config.master_clock_rate_hz is not None:
        address.append(f"master_clock_rate={config.master_clock_rate_hz:.12g}")
    return ",".join(address)


def _gains(config: UsrpConfig, model: UsrpModel) -> tuple[float, float]:
    return (
        model.quiet_tx_db if config.gain_tx_db is None else config.gain_tx_db,
        model.middle_rx_db if config.gain_rx_db is None else config.gain_rx_db,
    )


def _require_limits(model: UsrpModel, config: UsrpConfig, rate_hz: float, channels: int) -> None:
    model.require_freq(config.freq_hz)
    model.require_rate(rate_hz, channels)
    model.require_gains(*_gains(config, model))
    if config.master_clock_rate_hz is not None:
        model.require_clock(config.master_clock_rate_hz)
