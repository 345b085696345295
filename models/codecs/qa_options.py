# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from semcom_models.codecs.base import Codec
from semcom_models.codecs.options import options_from_yaml
from semcom_models.codecs.registry import PresetInfo, register, unregister


class Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    mcs: str = "adaptive"
    depth: Annotated[int, Field(ge=1, le=9)] = 3


def never_opened(preset: PresetInfo, weights: Path | None) -> Codec:
    raise AssertionError("options are read without opening the codec")


@pytest.fixture(autouse=True)
def scheme() -> Iterator[None]:
    register("knobs", 210, never_opened, options=Knobs)
    yield
    unregister("knobs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Knobs()),
        ("mcs: nr-16qam-2/3", Knobs(mcs="nr-16qam-2/3")),
        ("mcs: table1:13\ndepth: 9", Knobs(mcs="table1:13", depth=9)),
        ("{mcs: adaptive, depth: 1}", Knobs(depth=1)),
    ],
)
def test_options_are_read(text: str, expected: Knobs) -> None:
    assert options_from_yaml("knobs", text) == expected


def test_a_scheme_without_options_has_none() -> None:
    assert options_from_yaml("linear", "") is None
    with pytest.raises(ValueError, match="linear has no options"):
        options_from_yaml("linear", "mcs: adaptive")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mcs", "write `name: value`"),
        ("mcs: [", "not YAML"),
        ("msc: adaptive", "no option 'msc': there are mcs, depth"),
        ("1: 2", "no option 1"),
        ("depth: 10", r"knobs\.depth: .* less than or equal to 9"),
        ("depth: deep", r"knobs\.depth"),
    ],
)
def test_mistakes_are_one_line(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        options_from_yaml("knobs", text)
    assert "\n" not in str(caught.value)
