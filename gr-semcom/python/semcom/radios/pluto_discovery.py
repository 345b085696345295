# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Plutos there are, and the one that is asked for."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from gnuradio.semcom.radios.base import RadioOpenError

if TYPE_CHECKING:
    import iio

_BY_NAME = "ip:pluto.local"
TIMEOUT_MS = 2500
"""After which a device that does not answer is lost; the longest calibration takes a second."""


@dataclass(frozen=True)
class FoundPluto:
    """A device that answered.

    Attributes:
        uri: by which it is opened.
        serial: as it says itself.
        description: of its hardware, for a person.
    """

    uri: str
    serial: str
    description: str


def library(name: str) -> Any:
    """``iio``, of pylibiio, or ``adi``, of pyadi-iio, which not everybody has.

    Raises:
        RadioOpenError: it cannot be imported.
    """
    try:
        return import_module(name)
    except (ImportError, OSError, AttributeError, TypeError) as error:  # no libiio, or another
        raise RadioOpenError(
            f"{name} cannot be imported ({error}): apt install libiio0, and "
            "pip install pyadi-iio 'pylibiio<1'"
        ) from error


def is_pluto(context: iio.Context) -> bool:
    """Whether a context has the transceiver and its two data devices."""
    return not _missing(context)


def _missing(context: iio.Context) -> list[str]:
    wanted = ("ad9361-phy", "cf-ad9361-lpc", "cf-ad9361-dds-core-lpc")
    return [name for name in wanted if context.find_device(name) is None]


def serial_of(context: iio.Context) -> str:
    """Serial number of a device, empty where it has none."""
    return str(context.attrs.get("hw_serial", ""))


def find_plutos() -> list[FoundPluto]:
    """Devices on USB and on the local network, and ``pluto.local``."""
    scan = library("iio").scan_contexts
    try:
        uris = list(scan())
    except OSError:  # libiio without any backend that scans
        uris = []
    found = [pluto for uri in uris if (pluto := _look(uri)) is not None]
    if not found and (pluto := _look(_BY_NAME)) is not None:
        found.append(pluto)
    return found


def _look(uri: str) -> FoundPluto | None:
    try:
        context = open_context(uri)
    except RadioOpenError:
        return None
    if not is_pluto(context):
        return None
    return FoundPluto(uri, serial_of(context), str(context.attrs.get("hw_model", "AD936x")))


def open_context(uri: str) -> iio.Context:
    """Connect to a device.

    Raises:
        RadioOpenError: nobody answers there, or there is no libiio.
    """
    context_of = library("iio").Context
    try:
        context = context_of(uri)
    except OSError as error:
        raise RadioOpenError(f"cannot open {uri}: {_why(error)}") from error
    context.set_timeout(TIMEOUT_MS)
    return context


def _why(error: OSError) -> str:
    if error.errno in (errno.EBUSY, errno.EALREADY):
        return "the device is busy: end the other program that uses it"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "permission denied: install libiio's udev rules, or be in the group plugdev"
    if error.errno == errno.ENOSYS:
        return "libiio knows no such address: write ip:ADDRESS or usb:BUS.DEVICE.INTERFACE"
    reason = error.strerror or str(error)
    return f"{reason}: check address, cable and power; `iio_info -s` lists what is seen"


def open_pluto(uri: str | None, serial: str | None) -> tuple[str, iio.Context]:
    """Connect to the device that is asked for.

    Args:
        uri: where it is, as ``usb:1.2.5`` or ``ip:192.168.2.1``; None to look for it.
        serial: its serial number; None for any.

    Returns:
        Its URI and its context.

    Raises:
        RadioOpenError: it is not there, is another one, or is no AD936x with its data devices.
    """
    if uri is None:
        uri = _choose(find_plutos(), serial)
    context = open_context(uri)
    missing = _missing(context)
    if missing:
        firmware = context.attrs.get("fw_version", "unknown")
        raise RadioOpenError(
            f"{uri} ({context.attrs.get('hw_model', context.description)}, firmware {firmware}) "
            f"has no {', '.join(missing)}: it is no Pluto, or its firmware must be updated"
        )
    if serial is not None and serial_of(context) != serial:
        raise RadioOpenError(
            f"the device at {uri} has the serial number {serial_of(context) or '(none)'}, "
            f"not {serial}: give its own, or another --uri"
        )
    return uri, context


def _choose(found: list[FoundPluto], serial: str | None) -> str:
    fitting = [pluto for pluto in found if serial in (None, pluto.serial)]
    if len(fitting) == 1:
        return fitting[0].uri
    there = ", ".join(f"{pluto.serial} at {pluto.uri}" for pluto in found)
    if not found:
        raise RadioOpenError(
            "no Pluto is seen: check cable and power, or give its --uri, as ip:192.168.2.1"
        )
    if not fitting:
        raise RadioOpenError(f"no Pluto has the serial number {serial}: there are {there}")
    raise RadioOpenError(f"more than one Pluto is seen: choose one by --serial: {there}")
