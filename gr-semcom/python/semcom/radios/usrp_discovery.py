# SPDX-License-Identifier: GPL-3.0-or-later
"""Which USRPs there are, and what it means when UHD cannot open one.

UHD is asked in a process of its own. GNU Radio's bindings of UHD and UHD's own register the same
C++ types, so that a process that has loaded one cannot load the other; and what UHD prints while
it searches, or a USB library that crashes, stays out of the run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from gnuradio.semcom.radios.base import RadioOpenError

_FIND = (
    "import json, sys, uhd;"
    "print(json.dumps([device.to_dict() for device in uhd.find(sys.argv[1])]))"
)
_SEARCH_S = 30.0
_IMAGES = "run `uhd_images_downloader`"

_MEANINGS = (
    (
        ("compatibility number", "not compatible with", "update the firmware"),
        "its firmware or FPGA image does not fit this version of UHD: "
        f"{_IMAGES}, then `uhd_image_loader --args {{address}}`, and power it off and on",
    ),
    (
        ("Could not find path for image", "uhd_images_downloader"),
        f"UHD lacks the images that it loads into the device: {_IMAGES}",
    ),
    (
        ("LIBUSB_ERROR_ACCESS", "insufficient permissions"),
        "you may not use the USB device: install UHD's udev rules (package uhd-host), and plug it "
        "in again",
    ),
    (
        ("claim", "Claim", "LIBUSB_ERROR_BUSY", "in use", "busy"),
        "another program uses it: end that one",
    ),
    (
        ("No devices found",),
        "it does not answer any more: look at its power and cable, and whether another program "
        "uses it",
    ),
)


def find(hint: str) -> list[dict[str, str]]:
    """The USRPs that UHD finds, each once.

    Args:
        hint: UHD's device arguments, such as ``addr=192.168.10.2``; empty for all.

    Raises:
        RadioOpenError: UHD is not installed, cannot search, or lacks the images that it needs.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _FIND, hint],
            env=os.environ | {"UHD_LOG_CONSOLE_LEVEL": "warning"},
            capture_output=True,
            text=True,
            timeout=_SEARCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RadioOpenError(
            f"UHD has searched for USRPs for {_SEARCH_S:g} s: try `uhd_find_devices`"
        ) from None
    if "No module named 'uhd'" in done.stderr:
        raise RadioOpenError("UHD's Python API is missing: install the package python3-uhd")
    if done.returncode != 0:
        raise RadioOpenError(f"UHD cannot search for USRPs: {meaning(done.stderr, hint)}")
    found = json.loads(done.stdout.splitlines()[-1])
    if not found and "uhd_images_downloader" in done.stderr:
        raise RadioOpenError(f"no USRP can be used: {meaning(done.stderr, hint)}")
    # A device on two networks is found twice.
    return list({device.get("serial") or str(device): device for device in found}.values())


def choose(found: list[dict[str, str]], serial: str | None) -> dict[str, str]:
    """The device to use.

    Args:
        found: all there are.
        serial: that was asked for; None for the only one.

    Raises:
        RadioOpenError: there is none, not that one, or more than one and no serial.
    """
    if not found:
        raise RadioOpenError(
            "no USRP found: look at its power and cable, at `uhd_find_devices`, and whether "
            "another program uses it; one in another network needs --args addr=..."
        )
    there = ", ".join(describe(device) for device in found)
    if serial is not None:
        matching = [device for device in found if device.get("serial") == serial]
        if not matching:
            raise RadioOpenError(f"no USRP with serial {serial}, there is: {there}")
        return matching[0]
    if len(found) > 1:
        raise RadioOpenError(f"more than one USRP, choose by --serial: {there}")
    return found[0]


def describe(found: dict[str, str]) -> str:
    """Product and serial, in words."""
    kind = found.get("product") or found.get("type") or "USRP"
    return f"{kind} {found['serial']}" if found.get("serial") else kind


def meaning(message: str, address: str) -> str:
    """What an error of UHD means and how to mend it, in one line.

    Args:
        message: UHD's, of any number of lines.
        address: device arguments, for a command that mends.
    """
    for signs, words in _MEANINGS:
        if any(sign in message for sign in signs):
            return words.format(address=address)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "UHD does not say why"
