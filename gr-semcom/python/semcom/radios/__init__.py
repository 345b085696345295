# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios by name; a radio's file is imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Any

from gnuradio.semcom.radios.base import Radio, RadioConfigError, RadioEvents, validate_config

from semcom_phy.numerology import Numerology

__all__ = ["Radio", "RadioConfigError", "RadioEvents", "names", "open_radio", "radio_class"]

_RADIOS = {"loopback": "LoopbackRadio"}


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


def open_radio(name: str, numerology: Numerology, **options: Any) -> Radio:
    """Open a radio.

    Args:
        name: one of :func:`names`.
        numerology: sample rate and antennas.
        options: of its configuration; the rest have defaults.

    Raises:
        RadioConfigError: no such radio, a misspelt option, a value out of range.
    """
    kind = radio_class(name)
    return kind(validate_config(kind.Config, name, options), numerology)
