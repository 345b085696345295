# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles are kept whole, and read with care."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from semcom_calibration import profile as profile_module
from semcom_calibration.procedures import Calibration
from semcom_calibration.profile import (
    Profile,
    ProfileError,
    file_name,
    make_profile,
    read_profile,
    write_profile,
)
from semcom_calibration.profile_folder import default_folder, profiles_in


@pytest.fixture
def made(simulated: Callable[..., Any]) -> Profile:
    calibration = Calibration(simulated(serial="10:4/0"), 12.0)
    calibration.run(["noise_floor", "receive_gain", "dc_offset"], lambda name: None)
    return make_profile(calibration, 60.0)


def test_there_and_back(made: Profile, tmp_path: Path) -> None:
    path = tmp_path / "new" / file_name(made)
    assert path.name == "simulated-10-4-0-2450MHz-1MSps-1x1.yaml"
    write_profile(made, path)
    assert read_profile(path) == made
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    plain = yaml.safe_load(path.read_text())
    assert plain["format"] == 1
    assert plain["wiring"] == {"cabled_db": 60.0}
    assert plain["limits"]["highest_gain_tx_db"] is None
    assert plain["results"]["snr_table"] is None


def test_an_old_profile_stays_until_the_new_one_is_whole(
    made: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.yaml"
    write_profile(made, path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(profile_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_profile(made.model_copy(update={"serial": "2"}), path)
    assert read_profile(path).serial == made.serial
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"format": 2}, "format: "),
        ({"rate_hz": -1}, "rate_hz: "),
        ({"rate_hz": float("nan")}, "rate_hz: "),
        ({"date": "2026-11-20T12:00:00"}, "date: "),
        ({"extra": 1}, "extra: "),
        ({"rx_antennas": 2}, "dc_offset is of 1 antennas, not 2"),
    ],
)
def test_what_is_no_profile(
    made: Profile, tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump({**made.model_dump(mode="json"), **change}))
    with pytest.raises(ProfileError, match=problem) as raised:
        read_profile(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["noise_floor", "receive_gain", "dc_offset", "snr_table"])
def test_points_that_make_no_curve(made: Profile, tmp_path: Path, name: str) -> None:
    path = tmp_path / "one.yaml"
    plain = made.model_dump(mode="json")
    points = [{"gain_tx_db": gain, "snr_db": gain} for gain in (1.0, 2.0)]
    table = {"gain_rx_db": 40.0, "backoff_db": 12.0, "occupied": 0.8, "points": points}
    plain["results"]["snr_table"] = table
    path.write_text(yaml.safe_dump(plain))
    assert read_profile(path).results.snr_table is not None
    result = plain["results"][name]
    for wrong, problem in (([], "at least"), (result["points"][::-1], "does not ascend")):
        plain["results"][name] = {**result, "points": wrong}
        path.write_text(yaml.safe_dump(plain))
        with pytest.raises(ProfileError, match=f"results.{name}.points: .*{problem}"):
            read_profile(path)


@pytest.mark.parametrize(
    ("change", "kept"),
    [({}, True), ({"serial": "2"}, False), ({"rate_hz": 2e6}, False), ({"tx_antennas": 2}, False)],
)
def test_what_results_are_kept_for(
    made: Profile, simulated: Callable[..., Any], change: dict[str, Any], kept: bool
) -> None:
    bench = simulated(**{"serial": made.serial, **change})
    assert made.kept_by(bench, 60.0) == kept
    assert not made.kept_by(bench, 40.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: [", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"!!python/object/apply:os.system [ls]", "is not YAML"),
        (b"- 1", "is no profile"),
        (b"", "is no profile"),
        (b"#" * (1 << 20) + b"#", "larger than"),
    ],
)
def test_what_is_none_at_all(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_bytes(text)
    with pytest.raises(ProfileError, match=problem):
        read_profile(path)
    with pytest.raises(ProfileError, match="cannot read"):
        read_profile(tmp_path / "none.yaml")


def test_the_latest_first(made: Profile, tmp_path: Path) -> None:
    for name, year in (("b", 2025), ("a", 2027), ("c", 2026)):
        date = made.date.replace(year=year)
        write_profile(made.model_copy(update={"date": date}), tmp_path / f"{name}.yaml")
    (tmp_path / "d.yaml").write_text("")
    found, problems = profiles_in(tmp_path)
    assert [path.stem for path, _ in found] == ["a", "c", "b"]
    assert len(problems) == 1
    assert profiles_in(tmp_path / "none") == ([], [])


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "gr-semcom" / "profiles"
    # The specification: "If an implementation encounters a relative path, it should ignore it."
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    assert default_folder() == Path.home() / ".config" / "gr-semcom" / "profiles"
