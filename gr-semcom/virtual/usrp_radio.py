# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual USRPs on an air: how programs reach them, and what can go wrong with them."""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from semcom_virtual.air import Air
from semcom_virtual.rx_feed import RxFeed
from semcom_virtual.tx_feed import TxFeed
from semcom_virtual.usrp_bridge import UsrpBridge
from semcom_virtual.usrp_device import B210, VirtualUsrp
from semcom_virtual.usrp_module import UsrpModuleError, usrp_environment

if TYPE_CHECKING:
    from semcom_virtual.kinds import RadioOptions

FAULT_S = 0.01
"""How long an underflow or overflow lasts that does not say."""


def usrp_address(port: int) -> str:
    """Of the socket where programs find the virtual USRPs that were started with ``--port``."""
    return str(Path(tempfile.gettempdir()) / f"semcom-virtual-usrp-{os.getuid()}-{port}")


class UsrpRadio:
    """One USRP of a bridge, as :class:`semcom_virtual.kinds.VirtualRadio`.

    Args:
        usrp: the device.
        bridge: by which programs reach it; goes with the first of its USRPs that is closed.
        environment: variables with which UHD finds it.
    """

    def __init__(self, usrp: VirtualUsrp, bridge: UsrpBridge, environment: dict[str, str]) -> None:
        self.usrp, self._bridge, self._environment = usrp, bridge, environment

    @property
    def args(self) -> str:
        """Device arguments for UHD."""
        return f"type=virtual,serial={self.usrp.serial}"

    def describe(self) -> str:
        """How to reach it, on one line."""
        variables = " ".join(f"{name}={value}" for name, value in self._environment.items())
        return f"--radio usrp --args {self.args}   with {variables}"

    def status(self) -> dict[str, object]:
        """As plain values."""
        settings = self.usrp.port.settings
        return {
            "args": self.args,
            "serial": self.usrp.serial,
            "environment": self._environment,
            "in_use": self.usrp.in_use,
            "tx_streams": len(self.usrp.transmitters),
            "tx_gain_db": settings.tx_gain_db,
            "rx_gain_db": settings.rx_gain_db,
            "tx_freq_hz": settings.tx_freq_hz,
            "rx_freq_hz": settings.rx_freq_hz,
            "rate_hz": self.usrp.port.rate_hz,
        }

    def fault(self, kind: str, argument: str) -> None:
        """Make something go wrong.

        Args:
            kind: ``late`` (the next timed burst), ``underflow`` (so many samples of silence
                within a burst), ``overflow`` (so many received samples are lost), ``vanish``
                (for so many seconds; without a number, until ``return``), or ``return``.
            argument: samples or seconds.

        Raises:
            ValueError: no such fault or argument, or no stream that it could happen to.
        """
        samples = int(argument or FAULT_S * self.usrp.port.rate_hz) if kind != "vanish" else 0
        if kind == "late":
            for transmitter in self._transmitters():
                transmitter.force_late()
        elif kind == "underflow":
            for transmitter in self._transmitters():
                transmitter.tear(samples)
        elif kind == "overflow":
            for receiver in self._receivers():
                receiver.lose(samples)
        elif kind == "vanish":
            seconds = float(argument or "inf")
            self.usrp.vanish()
            if seconds < threading.TIMEOUT_MAX:
                timer = threading.Timer(seconds, self.usrp.appear)
                timer.daemon = True
                timer.start()
        elif kind == "return":
            self.usrp.appear()
        else:
            raise ValueError(
                f"a virtual USRP has no fault '{kind}', choose one of: late, underflow:SAMPLES, "
                "overflow:SAMPLES, vanish, vanish:SECONDS, return"
            )

    def _transmitters(self) -> list[TxFeed]:
        if not self.usrp.transmitters:
            raise ValueError(f"no program transmits with {self.usrp.serial}")
        return self.usrp.transmitters

    def _receivers(self) -> list[RxFeed]:
        if not self.usrp.receivers:
            raise ValueError(f"no program receives with {self.usrp.serial}")
        return self.usrp.receivers

    def close(self) -> None:
        """It is gone."""
        self._bridge.close()


def start_usrps(air: Air, options: RadioOptions) -> list[UsrpRadio]:
    """B210s behind one socket: :func:`usrp_address`, or any if the options' port is 0.

    Raises:
        UsrpModuleError: the UHD module cannot be built here.
        OSError: other virtual USRPs are there.
    """
    model = B210
    if options.converter_bits is not None:
        model = replace(B210, converter_bits=options.converter_bits)
    usrps = [
        VirtualUsrp(air, f"V1R7U{number}", f"virtual{number}", model, imperfections)
        for number, imperfections in enumerate(options.imperfections)
    ]
    bridge = UsrpBridge(usrps, usrp_address(options.port) if options.port else None)
    try:
        environment = usrp_environment(bridge.address)
    except UsrpModuleError:
        bridge.close()
        raise
    return [UsrpRadio(usrp, bridge, environment) for usrp in usrps]
