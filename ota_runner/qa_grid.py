# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweep files: what they span, and one clear line for every mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ota_runner.errors import UsageError
from ota_runner.grid import Point, Span, expand, read_sweep
from semcom_models.codecs.separate_mcs import hindsight_candidates


def points(folder: Path, content: dict[str, Any], **typed: Any) -> list[Point]:
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({"radio": "ideal", **content}))
    return expand(read_sweep(file), file.name, typed)


def test_lists_and_spans_are_axes(tmp_path: Path, quantised: str) -> None:
    entries = ["linear", {"scheme": quantised, "depth": [3, 8], "cbr": 0.25}]
    found = points(tmp_path, {"schemes": entries, "snr": {"from": 0, "to": 5, "step": 2.5}})
    assert [(p.label, p.axes) for p in found] == [
        *[("linear", {"snr": snr}) for snr in (0, 2.5, 5)],
        *[(quantised, {"snr": snr, "depth": d}) for snr in (0, 2.5, 5) for d in (3, 8)],
    ]
    assert [str(p.folder) for p in found[:4]] == [
        *("linear/snr=0", "linear/snr=2.5", "linear/snr=5"),
        f"{quantised}/snr=0_depth=3",
    ]
    last = found[-1].settings
    assert (last.run.snr, last.run.cbr, last.scheme.depth) == (5, 0.25, 8)  # type: ignore[union-attr]
    assert found[0].settings.run.cbr is None


def test_a_waveform_of_its_own_names_a_folder_briefly(tmp_path: Path) -> None:
    axis = ["wide", {"base": "wide", "pilots": 8, "name": "sparse"}, {"cyclic_prefix": 32}]
    found = points(tmp_path, {"schemes": ["linear"], "numerology": axis})
    assert str(found[0].folder) == "linear/numerology=wide"
    names = [re.sub(r"-[0-9a-f]{8}$", "", point.folder.name) for point in found]
    assert names == ["numerology=wide", "numerology=sparse", "numerology=custom"]
    assert [point.settings.run.numerology.name for point in found] == ["wide", "sparse", "custom"]


def test_a_schemes_own_value_beats_the_common_one(tmp_path: Path) -> None:
    entries = ["linear", {"scheme": "linear", "label": "robust", "snr": [1, 2], "seed": 7}]
    found = points(tmp_path, {"schemes": entries, "snr": 10, "seed": [3, 4]})
    assert [(p.label, p.settings.run.snr, p.settings.run.seed) for p in found] == [
        *(("linear", 10, 3), ("linear", 10, 4), ("robust", 1, 7), ("robust", 2, 7))
    ]


def test_typed_options_beat_the_file(tmp_path: Path) -> None:
    [point] = points(tmp_path, {"schemes": ["linear"], "images": "there"}, images=Path("here"))
    assert point.settings.run.images == Path("here")
    assert str(point.folder) == "linear"


def test_namesakes_are_named_for_their_options(tmp_path: Path) -> None:
    entries = ["linear", {"scheme": "linear", "preset": "r12"}, {"scheme": "linear", "label": "x"}]
    labels = [point.label for point in points(tmp_path, {"schemes": entries})]
    assert labels == ["linear", "linear r12", "x"]


