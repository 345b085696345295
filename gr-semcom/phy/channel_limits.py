# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a channel is beyond what the waveform is made for. To measure there is legitimate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from semcom_phy.channel import ChannelConfig
from semcom_phy.channel_trace import ChannelTrace
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import window_backoff
from semcom_phy.tdl import FadingChannel

NEGLIGIBLE = 1e-3
"""Share of the power beyond the prefix; it harms like noise at 30 dB."""


def channel_cautions(channel: ChannelConfig, numerology: Numerology) -> list[str]:
    """Echoes that the cyclic prefix does not take in, a carrier offset that is not searched.

    Returns:
        A line on each, with the limit and what would help; empty where there is neither.
    """
    cautions = []
    delays, powers = _echoes(channel, numerology)
    reach = (numerology.cyclic_prefix - window_backoff(numerology)) / numerology.sample_rate
    beyond = power_beyond(delays, powers, reach)
    if beyond > NEGLIGIBLE:
        cautions.append(
            f"echoes come over {1e6 * np.ptp(delays):.3g} us, of which numerology "
            f"{numerology.name} takes in {1e6 * reach:.3g} us: the rest, "
            f"{10 * math.log10(beyond):.0f} dB of the power, interferes; a numerology of longer "
            "cyclic_prefix helps"
        )
    if abs(channel.cfo_hz) > numerology.max_cfo_hz:
        cautions.append(
            f"a carrier offset of {channel.cfo_hz:g} Hz is beyond the {numerology.max_cfo_hz:g} Hz "
            f"that numerology {numerology.name} has searched either way: frames may be missed; "
            "a numerology of larger max_cfo_hz helps"
        )
    return cautions


def power_beyond(
    delays_s: NDArray[np.float64], powers: NDArray[np.float64], reach_s: float
) -> float:
    """Share of the power of echoes that a receiver cannot take in, however well it is timed.

    Args:
        delays_s: ``[tap]``, in any order.
        powers: ``[tap]``, of any sum.
        reach_s: from the first to the last echo that cause no interference.
    """
    order = np.argsort(delays_s)
    delays, total = delays_s[order], np.concatenate([[0.0], np.cumsum(powers[order])])
    ends = np.searchsorted(delays, delays + reach_s * (1 + 1e-9), side="right")
    return float(1 - np.max(total[ends] - total[:-1]) / total[-1])


def _echoes(
    channel: ChannelConfig, numerology: Numerology
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delays in s and mean powers ``[tap]``."""
    if isinstance(channel.multipath, FadingChannel | ChannelTrace):
        return channel.multipath.power_delay_profile()
    if not channel.taps:
        return np.zeros(1), np.ones(1)
    delays = np.array([tap.delay for tap in channel.taps]) / numerology.sample_rate
    return delays, np.array([np.sum(np.abs(tap.gain) ** 2) for tap in channel.taps])
