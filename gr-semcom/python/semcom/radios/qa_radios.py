# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios by name, their options, their errors."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import RadioConfigError, names, open_radio, radio_class
from gnuradio.semcom.radios.loopback import LoopbackConfig

from semcom_phy.channel_trace import ChannelTrace, generate, save_trace
from semcom_phy.impairments import Gaps, Impairments, Interferer
from semcom_phy.tdl import flat_channel, tdl_channel

NARROW = numerology("narrow")


def options(**values: Any) -> LoopbackConfig:
    """As they come from a command line or a file."""
    return LoopbackConfig.model_validate(values)


def test_the_loopback_describes_itself() -> None:
    radio = open_radio(
        "loopback", NARROW, snr_db=7, channel="multipath", taps=((0, 1, 0), (3.5, 0.2, -0.1))
    )
    description = radio.describe()
    assert description["name"] == "loopback"
    assert description["snr_db"] == 7
    assert description["taps"] == [[0, 1, 0], [3.5, 0.2, -0.1]]
    assert description["events"] == {"underflow": 0, "overflow": 0, "late": 0, "lost_device": 0}


def test_the_loopback_has_the_channel_that_its_options_name(tmp_path: Path) -> None:
    """What the options say is what the channel does, not its own defaults."""
    config = options(
        channel="tdl-c",
        delay_spread_s=3e-7,
        doppler_hz=5,
        saturation_db=4,
        iq_gain_db=0.5,
        iq_phase_deg=2,
        dc_db=-20,
        interferer_db=3,
        interferer_start_s=0.1,
        interferer_length_s=0.2,
        interferer_period_s=0.3,
        gap_length_s=1e-3,
        gap_rate_hz=4,
        gap_starts_s=(0.5,),
    )
    assert config.multipath() == tdl_channel("tdl-c", 3e-7, 5.0)
    assert config.impairments() == Impairments(
        4, 0.5, 2, -20, Interferer(3, 0.1, 0.2, 0.3), Gaps(1e-3, 4, (0.5,))
    )
    assert options().multipath() is None
    assert options().impairments() == Impairments()
    assert options(channel="tdl-a").multipath() == tdl_channel("tdl-a", 1e-7)
    assert options(channel="rayleigh", doppler_hz=3).multipath() == flat_channel(3.0)
    assert options(channel="rician").multipath() == flat_channel(0.0, 6.0)
    rician = options(channel="rician", rician_k_db=0.0)
    assert rician.multipath() == flat_channel(0.0, 0.0)
    trace = generate("tdl-a", 1e-7, 5.0, 0.1)
    save_trace(tmp_path / "a.npz", trace)
    replayed = options(channel=f"trace:{tmp_path / 'a.npz'}").multipath()
    assert isinstance(replayed, ChannelTrace)
    np.testing.assert_array_equal(replayed.gains, trace.gains)


def test_the_loopback_is_cautious_of_what_the_waveform_is_not_made_for() -> None:
    assert open_radio("loopback", NARROW, channel="tdl-a", cfo_hz=110e3).cautions == []
    beyond: dict[str, Any] = {
        "channel": "multipath",
        "taps": ((0, 1, 0), (12.5, 0, 0.3)),
        "cfo_hz": 120e3,
    }
    echoes, carrier = open_radio("loopback", NARROW, **beyond).cautions
    assert "-11 dB of the power" in echoes
    assert "120000 Hz is beyond the 110000 Hz" in carrier


def test_a_trace_is_named_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_trace(tmp_path / "a.npz", generate("tdl-a", 1e-7, 5.0, 0.1))
    monkeypatch.chdir(tmp_path)
    radio = open_radio("loopback", NARROW, channel="trace:a.npz")
    assert radio.describe()["channel"] == f"trace:{tmp_path / 'a.npz'}"


@pytest.mark.parametrize("name", names())
def test_every_radio_has_documented_options(name: str) -> None:
    kind = radio_class(name)
    assert kind.name == name
    assert all(field.description for field in kind.Config.model_fields.values())


def test_an_unknown_radio_is_told() -> None:
    with pytest.raises(RadioConfigError, match=r"no radio 'walkie', choose one of: .*loopback"):
        open_radio("walkie", NARROW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr": 3}, r"no option 'snr' \(there are: .*snr_db"),
        ({"snr_db": 300}, "snr_db"),
        ({"snr_db": float("nan")}, "snr_db"),
        ({"snr_db": "loud"}, "snr_db"),
        ({"seed": -1}, "seed"),
        ({"delay_samples": -1}, "delay_samples"),
        ({"sco_ppm": 5000}, "sco_ppm"),
        ({"cfo_hz": 6e5}, "sample rate"),
        ({"cfo_hz": float("inf")}, "cfo_hz"),
        ({"channel": "vacuum"}, "channel"),
        ({"channel": "multipath"}, "taps"),
        ({"taps": ((0, 1, 0),)}, "multipath"),
        ({"channel": "multipath", "taps": ((-1, 1, 0),)}, "taps"),
        ({"channel": "vacuum"}, "awgn, .*rayleigh, .*tdl-a, .*trace:FILE"),
        ({"delay_spread_s": 1e-7}, "delay_spread_s goes with channel tdl-a"),
        ({"channel": "awgn", "doppler_hz": 5}, "doppler_hz goes with channel rayleigh"),
        ({"channel": "tdl-d", "rician_k_db": 5}, "rician_k_db goes with channel rician"),
        ({"channel": "tdl-a", "delay_spread_s": -1}, "delay_spread_s"),
        ({"channel": "tdl-e", "delay_spread_s": 1e-3}, "shorter delay spread"),
        (
            {"channel": "trace:/no/such/file"},
            "cannot read the channel trace /no/such/file: No such file .*name an .npz file",
        ),
        ({"channel": f"trace:{__file__}"}, "no channel trace"),
        ({"gap_rate_hz": 5}, "gap_length_s with"),
        ({"gap_length_s": 1e-3}, "gap_rate_hz or, in a file, gap_starts_s"),
        ({"interferer_start_s": 1}, "interferer_start_s goes with interferer_db"),
        ({"interferer_length_s": 1}, "interferer_length_s goes with interferer_db"),
        ({"interferer_period_s": 1}, "interferer_period_s goes with interferer_db"),
        (
            {"interferer_db": 0, "interferer_length_s": 1, "interferer_period_s": 0.1},
            "period no shorter",
        ),
        ({"iq_phase_deg": 90}, "iq_phase_deg"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RadioConfigError, match=message) as caught:
        open_radio("loopback", NARROW, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("radio 'loopback'")


def test_waveform_blocks_import_no_torch() -> None:
    script = (
        "import sys; import gnuradio.semcom, gnuradio.semcom.radios.loopback; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
