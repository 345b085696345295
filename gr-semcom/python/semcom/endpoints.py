# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ZMQ endpoints may be used: those on this machine, others with keys alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_LARGEST_PORT = 65535


def require_endpoint(endpoint: str, has_keys: bool = False, calls: bool = False) -> None:
    """Check that nobody but the other end can speak to a ZMQ endpoint.

    Args:
        endpoint: to bind or to connect to.
        has_keys: the ends have keys, so that others may reach it, and are not admitted.
        calls: it is to connect to, which takes an address and a port, not ``*``.

    Raises:
        ValueError: anybody can, or it is no endpoint.
    """
    scheme, host = urlsplit(endpoint).scheme, urlsplit(endpoint).hostname
    if scheme == "ipc":
        return
    address, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if scheme != "tcp" or not host or not address:
        raise ValueError(f"{endpoint!r} is no ZMQ endpoint: write tcp://127.0.0.1:5557")
    if not (port == "*" or _is_port(port)):
        raise ValueError(f"{endpoint!r}: a port is a number from 1 to {_LARGEST_PORT}")
    if calls and "*" in (address, port):
        raise ValueError(
            f"{endpoint}: only who listens may write *; say whom to call, at which port"
        )
    if not has_keys and host != "localhost" and not _is_loopback(host):
        raise ValueError(
            f"{endpoint} can be reached from other machines, where anybody could claim "
            "anything: give both ends keys, which `ota_runner keys` makes, or use "
            "tcp://127.0.0.1:PORT, through an SSH tunnel if the other end is elsewhere"
        )


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= _LARGEST_PORT


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