@pytest.mark.parametrize(
    ("span", "values"),
    [
        ((0, 1, 0.1), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ((0, 1, 0.3), [0, 0.3, 0.6, 0.9]),
        ((0, 0.3, 0.1), [0, 0.1, 0.2, 0.3]),  # 0.3 / 0.1 is a little below 3
        ((-5, -5, 1), [-5]),
    ],
)
def test_steps_do_not_drift(span: tuple[float, float, float], values: list[float]) -> None:
    assert (
        Span.model_validate(dict(zip(("from", "to", "step"), span, strict=True))).values() == values
    )


def test_a_choice_in_hindsight_is_a_run_for_each_candidate(tmp_path: Path) -> None:
    entries = [{"scheme": "jpeg+ldpc", "mcs": "hindsight"}, "jpeg+ldpc"]
    found = points(tmp_path, {"schemes": entries, "snr": [0, 10]})
    chosen = [point for point in found if point.hindsight]
    assert {point.label for point in chosen} == {"jpeg+ldpc (hindsight)"}
    assert {point.hindsight for point in chosen} == {"mcs"}
    for snr in (0.0, 10.0):
        there = [point for point in chosen if point.settings.run.snr == snr]
        candidates = hindsight_candidates(snr)
        assert [p.settings.scheme.mcs for p in there] == list(candidates)  # type: ignore[union-attr]
        assert [p.axes for p in there] == [{"snr": snr, "mcs": mcs} for mcs in candidates]
    assert [p.settings.scheme.mcs for p in found[len(chosen) :]] == ["adaptive"] * 2  # type: ignore[union-attr]
    trace = {"snr_trace": "rayleigh", "count": 9}
    with pytest.raises(UsageError, match="a trace has many: choose mcs adaptive"):
        points(tmp_path, {"schemes": entries, **trace})


SHIPPED = sorted((Path(__file__).parents[1] / "docs" / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_sweeps_of_the_docs(file: Path) -> None:
    found = expand(read_sweep(file), file.name, {})
    assert len({point.label for point in found}) >= 3
    assert {point.settings.run.images for point in found} == {None}


def test_the_docs_have_sweeps() -> None:
    assert {file.stem for file in SHIPPED} >= {"kodak-awgn", "kodak-rate", "fading-trace"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, ["no `schemes`", "[adjscc, linear]"]),
        ({"schemes": []}, ["schemes", "at least 1"]),
        ({"schemes": "linear"}, ["schemes", "list"]),
        ({"schemes": [{"label": "x"}]}, ["schemes.0.scheme", "required"]),
        ({"schemes": ["linear", "liner"]}, ["no scheme 'liner'", "did you mean 'linear'"]),
        ({"schemes": ["linear"], "snrs": [1]}, ["sweep.yaml: snrs", "did you mean `snr`"]),
        (
            {"schemes": [{"scheme": "linear", "sede": 1}]},
            ["sweep.yaml: linear: sede", "did you mean `seed`"],
        ),
        ({"schemes": ["linear"], "snr": [1, "loud"]}, ["sweep.yaml: snr 'loud'", "number"]),
        ({"schemes": ["linear"], "snr": []}, ["axis `snr` has no values"]),
        ({"schemes": ["linear"], "snr": {"from": 0, "to": 9}}, ["axis `snr`", "step", "required"]),
        ({"schemes": ["linear"], "snr": {"from": 9, "to": 0, "step": 1}}, ["from 9 to 0", "below"]),
        ({"schemes": ["linear"], "snr": {"from": 0, "to": 9, "step": 0}}, ["step", "greater"]),
        ({"schemes": ["linear"], "seed": {"from": 0, "to": 1e9, "step": 1}}, ["10000"]),
        ({"schemes": ["linear"], "seed": {"from": -1e308, "to": 1e308, "step": 1e-9}}, ["10000"]),
        ({"schemes": ["linear", "linear"]}, ["2 runs of 'linear'", "different labels"]),
        ({"schemes": ["linear"], "snr": [1, 1.0]}, ["share the folder", "no value twice"]),
        ({"schemes": ["linear"], "output": "x"}, ["`output` is no option", "--output"]),
        ({"scheme": "linear", "schemes": ["linear"]}, ["`scheme` is no option", "`schemes`"]),
        ({"schemes": ["linear"], "cbr": 2}, ["cbr 2", "less than or equal to 1"]),
    ],
)
def test_mistakes(tmp_path: Path, content: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        points(tmp_path, content)
    assert all(part in str(caught.value) for part in said), str(caught.value)
    assert "\n" not in str(caught.value)
