# SPDX-License-Identifier: GPL-3.0-or-later
import fractions
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor

from semcom_models.codecs import presets, registry
from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.registry import (
    BadWeights,
    NoWeights,
    PresetInfo,
    UnknownScheme,
    for_label,
    label_of,
    load,
    preset_of,
    register,
    scheme_info,
    schemes,
    unregister,
)
from semcom_models.codecs.separate import MissingProgram
from semcom_models.codecs.weights import WeightsInfo, load_weights, save_weights, weights_id
from semcom_models.training.recipe import load_recipe
from semcom_phy.exchange import ChannelState, CodecLabel, Reception, Transmission

RECIPES = Path(presets.__file__).parents[1] / "recipes"


class Net(torch.nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.arange(float(width)))


class Knobs(BaseModel):
    mcs: str = "adaptive"


class NetCodec(Codec):
    def __init__(self, preset: PresetInfo, weights: Path | None) -> None:
        self.net = Net()
        if weights is not None:
            load_weights(weights, self.net)
        self.cbr = preset.cbr
        self.label = label_of(preset, weights, rate=7)

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        return []

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        return []


@pytest.fixture
def scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A learned scheme of the user's, and an empty folder in place of the package's weights."""
    (tmp_path / "package").mkdir()
    monkeypatch.setattr(presets, "WEIGHTS_FOLDER", tmp_path / "package")
    register("mine", 200, NetCodec, title="of my own")
    yield "mine"
    unregister("mine")


def write(
    folder: Path,
    preset: str,
    number: int,
    cbr: float = 1 / 6,
    scheme: str = "mine",
    fill: float = 1,
) -> Path:
    net = Net()
    torch.nn.init.constant_(net.scale, fill)
    path = folder / f"{scheme}-{preset}.safetensors"
    save_weights(path, net.state_dict(), WeightsInfo(scheme, preset, number, cbr, {"width": "3"}))
    return path


def test_numbers_are_for_ever() -> None:
    numbers = {scheme.name: scheme.number for scheme in schemes()}
    assert numbers["linear"] == 1
    assert numbers["adjscc"] == 2
    assert numbers["bdjscc"] == 3
    assert len(set(numbers.values())) == len(numbers)


def test_shipped_presets_can_be_told_apart_and_opened() -> None:
    missing = set()
    for scheme in schemes():
        numbers = [preset.number for preset in scheme.presets]
        assert len(set(numbers)) == len(numbers)
        assert sum(preset.default for preset in scheme.presets) <= 1
        for preset in scheme.presets:
            try:
                codec = load(scheme.name, preset.name)
            except MissingProgram:
                missing.add(preset.name)
                continue
            assert for_label(codec.label) is codec
    assert missing <= {"libbpg", "vvc"}  # programs that no package brings


def test_recipes_make_presets_that_can_be_told_apart() -> None:
    made = [load_recipe(path) for path in sorted(RECIPES.glob("*.yaml"))]
    assert len(made) > 1
    first = [recipe for recipe in made if recipe.start is None]  # others go on with theirs
    for identity in ("number", "preset"):
        taken = [(recipe.scheme, getattr(recipe, identity)) for recipe in first]
        assert sorted(set(taken)) == sorted(taken), identity
    numbers = {f"{recipe.scheme}-{recipe.preset}": recipe.number for recipe in made}
    for scheme in schemes():
        for preset in scheme.presets:
            if preset.weights is not None:
                assert numbers[f"{scheme.name}-{preset.name}"] == preset.number


def test_presets_come_from_weights_files_and_cards(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(NoWeights, match="no weights for mine: train"):
        load(scheme)
    package = tmp_path / "package"
    write(package, "b", 1, 1 / 12)
    write(package, "a", 0)
    (package / "mine-b.json").write_text(
        '{"default": true, "note": "n", "reached": {"kodak": {"10": 31.2}}}'
    )
    (info,) = [s for s in schemes() if s.name == scheme]
    assert [(p.name, p.number, p.parameters, p.weights) for p in info.presets] == [
        ("a", 0, 3, "mine-a.safetensors"),
        ("b", 1, 3, "mine-b.safetensors"),
    ]
    assert info.presets[1].reached == {"kodak": {"10": 31.2}}
    assert load(scheme).label.preset == 1
    assert load(scheme, "a").label.preset == 0
    assert load(scheme, cbr=0.1667).label.preset == 0
    with pytest.raises(NoWeights, match=r"CBR of 0.2: there are a \(CBR 0.1667\), b \(CBR 0.08"):
        load(scheme, cbr=0.2)
    with pytest.raises(NoWeights, match=r"there are a \(CBR 0.1667\);"):
        load(scheme, "a", cbr=1 / 12)
    (package / "mine-b.json").write_text('{"reached": [1]}')
    with pytest.raises(BadWeights, match=r"model card .*mine-b.json"):
        schemes()


def test_names_are_helped_along(scheme: str, tmp_path: Path) -> None:
    write(tmp_path / "package", "photo", 0)
    with pytest.raises(UnknownScheme, match=r"no scheme 'linaer': did you mean 'linear'\? "):
        load("linaer")
    with pytest.raises(UnknownScheme, match="did you mean 'adjscc'"):
        load("ADJSCC")
    with pytest.raises(UnknownScheme, match="mine has no preset 'foto': did you mean 'photo'"):
        load(scheme, "foto")
    for cbr in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="cannot be served"):
            load("linear", cbr=cbr)


def test_a_users_weights(scheme: str, tmp_path: Path) -> None:
    write(tmp_path / "package", "photo", 0, fill=1)
    own = write(tmp_path, "photo", 0, fill=2)
    for place in (own, tmp_path):
        codec = load(scheme, weights=place)
        assert isinstance(codec, NetCodec)
        assert codec.net.scale.tolist() == [2, 2, 2]
        assert codec.label == CodecLabel(200, 0, weights_id(own), 7)
    with pytest.raises(BadWeights, match="is not for linear"):
        load("linear", weights=own)
    with pytest.raises(BadWeights, match="no weights file or folder"):
        load(scheme, weights=tmp_path / "none")
    assert {s.name: len(s.presets) for s in schemes(own)}["mine"] == 1


def test_receivers_find_the_very_weights(scheme: str, tmp_path: Path) -> None:
    shipped = write(tmp_path / "package", "photo", 0, fill=1)
    own = write(tmp_path, "photo", 0, fill=2)
    codec = for_label(CodecLabel(200, 0, weights_id(shipped), 99))
    assert isinstance(codec, NetCodec)
    assert codec.net.scale.tolist() == [1, 1, 1]
    unknown = CodecLabel(200, 0, weights_id(own))
    with pytest.raises(NoWeights, match=rf"mine preset 0 with weights {weights_id(own):08x}"):
        for_label(unknown)
    other = for_label(unknown, weights=own)
    assert isinstance(other, NetCodec)
    assert other.net.scale.tolist() == [2, 2, 2]
    assert for_label(unknown) is other
    with pytest.raises(NoWeights):
        for_label(CodecLabel(200, 5, weights_id(shipped)))
    with pytest.raises(UnknownScheme, match="codec number 201"):
        for_label(CodecLabel(201))


def test_presets_that_share_a_number_are_told_apart(scheme: str, tmp_path: Path) -> None:
    shipped = write(tmp_path / "package", "photo", 0, fill=1)
    own = write(tmp_path, "own", 0, fill=2)
    for path in (shipped, own):
        preset = preset_of(CodecLabel(200, 0, weights_id(path)), weights=tmp_path)
        assert (preset.scheme, preset.weights) == (scheme, path.name)


def test_a_scheme_of_any_rate_takes_the_rate_asked_for() -> None:
    fixed = PresetInfo("wide", "only", 3, 1 / 6)
    register("wide", 201, NetCodec, presets=[fixed], any_cbr=True)
    try:
        codec = load("wide", cbr=0.3)
        assert isinstance(codec, NetCodec)
        assert codec.cbr == 0.3
        assert codec.label == CodecLabel(201, 3, 0, 7)
    finally:
        unregister("wide")
    with pytest.raises(UnknownScheme):
        load("wide")
    with pytest.raises(UnknownScheme):
        for_label(codec.label)


def test_options_and_bounds_are_told() -> None:
    register("knobs", 201, NetCodec, options=Knobs, bound=True)
    try:
        assert (scheme_info("knobs").options, scheme_info("knobs").bound) == (Knobs, True)
    finally:
        unregister("knobs")
    assert (scheme_info("linear").options, scheme_info("linear").bound) == (None, False)
    with pytest.raises(UnknownScheme, match="did you mean 'linear'"):
        scheme_info("linaer")


def test_options_named_by_module_are_imported_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = registry._Scheme("lazy", 201, "", NetCodec, options="fractions:Fraction")
    monkeypatch.setitem(registry._SCHEMES, "lazy", entry)
    assert scheme_info("lazy").options is fractions.Fraction


def test_registration_is_checked(scheme: str) -> None:
    good = PresetInfo("other", "p", 0, 0.1)
    with pytest.raises(ValueError, match="128 to 255"):
        register("other", 127, NetCodec)
    with pytest.raises(ValueError, match="'mine' is registered as number 200"):
        register("other", 200, NetCodec)
    with pytest.raises(ValueError, match="'linear' is registered as number 1"):
        register("linear", 210, NetCodec)
    with pytest.raises(ValueError, match="distinct numbers"):
        register("other", 210, NetCodec, presets=[good, good])
    with pytest.raises(ValueError, match="scheme='third'"):
        register("third", 210, NetCodec, presets=[good])
    with pytest.raises(ValueError, match="comes with the package"):
        unregister("linear")


def test_a_codec_that_labels_itself_wrongly_is_refused() -> None:
    class Mislabelled(NetCodec):
        def __init__(self, preset: PresetInfo, weights: Path | None) -> None:
            super().__init__(preset, weights)
            self.label = CodecLabel(1)

    register("liar", 202, Mislabelled, presets=[PresetInfo("liar", "p", 0, 0.1)])
    try:
        with pytest.raises(ValueError, match="label_of"):
            registry.load("liar")
    finally:
        unregister("liar")
