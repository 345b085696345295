# SPDX-License-Identifier: GPL-3.0-or-later
"""When a channel is beyond the waveform, and when it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.channel import ChannelConfig, ChannelTap
from semcom_phy.channel_limits import channel_cautions, power_beyond
from semcom_phy.channel_trace import generate
from semcom_phy.numerology import NARROW, WIDE
from semcom_phy.tdl import flat_channel, tdl_channel

LONG = replace(WIDE, name="long", cyclic_prefix=128)


@pytest.mark.parametrize(
    "channel",
    [
        ChannelConfig(),
        ChannelConfig(cfo_hz=-550e3),
        ChannelConfig(multipath=flat_channel(5.0, 6.0)),
        ChannelConfig(multipath=tdl_channel("tdl-c", 3e-7)),
        ChannelConfig(multipath=tdl_channel("tdl-e", 1e-7)),
        ChannelConfig(multipath=generate("tdl-c", 3e-7, 5.0, 0.1, (2, 2))),
        ChannelConfig(taps=(ChannelTap(20, 0.5), ChannelTap(76, 0.5))),
        # Too far away, and too faint to matter.
        ChannelConfig(taps=(ChannelTap(0, 1.0), ChannelTap(200, 0.03))),
    ],
)
def test_what_the_waveform_is_made_for_is_not_mentioned(channel: ChannelConfig) -> None:
    assert channel_cautions(channel, WIDE) == []


@pytest.mark.parametrize(
    "channel",
    [
        ChannelConfig(multipath=tdl_channel("tdl-c", 6e-7)),
        ChannelConfig(multipath=generate("tdl-c", 6e-7, 5.0, 0.1, (2, 2))),
        ChannelConfig(taps=(ChannelTap(20, 0.9), ChannelTap(80, 0.15))),
    ],
)
def test_echoes_beyond_the_prefix_are_told_once(channel: ChannelConfig) -> None:
    [caution] = channel_cautions(channel, WIDE)
    assert "numerology wide takes in 2.8 us" in caution
    assert "longer cyclic_prefix" in caution
    assert channel_cautions(channel, LONG) == []


def test_a_carrier_offset_that_is_not_searched_is_told() -> None:
    for cfo_hz in (-120e3, 120e3):
        [caution] = channel_cautions(ChannelConfig(cfo_hz=cfo_hz), NARROW)
        assert f"{cfo_hz:g} Hz is beyond the 110000 Hz" in caution
        assert "larger max_cfo_hz" in caution


def test_echoes_count_by_the_best_window_on_them() -> None:
    delays = np.array([5.0, 0.0, 3.0, 1.0])
    powers = np.array([1.0, 2.0, 4.0, 3.0])
    assert power_beyond(delays, powers, 0.5) == pytest.approx(0.6)
    assert power_beyond(delays, powers, 2.0) == pytest.approx(0.3)
    assert power_beyond(delays, powers, 3.0) == pytest.approx(0.1)
    assert power_beyond(delays, powers, 5.0) == pytest.approx(0.0)
