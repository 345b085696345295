# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios by name; a radio's file is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Any

from gnuradio.semcom.radios.base import (
    Radio,
    RadioConfigError,
    RadioEvents,
    RadioLostError,
    RadioOpenError,
    validate_config,
)
from gnuradio.semcom.radios.corrections import Corrections

from semcom_phy.numerology import Numerology

__all__ = [
    "Corrections",
    "Radio",
    "RadioConfigError",
    "RadioEvents",
    "RadioLostError",
    "RadioOpenError",
    "names",
    "open_radio",
    "radio_class",
]

_RADIOS = {
    "loopback": "LoopbackRadio",
    "pluto": "PlutoRadio",
    "sigmf": "SigmfRadio",
    "soapy": "SoapyRadio",
    "usrp": "UsrpRadio",
    "zmq": "ZmqRadio",
}


def names() -> list[str]:
    """Names of the radios there are."""
    return sorted(_RADIOS)


def radio_class(name: str) -> type[Radio]:
    """The class of a radio.

    Raises:
        RadioConfigError: no radio of that name; the message lists them.
    """
    if name not in _RADIOS:
        raise RadioConfigError(f"no radio '{name}', choose one of: {', '.join(names())}")
    module = importlib.import_module(f"gnuradio.semcom.radios.{name}")
    found: type[Radio] = getattr(module, _RADIOS[name])
    return found


def open_radio(
    name: str, numerology: Numerology, corrections: Corrections | None = None, **options: Any
) -> Radio:
    """Open a radio.

    Args:
        name: one of :func:`names`.
        numerology: sample rate and antennas.
        corrections: what calibration found of the device; None for nothing.
        options: of its configuration; the rest have defaults.

    Raises:
        RadioConfigError: no such radio, a misspelt option, a value out of range.
        RadioOpenError: a device that is not there, is busy or is not what was asked for.
    """
    kind = radio_class(name)
    return kind(validate_config(kind.Config, name, options), numerology, corrections)
