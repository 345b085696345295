# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the operating system makes radios lose samples, or keeps one from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ota_runner.doctor_finding import Finding

_AREA = "system"

NETWORK_BUFFER = 24_912_805
"""Bytes that UHD's manual recommends for USRPs on a network."""


@dataclass(frozen=True)
class _UsbRadio:
    """A radio on USB.

    Attributes:
        name: for a person.
        rules: package with the rules that let users have it.
        slowest_mbps: below, it cannot do what it is made for.
    """

    name: str
    rules: str
    slowest_mbps: float


_USRP, _PLUTO = _UsbRadio("USRP", "uhd-host", 5000), _UsbRadio("Pluto", "libiio0", 480)
_USB_RADIOS = {
    ("2500", "0020"): _USRP,
    ("2500", "0021"): _USRP,
    ("2500", "0022"): _USRP,
    ("3923", "7813"): _USRP,
    ("3923", "7814"): _USRP,
    ("0456", "b673"): _PLUTO,
    ("1d50", "6089"): _UsbRadio("HackRF", "libhackrf0", 480),
    ("1d50", "6108"): _UsbRadio("LimeSDR", "limesuite-udev", 5000),
    ("0bda", "2832"): _UsbRadio("RTL-SDR", "librtlsdr0", 480),
    ("0bda", "2838"): _UsbRadio("RTL-SDR", "librtlsdr0", 480),
}
"""By the numbers of vendor and product."""


def system(root: Path = Path("/")) -> Iterator[Finding]:
    """Findings on buffers, processor, images of USRPs, and USB.

    Args:
        root: of the file system.
    """
    for name in ("rmem_max", "wmem_max"):
        finding = _network_buffer(root, name)
        if finding is not None:
            yield finding
    for finding in (_governor(root), _uhd_images(root)):
        if finding is not None:
            yield finding
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        finding = _usb(root, device)
        if finding is not None:
            yield finding


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _network_buffer(root: Path, name: str) -> Finding | None:
    text = _read(root / "proc/sys/net/core" / name)
    if text is None or not text.isdigit():
        return None
    found = f"{int(text):,} bytes"
    if int(text) >= NETWORK_BUFFER:
        return Finding(_AREA, f"net.core.{name}", "fine", found)
    return Finding(
        _AREA,
        f"net.core.{name}",
        "caution",
        f"{found}: USRPs on a network lose samples",
        f"sudo sysctl -w net.core.{name}={NETWORK_BUFFER}",
    )


def _governor(root: Path) -> Finding | None:
    text = _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if text is None:  # a virtual machine
        return None
    if text == "performance":
        return Finding(_AREA, "CPU governor", "fine", text)
    return Finding(
        _AREA,
        "CPU governor",
        "caution",
        f"{text}: the clock rises only after samples are late",
        "sudo cpupower frequency-set -g performance",
    )


def _uhd_images(root: Path) -> Finding | None:
    """What UHD loads into USRPs; ``uhd_images_downloader`` puts it below ``share/uhd``."""
    share = [root / "usr/share/uhd", root / "usr/local/share/uhd"]
    if not any(folder.exists() for folder in share):
        return None
    folders = {image.parent for folder in share for image in folder.glob("**/images/*.b*")}
    if folders:
        return Finding(_AREA, "UHD images", "fine", ", ".join(sorted(map(str, folders))))
    lack = "none: a USRP on USB cannot start"
    return Finding(_AREA, "UHD images", "caution", lack, "sudo uhd_images_downloader")


def _usb(root: Path, device: Path) -> Finding | None:
    numbers = _read(device / "idVendor") or "", _read(device / "idProduct") or ""
    radio = _USB_RADIOS.get(numbers)
    bus, number = _read(device / "busnum"), _read(device / "devnum")
    if radio is None or bus is None or number is None:
        return None
    name = f"USB {device.name}"
    what = _read(device / "product") or radio.name
    node = root / "dev/bus/usb" / f"{int(bus):03d}" / f"{int(number):03d}"
    if not os.access(node, os.R_OK | os.W_OK):
        mend = f"sudo apt install {radio.rules}, then plug it in again"
        return Finding(_AREA, name, "missing", f"{what}: you may not use it", mend)
    speed = float(_read(device / "speed") or 0)
    if speed < radio.slowest_mbps:
        found = f"{what} at {speed:g} of {radio.slowest_mbps:g} Mbit/s"
        return Finding(_AREA, name, "caution", found, "use a port and a cable of USB 3")
    return Finding(_AREA, name, "fine", f"{what} at {speed:g} Mbit/s")
