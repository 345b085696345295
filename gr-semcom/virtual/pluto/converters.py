# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that samples are read from and written to, and the monitor of the FPGA.

``cf-ad9361-lpc`` gives samples of 12 bits, the sign extended to 16. ``cf-ad9361-dds-core-lpc``
takes samples of 16 bits, of which its converters use the upper 12.
"""

from __future__ import annotations

import errno

from semcom_virtual.pluto.ad9361 import Phy
from semcom_virtual.pluto.iio_context import (
    Attribute,
    Channel,
    Device,
    IioError,
    constant,
    stored,
)

RECEIVED = "cf-ad9361-lpc"
SENT = "cf-ad9361-dds-core-lpc"

_STATUS = 0x80000088
UNDERFLOW, OVERFLOW = 1, 4
"""Bits of the status register, as Analog Devices' cores have them and libiio's tools read them;
a bit stays until a 1 is written to it."""


class StatusRegister:
    """Register access to a core, of which only the status is simulated."""

    def __init__(self) -> None:
        self._address = 0
        self._status = 0

    def report(self, bits: int) -> None:
        """Something went wrong."""
        self._status |= bits

    def attribute(self) -> Attribute:
        """``direct_reg_access``: an address, or an address and a value."""
        return Attribute(self._read, self._write)

    def _read(self) -> str:
        return hex(self._status if self._address == _STATUS else 0)

    def _write(self, text: str) -> None:
        try:
            self._address, *value = (int(word, 0) for word in text.split())
        except ValueError:
            raise IioError(errno.EINVAL) from None
        if value and self._address == _STATUS:
            self._status &= ~value[0]


def _rates(phy: Phy) -> dict[str, Attribute]:
    """What all channels of a converter share."""
    return {
        "sampling_frequency": Attribute(phy.read_rate, phy.write_rate, shared=True),
        "sampling_frequency_available": Attribute(lambda: _fpga_rates(phy), shared=True),
    }


def receive_device(phy: Phy, status: StatusRegister) -> Device:
    """``cf-ad9361-lpc``."""
    rates = _rates(phy)
    channels = [
        Channel(
            f"voltage{index}",
            False,
            scan=(index, "le:S12/16>>0"),
            attributes={
                "calibbias": stored("0"),
                "calibphase": stored("0.000000"),
                "calibscale": stored("1.000000"),
                **rates,
            },
        )
        for index in range(2 * phy.antennas)
    ]
    return _streaming("iio:device3", RECEIVED, channels, status)


def transmit_device(phy: Phy, status: StatusRegister) -> Device:
    """``cf-ad9361-dds-core-lpc``; its tone generators are kept and give no tone."""
    rates = _rates(phy)
    channels = [
        Channel(
            f"voltage{index}",
            True,
            scan=(index, "le:S16/16>>0"),
            attributes={
                "calibphase": stored("0.000000"),
                "calibscale": stored("1.000000"),
                **rates,
            },
        )
        for index in range(2 * phy.antennas)
    ]
    tones = [
        f"TX{antenna + 1}_{part}_F{tone}"
        for antenna in range(phy.antennas)
        for part in "IQ"
        for tone in (1, 2)
    ]
    channels += [
        Channel(f"altvoltage{index}", True, name, attributes=_tone(phy))
        for index, name in enumerate(tones)
    ]
    return _streaming("iio:device2", SENT, channels, status)


def _tone(phy: Phy) -> dict[str, Attribute]:
    return {
        "frequency": stored("1000000"),
        "phase": stored("0"),
        "raw": stored("0", ("0", "1")),
        "sampling_frequency": Attribute(phy.read_rate, shared=True),
        "scale": stored("0.000000"),
    }


def _fpga_rates(phy: Phy) -> str:
    """Without and with the FPGA's filter by 8, which is not simulated."""
    rate = int(phy.read_rate())
    return f"{rate} {rate // 8}"


def _streaming(
    identifier: str, name: str, channels: list[Channel], status: StatusRegister
) -> Device:
    return Device(
        identifier,
        name,
        channels,
        {},
        {"direct_reg_access": status.attribute()},
        {"length_align_bytes": constant("8"), "watermark": stored("0")},
    )


def monitor_device() -> Device:
    """``xadc``: the temperature and the core voltage of the FPGA."""
    temperature = {
        "offset": constant("-2219"),
        "raw": constant("2580"),
        "scale": constant("123.040771484"),
    }
    voltage = {"raw": constant("1390"), "scale": constant("0.732421875")}
    return Device(
        "iio:device1",
        "xadc",
        [
            Channel("temp0", False, attributes=temperature),
            Channel("voltage0", False, "vccint", attributes=voltage),
        ],
        {"sampling_frequency": constant("961538")},
    )
