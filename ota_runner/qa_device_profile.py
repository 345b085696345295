# SPDX-License-Identifier: GPL-3.0-or-later
"""Which profile a run goes by, and what it makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from gnuradio.semcom.radios import Corrections
from gnuradio.semcom.radios.device import DeviceConfig
from gnuradio.semcom.radios.loopback import LoopbackConfig

from ota_runner import device_profile
from ota_runner.device_profile import apply_profile, limits_of_device
from ota_runner.errors import UsageError
from semcom_phy.numerology import NARROW

SERIAL = "3180A1B"


class Device:
    """A radio of which one is connected."""

    asked = 0

    @classmethod
    def serial_number(cls, config: DeviceConfig) -> str:
        cls.asked += 1
        return SERIAL


def asked(**options: Any) -> DeviceConfig:
    return DeviceConfig.model_validate(options)


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    monkeypatch.setattr(device_profile, "radio_class", lambda name: Device)
    monkeypatch.setattr(Device, "asked", 0)
    return Device


def profile(**others: Any) -> dict[str, Any]:
    """A profile as in its file: 10 dB more SNR for 10 dB more gain, 20 dB at a gain of 30."""
    dc = {"gain_rx_db": 40.0, "in_phase_fs": [0.01], "quadrature_fs": [-0.02]}
    iq = {"gain_db": [0.5], "phase_deg": [2.0], "image_db": [-29.5], "deviation": [0.0]}
    table = {"gain_rx_db": 40.0, "backoff_db": 12.0, "occupied": 100 / 128}
    points = [{"gain_tx_db": gain, "snr_db": gain - 10} for gain in (10.0, 30.0, 50.0)]
    gains = {"low_db": 0.0, "high_db": 76.0, "step_db": 0.5}
    return {
        "format": 1,
        "radio": "usrp",
        "model": "B210",
        "serial": SERIAL,
        "date": "2026-11-20T12:00:00Z",
        "temperature_c": 31.0,
        "freq_hz": 2.45e9,
        "rate_hz": 1e6,
        "tx_antennas": 1,
        "rx_antennas": 1,
        "gain_tx": gains,
        "gain_rx": gains,
        "receive_with_db": 40.0,
        "wiring": {"cabled_db": 60.0},
        "limits": {"highest_gain_tx_db": 55.0, "highest_freq_hz": 2.4835e9},
        "results": {
            "dc_offset": {"points": [{**dc, "deviation_fs": [0.0]}]},
            "iq_imbalance": {**iq, "correction_real": [-0.03], "correction_imag": [-0.02]},
            "carrier_offset": {"offset_hz": 70.0, "deviation_hz": 0.1, "offset_ppm": 0.03},
            "snr_table": {**table, "points": points},
        },
        **others,
    }


def write(folder: Path, name: str = "one.yaml", **others: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(profile(**others)))
    return path


def test_gains_and_corrections_of_the_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "older.yaml", date="2026-01-01T00:00:00Z", receive_with_db=11.0)
    path = write(tmp_path, "latest.yaml")
    write(tmp_path, "other.yaml", serial="F00", date="2027-01-01T00:00:00Z")
    (tmp_path / "broken.yaml").write_text("format: 2")
    options, corrections, use = apply_profile("usrp", asked(), 13.2, NARROW, profiles=tmp_path)
    assert isinstance(options, DeviceConfig)
    assert (options.gain_tx_db, options.gain_rx_db) == (23.0, 40.0)  # in steps of 0.5 dB
    assert options.cabled_db is None  # nobody named the profile
    assert corrections == Corrections(70.0, (0.01 - 0.02j,), (-0.03 - 0.02j,), 55.0, None, 2.4835e9)
    assert use is not None
    assert use.path == path.resolve()
    assert use.as_mapping()["date"].startswith("2026-11-20")
    said = capsys.readouterr().err
    assert "profile 3180A1B of 2026-11-20: --gain-rx 40 --gain-tx 23 for 13.2 dB" in said
    assert "broken.yaml is no profile of format 1" in said


def test_what_was_asked_for_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path)
    given = asked(gain_tx_db=3.0, gain_rx_db=20.0, i_have_a_licence=True)
    options, _, use = apply_profile("usrp", given, 40.0, NARROW, profile=path)
    assert options == given
    assert use is not None
    assert use.gain_tx_db is use.gain_rx_db is None
    options, _, _ = apply_profile("usrp", asked(gain_rx_db=20.0), 10.0, NARROW, profiles=tmp_path)
    assert isinstance(options, DeviceConfig)
    assert options.gain_tx_db is None
    assert "table of SNRs is for --gain-rx 40" in capsys.readouterr().err


def test_a_named_profile_tells_of_the_cable(tmp_path: Path) -> None:
    options, _, _ = apply_profile("usrp", asked(), 10.0, NARROW, profile=write(tmp_path))
    assert isinstance(options, DeviceConfig)
    assert options.cabled_db == 60.0
    licensed, _, _ = apply_profile(
        "usrp", asked(i_have_a_licence=True), 10.0, NARROW, profile=write(tmp_path)
    )
    assert isinstance(licensed, DeviceConfig)
    assert licensed.cabled_db is None


class WithGainControl(DeviceConfig):
    gain_mode: str = "slow_attack"


def test_a_device_that_sets_its_own_gain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, corrections, _ = apply_profile(
        "usrp", WithGainControl.model_validate({}), 10.0, NARROW, profile=write(tmp_path)
    )
    assert isinstance(options, DeviceConfig)
    assert options.gain_rx_db is options.gain_tx_db is None
    assert corrections.dc == ()
    assert corrections.image == (-0.03 - 0.02j,)
    assert "the device sets its receive gain" in capsys.readouterr().err


def test_backoff_and_carriers_count(tmp_path: Path) -> None:
    """3 dB more back-off is 3 dB less; half the carriers at the same RMS have 3 dB more each."""
    write(tmp_path)
    more = asked(backoff_db=15.0)
    fewer = replace(NARROW, half_width=25, pilot_carriers=(-20, -7, 7, 20))
    for options, numerology, gain in ((more, NARROW, 33.0), (asked(), fewer, 27.0)):
        chosen, _, _ = apply_profile("usrp", options, 20.0, numerology, profiles=tmp_path)
        assert isinstance(chosen, DeviceConfig)
        assert chosen.gain_tx_db == gain


def test_out_of_reach(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(UsageError, match=r"--snr 41: profile .* reaches 0\.0 to 40\.0 dB"):
        apply_profile("usrp", asked(), 41.0, NARROW, profiles=tmp_path)


@pytest.mark.parametrize(
    ("others", "options", "rate", "problem"),
    [
        ({"serial": "F00"}, {}, 1e6, f"is of usrp F00, the device is usrp {SERIAL}"),
        ({"radio": "pluto"}, {}, 1e6, "is of pluto"),
        ({}, {"freq_hz": 2.4e9}, 1e6, "for 2450 MHz to within 1%, not for 2400 MHz"),
        ({}, {}, 2e6, "for 1 MS/s, not for 2 MS/s"),
        ({"tx_antennas": 2}, {}, 1e6, "of 2x1 antennas, not of 1x1"),
        ({"format": 2}, {}, 1e6, "no profile of format 1"),
    ],
)
def test_a_named_profile_that_does_not_fit(
    tmp_path: Path, others: dict[str, Any], options: dict[str, Any], rate: float, problem: str
) -> None:
    path = write(tmp_path, **others)
    numerology = replace(NARROW, sample_rate=rate)
    with pytest.raises(UsageError, match=problem):
        apply_profile("usrp", asked(**options), 10.0, numerology, profile=path)


def test_a_profile_of_another_rate_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    options, corrections, use = apply_profile(
        "usrp", asked(), 10.0, replace(NARROW, sample_rate=2e6), profiles=tmp_path
    )
    assert options == asked()
    assert use is None
    assert corrections == Corrections(highest_freq_hz=2.4835e9)
    assert "one.yaml is not used: it is for 1 MS/s, not for 2 MS/s" in capsys.readouterr().err


def test_without_profiles_no_device_is_looked_for(tmp_path: Path, connected: type[Device]) -> None:
    write(tmp_path, radio="pluto")
    for folder in (tmp_path, tmp_path / "none"):
        found = apply_profile("usrp", asked(), 10.0, NARROW, profiles=folder)
        assert found == (asked(), Corrections(), None)
    assert connected.asked == 0


def test_a_radio_that_is_no_device(tmp_path: Path) -> None:
    options = LoopbackConfig.model_validate({})
    assert apply_profile("loopback", options, 10.0, NARROW)[0] is options
    with pytest.raises(UsageError, match="loopback is no device"):
        apply_profile("loopback", options, 10.0, NARROW, profile=write(tmp_path))


def test_the_limits_of_all_profiles_of_a_device_hold(tmp_path: Path) -> None:
    """Also with the latest that holds, with one that is named, and with none that holds."""
    write(tmp_path, "low.yaml", limits={"lowest_freq_hz": 2.4e9}, rate_hz=5e6)
    write(tmp_path, "lower.yaml", limits={"lowest_freq_hz": 2.3e9, "highest_freq_hz": 2.46e9})
    write(tmp_path, "other.yaml", serial="F00", limits={"highest_freq_hz": 1e9})
    latest = write(tmp_path, "latest.yaml", date="2026-12-01T00:00:00Z")
    (tmp_path / "folder").mkdir()
    elsewhere = write(tmp_path / "folder", limits={"lowest_freq_hz": 2.41e9})
    options = asked(gain_rx_db=40.0, gain_tx_db=3.0)
    for named, rate, low in (
        (None, 1e6, 2.4e9),
        (None, 3e6, 2.4e9),
        (latest, 1e6, 2.4e9),
        (elsewhere, 1e6, 2.41e9),
    ):
        numerology = replace(NARROW, sample_rate=rate)
        _, found, _ = apply_profile("usrp", options, None, numerology, named, tmp_path)
        assert (found.lowest_freq_hz, found.highest_freq_hz) == (low, 2.46e9)
    allowed = limits_of_device("usrp", options, tmp_path)
    assert allowed == Corrections(lowest_freq_hz=2.4e9, highest_freq_hz=2.46e9)
