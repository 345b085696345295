# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ZMQ endpoints may be used: those on this machine, others with keys alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def require_endpoint(endpoint: str, has_keys: bool = False) -> None:
    """Check that nobody but the other end can speak to a ZMQ endpoint.

    Args:
        endpoint: to bind or to connect to.
        has_keys: the ends have keys, so that others may reach it, and are not admitted.

    Raises:
        ValueError: anybody can, or it is no endpoint.
    """
    scheme, host = urlsplit(endpoint).scheme, urlsplit(endpoint).hostname
    if scheme == "ipc":
        return
    if scheme != "tcp" or not host or ":" not in endpoint[len("tcp://") :]:
        raise ValueError(f"{endpoint!r} is no ZMQ endpoint: write tcp://127.0.0.1:5557")
    if not has_keys and host != "localhost" and not _is_loopback(host):
        raise ValueError(
            f"{endpoint} can be reached from other machines, where anybody could claim "
            "anything: give both ends keys, which `ota_runner keys` makes, or use "
            "tcp://127.0.0.1:PORT, through an SSH tunnel if the other end is elsewhere"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
