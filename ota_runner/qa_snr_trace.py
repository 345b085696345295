# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces: from files, from fading; how many pictures they send."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ota_runner.config import RunConfig
from ota_runner.errors import UsageError
from ota_runner.pictures import go_round, open_pictures
from ota_runner.radios import IdealOptions, RadioChoice, choose_radio
from ota_runner.schedule import schedule
from ota_runner.snr_trace import read_trace, snr_trace


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    path.write_text("10\n-3.5\n0\n60\n-20\n")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "1\n2.5\n-3",
        "snr_db\n1\n2.5\n-3\n",
        "\ufeffSNR in dB\r\n1\r\n\r\n2.5\r\n-3\r\n",
        "1e0\n 2.5\n-3 ",
    ],
)
def test_files_are_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(text, encoding="utf-8", newline="")
    assert read_trace(tmp_path / "trace") == [1, 2.5, -3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\nnan\n", "line 2 of .*trace is 'nan': write one SNR in dB, -20 to 60"),
        ("nan\n1\n", "line 1 .* 'nan'"),
        ("snr\n1\n\ninf\n", "line 4 .* 'inf'"),
        ("1\n2\n60.1", "line 3 .* '60.1'"),
        ("-20.5\n", "line 1 .* '-20.5'"),
        ("1\nsnr\n", "line 2 .* 'snr'"),
        ("snr\nsnr\n1\n", "line 2 .* 'snr'"),
        ("1,5\n", "line 1 .* '1,5'"),
        ("frame,snr\n0,5\n", "line 1 .* 'frame,snr'"),
        ("", "holds no values"),
        ("snr_db\n\n", "holds no values"),
    ],
)
def test_what_is_no_snr_is_told_by_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        read_trace(tmp_path / "trace")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read raylegh .* or rayleigh, rician or walk"):
        read_trace(Path("raylegh"))
    with pytest.raises(UsageError, match="Is a directory"):
        read_trace(tmp_path)
    (tmp_path / "trace").write_bytes(b"\xff\xfe1\x00")
    with pytest.raises(UsageError, match="no text file"):
        read_trace(tmp_path / "trace")


@pytest.mark.parametrize(("count", "pictures"), [(None, 5), (1, 1), (5, 5)])
def test_a_file_says_how_many_pictures(file: Path, count: int | None, pictures: int) -> None:
    trace = snr_trace(RunConfig(snr_trace=str(file), count=count), 3)
    assert trace == [10, -3.5, 0, 60, -20][:pictures]


def test_a_file_of_too_few_values_is_told(file: Path) -> None:
    with pytest.raises(UsageError, match=r"--count 6: .* holds 5 values"):
        snr_trace(RunConfig(snr_trace=str(file), count=6), 3)


def test_fading_sends_each_picture_once_or_as_asked() -> None:
    assert snr_trace(RunConfig(), 3) is None
    once, more = (
        snr_trace(RunConfig(snr_trace="rayleigh", seed=5, count=count), 3) for count in (None, 9)
    )
    assert once is not None
    assert more is not None
    assert (len(once), len(more)) == (3, 9)
    assert more[:3] == once
    assert snr_trace(RunConfig(snr_trace="rayleigh", seed=6), 3) != once


@pytest.mark.parametrize(
    ("options", "power_deviation"),
    [
        ({"snr_trace": "rayleigh"}, 1.0),
        ({"snr_trace": "rician", "trace_k": 10}, np.sqrt(21) / 11),
    ],
)
def test_fading_is_around_the_snr_asked_for(
    options: dict[str, Any], power_deviation: float
) -> None:
    """Mean and deviation of the power over 300 runs of 10 pictures that fade independently."""
    power = []
    for seed in range(300):
        run = RunConfig(snr=5, seed=seed, trace_doppler=37.7, count=10, **options)
        trace = snr_trace(run, 1)
        assert trace is not None
        power += [10 ** ((value - 5) / 10) for value in trace]
    assert np.mean(power) == pytest.approx(1, abs=4.5 * power_deviation / np.sqrt(3000))
    assert np.std(power) == pytest.approx(power_deviation, rel=0.15)


