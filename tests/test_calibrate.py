# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner calibrate`` on virtual radios whose faults are known, and a run by its profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gnuradio.semcom.radios import Corrections, RadioOpenError, pluto_bench
from gnuradio.semcom.radios.bench import GainRange
from gnuradio.semcom.radios.device import require_leave_to_transmit
from gnuradio.semcom.radios.pluto import PlutoConfig, PlutoRadio

from ota_runner.cli import execute
from ota_runner.errors import ExitCode
from semcom_calibration.conftest import SimulatedBench
from semcom_calibration.profile import Limits, Profile, read_profile, write_profile
from semcom_virtual.processes import VirtualRadios

FAULTS = ("--rx-iq-gain", 0.5, "--rx-iq-phase", -2, "--tx-iq-gain", 0.3, "--rx-dc", 0.01, -0.02)


def ota_runner(
    *words: object, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ota_runner", *map(str, words)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=150,
    )


def require_corrections(profile: Profile) -> None:
    """The receiver's offset and image are those that were put in."""
    dc, iq = profile.results.dc_offset, profile.results.iq_imbalance
    assert dc is not None
    assert dc.at(profile.receive_with_db) == pytest.approx(
        [0.01 - 0.02j] * profile.rx_antennas, abs=1e-4
    )
    assert iq is not None
    assert iq.gain_db == pytest.approx([0.5] * profile.rx_antennas, abs=0.02)
    assert iq.phase_deg == pytest.approx([-2.0] * profile.rx_antennas, abs=0.1)


def forbid_its_frequency(path: Path) -> None:
    """As a person does who edits the limits of a profile."""
    edited = read_profile(path).model_copy(update={"limits": Limits(highest_freq_hz=2.4e9)})
    write_profile(edited, path)


def test_usrp_and_a_run_by_its_profile(tmp_path: Path, small_samples: Path) -> None:
    profiles = tmp_path / "profiles"
    with VirtualRadios("--usrp", 1, *FAULTS) as radios:
        device = ("--radio", "usrp", "--args", radios.usrp_args)
        device += ("--cabled", 60, "--profiles", profiles)
        environment = radios.usrp_environment
        calibrated = ota_runner("calibrate", *device, environment=environment)
        assert calibrated.returncode == 0, calibrated.stderr
        (path,) = profiles.iterdir()
        require_profile_of_usrp(read_profile(path))
        # The wiring is told before anything is measured.
        assert calibrated.stderr.index("60 dB -> receive") < calibrated.stderr.index("measuring")
        assert "iq imbalance" in calibrated.stdout

        words = ("--scheme", "linear", "--images", small_samples, "--count", 1, "--json")
        run = ota_runner(
            *device, *words, "--snr", 12, "--output", tmp_path / "run", environment=environment
        )
        assert run.returncode == 0, run.stderr
        summary = json.loads(run.stdout)
        assert summary["snr_db"]["estimated_mean"] == pytest.approx(12.0, abs=0.5)
        assert summary["channel"]["profile"]["path"] == str(path)
        assert "--gain-tx" in run.stderr

        forbid_its_frequency(path)
        refused = ota_runner("calibrate", *device, environment=environment)
        assert refused.returncode == ExitCode.USAGE, refused.stderr
        assert "outside of what the device's profile allows" in refused.stderr


def require_profile_of_usrp(profile: Profile) -> None:
    require_corrections(profile)
    assert profile.radio == "usrp"
    assert profile.limits.highest_gain_tx_db == profile.gain_tx.high_db
    results = profile.results
    noise, delay, clock = results.noise_floor, results.loopback_delay, results.clock_offset
    assert noise is not None
    # One device's noise figure at all its gains, behind the converter's steps at low ones.
    loudest = noise.points[-1]
    assert noise.least_useful_gain_db() < loudest.gain_rx_db - 20
    assert loudest.power_dbfs[0] < 0
    assert delay is not None
    assert delay.deviation_samples < 0.01
    # Both halves have one oscillator.
    assert clock is not None
    assert clock.offset_ppm == pytest.approx(0.0, abs=0.02)
    assert results.carrier_offset is not None
    assert results.carrier_offset.offset_hz == pytest.approx(0.0, abs=0.5)
    for curve in (results.receive_gain, results.transmit_gain):
        assert curve is not None
        assert curve.slope_db_per_db == pytest.approx(1.0, abs=0.02)
    assert results.receive_gain is not None
    assert results.receive_gain.compression_dbfs == pytest.approx(0.9, abs=0.3)


