# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a USRP that is open, held against what it can do; errors of UHD as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gnuradio.semcom.radios.base import RadioConfigError, RadioOpenError
from gnuradio.semcom.radios.usrp_discovery import meaning

_SAME_RATE = 1e-6


@contextmanager
def errors_of_uhd(kind: type[Exception], what: str, address: str = "") -> Iterator[None]:
    """Have calls of UHD raise errors of ours.

    Args:
        kind: of error.
        what: the beginning of its message.
        address: UHD's device arguments, for a command that mends.

    Raises:
        Exception: of that kind, where UHD raised one of its own.
    """
    try:
        yield
    except (RuntimeError, LookupError) as error:
        raise kind(f"{what}: {meaning(str(error), address)}") from error


def set_clocks(device: Any, clock_source: str | None, time_source: str | None) -> None:
    """Clock and time source of gr-uhd's block or of a ``MultiUSRP``; None for as it is.

    Raises:
        RadioConfigError: the device has no such source.
        RadioOpenError: it does not lock to its clock.
    """
    if clock_source is not None:
        require_one_of(device.get_clock_sources(0), clock_source, "--clock-source")
        device.set_clock_source(clock_source)
        sensors = device.get_mboard_sensor_names()
        if "ref_locked" in sensors and not device.get_mboard_sensor("ref_locked").to_bool():
            raise RadioOpenError(
                f"the USRP does not lock to its {clock_source} clock: connect 10 MHz, or "
                "leave --clock-source out"
            )
    if time_source is not None:
        require_one_of(device.get_time_sources(0), time_source, "--time-source")
        device.set_time_source(time_source)


def require(limits: Any, value: float, option: str) -> None:
    """Check a value against a range of UHD's.

    Raises:
        RadioConfigError: it is out of it.
    """
    if not limits.start() <= value <= limits.stop():
        raise RadioConfigError(
            f"radio 'usrp': {option} {value:g} is out of range of this device: choose "
            f"{limits.start():g} to {limits.stop():g}"
        )


def require_one_of(there: list[str], value: str, option: str) -> None:
    """Check a name against those that there are.

    Raises:
        RadioConfigError: it is none of them.
    """
    if value not in there:
        raise RadioConfigError(
            f"radio 'usrp': {option} {value}: this device has {', '.join(there)}"
        )


def require_rate(actual_hz: float, asked_hz: float) -> None:
    """Check the sample rate that was read back.

    Raises:
        RadioConfigError: it is not the one asked for.
    """
    if abs(actual_hz - asked_hz) > _SAME_RATE * asked_hz:
        raise RadioConfigError(
            f"radio 'usrp': the device makes {actual_hz:.9g} samples a second of the "
            f"{asked_hz:.9g} asked for: choose --rate {actual_hz:.9g}"
        )
