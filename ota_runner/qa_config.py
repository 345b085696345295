# SPDX-License-Identifier: GPL-3.0-or-later
"""Options: layers, names, one clear line for each mistake."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ota_runner.config import Layer, asked_for, option_name, own_options, read_layer, resolve
from ota_runner.errors import UsageError


class Dish(BaseModel):
    """Options of a made-up radio."""

    model_config = ConfigDict(extra="forbid")

    snr_db: float = 3.0
    seed: int = 7
    lo_offset_hz: Annotated[float, Field(ge=-1e6, le=1e6, description="offset in Hz")] = 0.0
    ramp_up_s: float = 0.0
    mode: str = "plain"

    @model_validator(mode="after")
    def _no_offset_while_ramping(self) -> Self:
        if self.lo_offset_hz and self.ramp_up_s:
            raise ValueError("lo_offset_hz excludes ramp_up_s: leave one out, not tx_power")
        return self


class Zoom(BaseModel):
    """Options of a made-up scheme."""

    model_config = ConfigDict(extra="forbid")

    depth: Annotated[int, Field(ge=1, le=8, description="bits a value, 1 to 8")] = 8
    margin_db: float = 1.5


def typed(**values: Any) -> Layer:
    return Layer(None, values)


def file(**values: Any) -> Layer:
    return Layer("run.yaml", values)


def test_command_line_beats_file_beats_defaults() -> None:
    settings = resolve([file(snr=3, seed=5), typed(snr=4.5)], Dish)
    assert (settings.run.snr, settings.run.seed, settings.run.scheme) == (4.5, 5, "adjscc")


def test_radio_is_known_before_validation() -> None:
    assert asked_for([file(radio="dish"), typed(snr=1)], "radio") == "dish"
    assert asked_for([file(radio="dish"), typed(radio="ideal")], "radio") == "ideal"
    assert asked_for([], "radio") == "loopback"


def test_option_is_field_without_unit() -> None:
    assert option_name("cfo_hz") == "cfo"
    assert option_name("delay_samples") == "delay"
    assert option_name("erase_fragments") == "erase_fragments"
    assert own_options(Dish) == {
        "lo_offset": "lo_offset_hz",
        "ramp_up": "ramp_up_s",
        "mode": "mode",
    }


def test_radio_shares_the_runs_options() -> None:
    settings = resolve([typed(snr=12, seed=9, lo_offset=-20.5)], Dish)
    assert settings.radio == Dish(snr_db=12, seed=9, lo_offset_hz=-20.5)


def test_schemes_have_options_like_radios(tmp_path: Path) -> None:
    settings = resolve([file(depth=3, lo_offset=2), typed(depth=4, margin=2.5)], Dish, Zoom)
    assert settings.scheme == Zoom(depth=4, margin_db=2.5)
    assert settings.radio == Dish(snr_db=10, seed=0, lo_offset_hz=2)
    mapping = settings.as_mapping()
    assert (mapping["depth"], mapping["margin"]) == (4, 2.5)
    assert resolve([file(**mapping)], Dish, Zoom) == settings
    assert resolve([], Dish, Zoom).scheme == Zoom()
    assert resolve([], Dish).scheme is None


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (typed(depht=3), ["--depht", "did you mean `depth`"]),
        (file(depth=9), ["run.yaml: depth 9", "less than or equal to 8", "bits a value, 1 to 8"]),
        (file(margin_db=1), ["run.yaml: margin_db", "did you mean `margin`"]),
    ],
)
def test_mistakes_in_a_schemes_options_give_one_clear_line(layer: Layer, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        resolve([layer], Dish, Zoom)
    for word in words:
        assert word in str(caught.value)


def test_resolved_options_give_the_same_settings_again(tmp_path: Path) -> None:
    settings = resolve([typed(snr=12, lo_offset=5, images=str(tmp_path), output="x")], Dish)
    mapping = settings.as_mapping()
    again = resolve([file(**mapping)], Dish)
    assert again.as_mapping() == mapping
    assert again.radio == settings.radio
    assert mapping["lo_offset"] == 5
    assert "output" not in mapping
    assert mapping["images"] == str(tmp_path)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (file(snrr=3), ["run.yaml: snrr", "did you mean `snr`"]),
        (file(lo_ofset=3), ["run.yaml: lo_ofset", "did you mean `lo_offset`"]),
        (file(lo_offset_hz=3), ["lo_offset_hz", "did you mean `lo_offset`"]),
        (typed(zzz=3), ["--zzz", "there are", "record_iq"]),
        (typed(snr=61), ["--snr 61", "less than or equal to 60", "-20 to 60"]),
        (typed(snr=-20.5), ["--snr", "greater than or equal to -20"]),
        (typed(snr=math.nan), ["--snr nan", "finite"]),
        (typed(snr=math.inf), ["--snr inf"]),
        (typed(cbr=0.0), ["--cbr", "greater than 0"]),
        (typed(seed=-1), ["--seed"]),
        (file(seed=1.5), ["run.yaml: seed"]),
        (typed(lo_offset=2e6), ["--lo-offset", "offset in Hz"]),
        (typed(numerology="huge"), ["--numerology", "narrow"]),
    ],
)
def test_mistakes_give_one_clear_line(layer: Layer, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        resolve([layer], Dish)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [typed(lo_offset=3, ramp_up=1)],
            "--lo-offset excludes --ramp-up: leave one out, not tx_power",
        ),
        (
            [file(lo_offset=3, ramp_up=1)],
            "run.yaml: lo_offset excludes ramp_up: leave one out, not tx_power",
        ),
        ([typed(trace_k=3)], "--trace-k goes with --snr-trace rician"),
        ([file(trace_k=3)], "run.yaml: trace_k goes with snr_trace rician"),
    ],
)
def test_a_mistake_in_several_options_is_told_in_their_names(
    layers: list[Layer], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(layers, Dish)
    assert str(caught.value) == message


def test_file_takes_dashes_and_underscores(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("record-iq: true\nsnr: 4\n")
    assert read_layer(path).values == {"record_iq": True, "snr": 4}
    path.write_text("")
    assert read_layer(path).values == {}


@pytest.mark.parametrize("text", ["- snr\n", "snr", "1: 2\n", "snr: [3\n", "a: \x00"])
def test_file_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"run\.yaml") as caught:
        read_layer(path)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nothing\.yaml"):
        read_layer(tmp_path / "nothing.yaml")