def test_pluto_of_two_channels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pluto.yaml"
    channels = ("--rx-channel-gain", 1.5, "--rx-channel-phase", 40)
    with VirtualRadios("--pluto", 1, "--antennas", 2, *channels, *FAULTS) as radios:
        uri = radios.pluto_uri
        words = ["calibrate", "--radio", "pluto", "--uri", uri, "--output", str(path)]
        assert execute(words) == ExitCode.USAGE
        assert "--i-have-a-licence" in capsys.readouterr().err
        words += ["--cabled", "60", "--antennas", "2x2", "--gain-rx", "50"]
        assert execute([*words, "--only", "dc-offset,iq-imbalance,channels"]) == ExitCode.DONE
        profile = read_profile(path)
        forbid_its_frequency(path)
        assert execute(words) == ExitCode.USAGE
        assert "outside of what the device's profile allows" in capsys.readouterr().err
    require_corrections(profile)
    assert profile.receive_with_db == 50.0
    assert profile.results.snr_table is None
    found = profile.results.channels
    assert found is not None
    # Each antenna is joined to its like.
    assert found.gain_db[0][1] is found.gain_db[1][0] is None
    assert found.gain_db[1][1] == pytest.approx(1.5, abs=0.02)
    assert found.phase_deg[1][1] == pytest.approx(40.0, abs=0.2)
    before = path.read_bytes()
    assert execute(words) == ExitCode.RADIO
    assert path.read_bytes() == before


@pytest.fixture
def pluto(monkeypatch: pytest.MonkeyPatch) -> SimulatedBench:
    """A device on the bench of ``--radio pluto``; it has what it was opened with."""
    bench = SimulatedBench(
        radio="pluto", gain_tx=GainRange(-60.0, 0.0, 20.0), gain_rx=GainRange(40.0, 60.0, 10.0)
    )

    def open_bench(config: PlutoConfig, *asked: object) -> SimulatedBench:
        assert isinstance(asked[-1], Corrections)
        require_leave_to_transmit("pluto", config, bench.gain_tx.low, asked[-1])
        return bench

    monkeypatch.setattr(pluto_bench, "open_bench", open_bench)
    monkeypatch.setattr(PlutoRadio, "serial_number", lambda config: bench.serial)
    return bench


def test_some_results_anew_and_limits_that_a_person_wrote(
    pluto: SimulatedBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", "--radio", "pluto", "--cabled", "60", "--profiles", str(tmp_path)]
    assert execute([*words, "--only", "noise-floor,snr-table"]) == ExitCode.DONE
    (path,) = tmp_path.iterdir()
    first = read_profile(path)
    edited = Limits(highest_gain_tx_db=-20.0, lowest_freq_hz=2.4e9, highest_freq_hz=2.46e9)
    write_profile(first.model_copy(update={"limits": edited}), path)
    capsys.readouterr()
    assert execute([*words, "--only", "noise-floor", "--gain-tx", "-40"]) == ExitCode.DONE
    said = capsys.readouterr().err
    assert "kept from the profile before: snr_table" in said
    assert "limits of frequency, 2400 MHz to 2460 MHz" in said
    second = read_profile(path)
    assert second.limits == edited
    assert second.results.snr_table == first.results.snr_table
    assert second.gain_tx == first.gain_tx

    other = tmp_path / "other" / "one.yaml"
    write_profile(second, other)
    words = [*words[:-1], str(tmp_path / "none"), "--output", str(other), "--only", "dc-offset"]
    assert execute([*words, "--freq", "2.47e9"]) == ExitCode.USAGE
    assert "outside of what the device's profile allows" in capsys.readouterr().err
    words[words.index("60")] = "70"
    assert execute(words) == ExitCode.DONE
    assert "no result is kept" in capsys.readouterr().err
    third = read_profile(other)
    assert third.results.snr_table is None
    # The gain was for another cable.
    assert third.limits == edited.model_copy(update={"highest_gain_tx_db": None})

    other.write_text("limits: {lowest_freq_hz: 2.4 GHz}")
    assert execute(words) == ExitCode.USAGE
    assert f"move {other} away first" in capsys.readouterr().err


def test_a_setting_that_is_refused(
    pluto: SimulatedBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(gain_db: float) -> float:
        raise RadioOpenError("gain refused")

    monkeypatch.setattr(pluto, "set_gain_rx_db", refuse)
    words = ["calibrate", "--radio", "pluto", "--cabled", "60", "--output", str(tmp_path / "a")]
    assert execute(words) == ExitCode.RADIO


def test_antennas_take_a_highest_gain(
    pluto: SimulatedBench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["calibrate", "--radio", "pluto", "--i-have-a-licence", "--only", "snr-table"]
    words += ["--output", str(tmp_path / "a.yaml"), "--gain-rx", "50"]
    assert execute(words) == ExitCode.USAGE
    assert "--gain-tx is missing" in capsys.readouterr().err
    assert execute([*words, "--gain-tx", "-20"]) == ExitCode.DONE
    assert pluto.highest_gain_tx_db == -20.0


def test_what_cannot_be_calibrated(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["calibrate", "--radio", "loopback"]) == ExitCode.USAGE
    assert "is no device: calibrate one of usrp, pluto" in capsys.readouterr().err
    assert execute(["calibrate", "--radio", "pluto", "--only", "gain"]) == ExitCode.USAGE
    assert "--only: no procedure 'gain': there are noise_floor" in capsys.readouterr().err