def test_doppler_makes_it_faster() -> None:
    def steps(doppler: float | None) -> float:
        run = RunConfig(snr_trace="rician", trace_doppler=doppler, count=200)
        return float(np.abs(np.diff(snr_trace(run, 1) or [])).mean())

    assert steps(0.0) == 0
    assert 0 < steps(0.01) < steps(None) < steps(0.3)


def test_fades_end_at_the_edge_of_the_range() -> None:
    run = RunConfig(snr=-18, snr_trace="rayleigh", count=500, trace_doppler=0.4)
    trace = snr_trace(run, 1)
    assert trace is not None
    assert min(trace) == -20
    assert max(trace) < 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trace_doppler": 0.1}, "--trace-doppler goes with --snr-trace rayleigh or rician"),
        ({"trace_doppler": 0.1, "snr_trace": "x.csv"}, "--trace-doppler goes with"),
        ({"trace_k": 3, "snr_trace": "rayleigh"}, "--trace-k goes with --snr-trace rician"),
        ({"trace_step": 3, "snr_trace": "rician"}, "--trace-step goes with --snr-trace walk"),
        ({"count": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RunConfig(**options)


def test_a_walk_stays_in_its_range_and_depends_on_the_seed() -> None:
    def walk(**options: Any) -> np.ndarray:
        values = snr_trace(RunConfig(snr_trace="walk", **options), 2000)
        assert values is not None
        return np.array(values)

    first = walk(seed=1, snr=3)
    assert first[0] == 3
    assert first.min() >= 0
    assert first.max() <= 20
    assert first.min() < 1
    assert first.max() > 19
    np.testing.assert_array_equal(first, walk(seed=1, snr=3))
    assert not np.array_equal(first, walk(seed=2, snr=3))
    for step in (0.3, 1.0):
        moves = np.diff(walk(trace_step=step))
        assert np.sqrt(np.mean(moves**2)) == pytest.approx(step, rel=0.1)
        assert np.abs(moves).max() < 6 * step
    # Reflected at both ends, it is everywhere alike.
    many = np.concatenate([walk(seed=seed, trace_step=8) for seed in range(10)])
    counts, _ = np.histogram(many, 10, (0, 20))
    assert counts == pytest.approx(np.full(10, 2000), rel=0.1)


@pytest.mark.parametrize("snr", [-0.1, 20.1])
def test_a_walk_begins_in_its_range(snr: float) -> None:
    with pytest.raises(UsageError, match="a walk begins within 0 to 20 dB"):
        snr_trace(RunConfig(snr_trace="walk", snr=snr), 3)


def test_pictures_go_round(pictures: Path) -> None:
    found = open_pictures(pictures)
    assert go_round(found, 2) == found[:2]
    seven = go_round(found, 7)
    assert [picture.number for picture in seven] == list(range(7))
    assert [picture.name for picture in seven[:4]] == [*(p.name for p in found), "black (2)"]
    assert len({picture.name for picture in seven}) == 7
    assert len({picture.file_name for picture in seven}) == 7
    assert seven[4].load().equal(found[1].load())


def test_a_schedule_has_a_picture_for_every_value(pictures: Path, file: Path) -> None:
    ideal = choose_radio("ideal")
    plan = schedule(RunConfig(images=pictures, snr_trace=str(file)), ideal)
    assert plan.trace_db is not None
    assert len(plan.pictures) == len(plan.trace_db) == 5
    for count, number in ((None, 3), (4, 4)):
        plan = schedule(RunConfig(images=pictures, count=count), ideal)
        assert (len(plan.pictures), plan.trace_db) == (number, None)


def test_a_radio_with_a_channel_of_its_own_takes_no_trace(pictures: Path) -> None:
    def never(*_: object) -> Any:
        raise AssertionError("no radio is opened")

    dish = RadioChoice("dish", IdealOptions, never)
    message = "the SNR of --radio dish cannot be set: use --radio loopback or ideal"
    with pytest.raises(UsageError, match=re.escape(message)):
        schedule(RunConfig(images=pictures, snr_trace="rayleigh"), dish)


def test_the_loopback_takes_a_trace() -> None:
    pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")
    assert choose_radio("loopback").simulated
