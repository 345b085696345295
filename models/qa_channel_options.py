# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a simulated channel, as every radio that has one takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from semcom_models.channel_options import ChannelOptions
from semcom_phy.channel_trace import ChannelTrace, generate, save_trace
from semcom_phy.tdl import flat_channel, tdl_channel


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"channel": "rayleigh", "doppler_hz": 3}, flat_channel(3.0)),
        ({"channel": "rician"}, flat_channel(0.0, 6.0)),
        ({"channel": "rician", "rician_k_db": 0}, flat_channel(0.0, 0.0)),
        ({"channel": "tdl-a"}, tdl_channel("tdl-a", 1e-7)),
        (
            {"channel": "tdl-c", "delay_spread_s": 0, "doppler_hz": 5},
            tdl_channel("tdl-c", 0.0, 5.0),
        ),
    ],
)
def test_a_channel_is_what_its_options_say(options: dict[str, Any], expected: object) -> None:
    assert ChannelOptions(**options).multipath() == expected


def test_a_trace_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_trace(tmp_path / "a.npz", generate("tdl-a", 1e-7, 0.0, 0.1))
    monkeypatch.chdir(tmp_path)
    options = ChannelOptions(channel="trace:a.npz")
    assert options.channel == f"trace:{tmp_path / 'a.npz'}"
    assert isinstance(options.multipath(), ChannelTrace)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": "vacuum"}, "choose one of: awgn, rayleigh, .*tdl-e, trace:FILE"),
        ({"channel": "rayleigh", "delay_spread_s": 1e-7}, "delay_spread_s goes with channel tdl-a"),
        ({"channel": "awgn", "doppler_hz": 5}, "doppler_hz goes with channel rayleigh"),
        ({"channel": "tdl-d", "rician_k_db": 5}, "rician_k_db goes with channel rician"),
        ({"channel": "tdl-a", "doppler_hz": float("nan")}, "doppler_hz"),
        ({"channel": "tdl-a", "delay_spread_s": -1}, "delay_spread_s"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ChannelOptions(**options)
