# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels by name, as options and Companion's blocks give them."""

from __future__ import annotations

from pathlib import Path

from semcom_phy.channel_trace import load_trace
from semcom_phy.tap_process import Multipath
from semcom_phy.tdl import TDL_NAMES, flat_channel, tdl_channel

TRACE = "trace:"
"""Before the file's name."""

DELAY_SPREAD_S = 100e-9
"""Of a tapped delay line, where none is asked for: "nominal" in TR 38.901, table 7.7.3-1."""

RICIAN_K_DB = 6.0

FADING_NAMES = ("rayleigh", "rician", *TDL_NAMES)


def named_channel(
    name: str,
    delay_spread_s: float = DELAY_SPREAD_S,
    doppler_hz: float = 0.0,
    rician_k_db: float = RICIAN_K_DB,
) -> Multipath | None:
    """A fading channel or a trace.

    Args:
        name: one of :data:`FADING_NAMES`, ``trace:FILE``, or ``awgn``.
        delay_spread_s: RMS delay spread of a tapped delay line.
        doppler_hz: largest Doppler shift of a fading channel; 0 draws a channel for each picture.
        rician_k_db: K-factor of ``rician``.

    Returns:
        The channel; None for ``awgn``.

    Raises:
        ValueError: no such channel, a value out of range, or a file that is no trace.
    """
    if name == "awgn":
        return None
    if name.startswith(TRACE):
        return load_trace(Path(name.removeprefix(TRACE)))
    if name == "rayleigh":
        return flat_channel(doppler_hz)
    if name == "rician":
        return flat_channel(doppler_hz, rician_k_db)
    if name in TDL_NAMES:
        return tdl_channel(name, delay_spread_s, doppler_hz)
    raise ValueError(
        f"no channel {name!r}, choose one of: awgn, {', '.join(FADING_NAMES)}, trace:FILE"
    )
