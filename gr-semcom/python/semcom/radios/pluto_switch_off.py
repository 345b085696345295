# SPDX-License-Identifier: GPL-3.0-or-later
"""A Pluto's transmitter is off once whoever uses it is gone, in whatever way."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from gnuradio.semcom.radios.base import RadioOpenError
from gnuradio.semcom.radios.device import DeviceConfig
from gnuradio.semcom.radios.pluto_device import PlutoDevice
from gnuradio.semcom.radios.transmit_guardian import TransmitGuardian

_log = logging.getLogger("gnuradio.semcom")


def off_at_the_end(
    owner: object, device: PlutoDevice, config: DeviceConfig
) -> weakref.finalize[Any, Any]:
    """Have a transmitter switched off, which is off now.

    Args:
        owner: when it goes, or the interpreter, the transmitter is switched off.
        device: that transmits.
        config: by which a guardian opens it again, if this program is killed.

    Returns:
        Call it to switch the transmitter off at once; safe to call twice.
    """
    guardian = TransmitGuardian("pluto", config.model_copy(update={"uri": device.uri}))
    off = weakref.finalize(owner, _switch_off, device, guardian)
    device.switch_transmitter_off()
    return off


def _switch_off(device: PlutoDevice, guardian: TransmitGuardian) -> None:
    try:
        device.switch_transmitter_off()
    except RadioOpenError as error:
        _log.error("%s; it is tried again for some seconds", error)  # by the guardian, as we end
        return
    guardian.dismiss()
