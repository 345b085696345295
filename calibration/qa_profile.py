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
    assert path.name == "simulated-10-4-0-2450MHz-1MSps.yaml"
    write_profile(made, path)
    assert read_profile(path) == made
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    plain = yaml.safe_load(path.read_text())
    assert plain["format"] == 1
    assert plain["wiring"] == {"cabled_db": 60.0}
    assert plain["limits"]["highest_gain_tx_db"] == 0.0
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
