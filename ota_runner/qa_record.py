# SPDX-License-Identifier: GPL-3.0-or-later
"""Run folders: records survive a kill, folders are not overwritten."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ota_runner.errors import UsageError
from ota_runner.record import (
    DigitalRecord,
    FrameRecords,
    PictureRecord,
    RunFolder,
    first_difference,
    write_atomically,
)
from semcom_phy.exchange import CodecLabel, PictureHeader, SectionEntry
from semcom_phy.header import MAX_FRAGMENTS, FrameHeader, validate

RECORDS = [
    PictureRecord(picture=0, name="a", status="completed", psnr_db=30.5, error=None),
    PictureRecord(picture=1, name="ä\n2", status="failed", error="no such thing"),
    PictureRecord(picture=2, name="c", status="lost", fragments_sent=3),
]


def folder_of(path: Path, records: list[PictureRecord]) -> RunFolder:
    folder = RunFolder.create(path, "linear", "ideal")
    for record in records:
        folder.append(record)
    return folder


def test_records_come_back(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run", RECORDS)
    assert folder.records() == RECORDS
    assert len((folder.path / "images.jsonl").read_text().splitlines()) == 3


def test_records_from_before_sections_of_bits_were_recorded(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run", [])
    old = json.loads(RECORDS[0].model_dump_json())
    del old["digital"], old["notes"], old["frames"]
    (folder.path / "images.jsonl").write_text(json.dumps(old) + "\n")
    assert folder.records() == [RECORDS[0]]


def test_sections_and_notes_come_back(tmp_path: Path) -> None:
    sections = (
        DigitalRecord(mcs="a", efficiency=0.5, bits=9, ok=True, valid_bits=9, wrong=True),
        DigitalRecord(mcs="capacity", efficiency=3.4, bits=7),
    )
    notes: dict[str, str | float] = {"quality": 35.0, "engine": "x"}
    record = RECORDS[0].model_copy(update={"digital": sections, "notes": notes})
    assert folder_of(tmp_path / "run", [record]).records() == [record]


def test_frames_come_back(tmp_path: Path) -> None:
    frames = FrameRecords(snr_db=(9.5, None), cfo_hz=(-3.25, None), gain_db=(((0.5, -1.0),),))
    record = RECORDS[0].model_copy(update={"frames": frames})
    assert folder_of(tmp_path / "run", [record]).records() == [record]


def test_later_record_of_a_picture_wins(tmp_path: Path) -> None:
    again = RECORDS[1].model_copy(update={"status": "completed", "error": None})
    folder = folder_of(tmp_path / "run", [*RECORDS, again])
    assert folder.records() == [RECORDS[0], again, RECORDS[2]]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(cut=st.integers(min_value=0, max_value=10_000))
def test_kill_at_any_byte_loses_one_record_at_most(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    folder = folder_of(tmp_path_factory.mktemp("run"), RECORDS)
    file = folder.path / "images.jsonl"
    size = file.stat().st_size
    cut %= size + 1
    whole = file.read_bytes()[:cut].count(b"\n")
    os.truncate(file, cut)
    assert folder.records() == RECORDS[:whole]
    folder.mend()
    for record in RECORDS[whole:]:
        folder.append(record)
    assert folder.records() == RECORDS
    assert file.stat().st_size == size


def test_damage_elsewhere_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "run", RECORDS)
    file = folder.path / "images.jsonl"
    file.write_text(file.read_text().replace('"lost"', '"strange"'))
    with pytest.raises(UsageError, match=r"line 3 of .*images\.jsonl is damaged: status"):
        folder.records()


def test_records_hold_no_nan() -> None:
    with pytest.raises(ValidationError):
        PictureRecord(picture=0, name="a", status="completed", psnr_db=float("nan"))


@pytest.mark.parametrize(
    "fields",
    [
        {"height": -(10**6), "width": 10},
        {"height": 10, "width": 0},
        {"fragments_sent": 10**6},
        {"fragments_sent": 3, "fragments_received": -1},
        {"fragments_sent": 3, "fragments_lost": [-1]},
        {"fragments_sent": 3, "fragments_lost": [10**6]},
        {"frames": {"snr_db": [9.0, 8.0], "cfo_hz": [0.0]}},
        {"frames": {"snr_db": [9.0] * 5000, "cfo_hz": [0.0] * 5000}},
        {"sent": "/etc/motd"},
        {"sent": "sent/../../other.png"},
        {"received": "received/" + 300 * "a"},
    ],
)
def test_records_of_what_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    """Whoever reads them goes by their counts, sizes and file names."""
    with pytest.raises(ValidationError):
        PictureRecord.model_validate({"picture": 0, "name": "a", "status": "completed", **fields})


def test_records_hold_as_many_fragments_as_a_header_can_say() -> None:
    header = PictureHeader(0, 8, 8, CodecLabel(1), (SectionEntry(False, 64),))
    validate(FrameHeader(header, 0, MAX_FRAGMENTS))
    with pytest.raises(ValueError, match="fragments"):
        validate(FrameHeader(header, 0, MAX_FRAGMENTS + 1))
    lost = tuple(range(MAX_FRAGMENTS))
    sent = {"fragments_sent": MAX_FRAGMENTS, "fragments_lost": lost}
    assert RECORDS[2].model_validate({**RECORDS[2].model_dump(), **sent}).fragments_lost == lost


def test_folder_with_a_run_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, RECORDS[:1])
    with pytest.raises(UsageError, match="holds a run already: give --resume"):
        RunFolder.create(tmp_path, "linear", "ideal")


def test_folder_with_other_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    folder = RunFolder.create(tmp_path, "linear", "ideal")
    folder.abandon()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "sent").exists()


def test_default_folders_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    today = date.today().isoformat()
    names = [RunFolder.create(None, "linear", "ideal").path for _ in range(3)]
    base = f"runs/{today}-linear-ideal"
    assert [str(name) for name in names] == [base, f"{base}-2", f"{base}-3"]


@pytest.mark.parametrize("there", [False, True])
def test_abandoned_folder_is_as_before(tmp_path: Path, there: bool) -> None:
    output = tmp_path / "run"
    if there:
        output.mkdir()
    RunFolder.create(output, "linear", "ideal").abandon()
    assert output.exists() == there
    assert not there or not list(output.iterdir())


def test_recordings_of_a_resumed_run_do_not_replace_the_old(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "linear", "loopback")
    for expected in ("iq", "iq/part-2", "iq/part-3"):
        new = folder.new_iq()
        assert new == folder.path / expected
        new.mkdir(parents=True, exist_ok=True)
        (new / "sent-0.sigmf-data").touch()


@pytest.mark.parametrize("place", ["file/run", "file"])
def test_unwritable_output(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot write to .* give another --output"):
        RunFolder.create(tmp_path / place, "linear", "ideal")


def test_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        RunFolder.open(tmp_path)


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    write_atomically(file, json.dumps({"format": 1}))
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "half\ud800")
    assert json.loads(file.read_text()) == {"format": 1}


def test_first_difference() -> None:
    assert first_difference({"a": 1, "b": 2}, {"b": 2, "a": 1}) is None
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b"
    assert first_difference({"a": 1}, {"a": 1, "c": 3}) == "c"
