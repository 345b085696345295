# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from semcom_models.channels import LossyAWGN, told_snr_db
from semcom_models.codecs.registry import load
from semcom_models.evaluation import evaluate
from semcom_models.training.crops import Crops
from semcom_models.training.export import export
from semcom_models.training.recipe import Recipe, RecipeError, Source, load_recipe
from semcom_models.training.train import Place, build, learning_rate, seeded, train

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


def plan(**changes: Any) -> Recipe:
    sources = [{"path": "photos"}]
    stages = [
        {"steps": 6, "batch": 2, "crop": 16, "learning_rate": 1e-3, "sources": sources},
        {
            "steps": 4,
            "batch": 2,
            "crop": 32,
            "learning_rate": 1e-4,
            "erasures": 0.2,
            "unevenness": 3,
            "sources": sources,
        },
    ]
    recipe = {
        "scheme": "adjscc",
        "preset": "tiny",
        "number": 9,
        "title": "a test",
        "channels": 8,
        "filters": 8,
        "checkpoint_every": 4,
        "validation": {"sources": sources, "crop": 32, "pictures": 2, "every": 5},
        "stages": stages,
    }
    return Recipe.model_validate({**recipe, **changes})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        rough = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        rough.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return tmp_path


def test_interrupted_training_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole = train(plan(), Place(data, tmp_path / "a"), accelerator="cpu", quiet=True)
    first = plan().stages[0]

    class Stop(Exception):
        pass

    def stop_at_seven(stage: Any, step: int) -> float:
        if stage != first and step == 1:
            raise Stop
        return learning_rate(stage, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semcom_models.training.train.learning_rate", stop_at_seven)
        with pytest.raises(Stop):
            train(plan(), Place(data, tmp_path / "b"), accelerator="cpu", quiet=True)
    state = torch.load(tmp_path / "b" / "checkpoint.ckpt", weights_only=True)
    assert state["step"] == 4
    resumed = train(plan(), Place(data, tmp_path / "b"), accelerator="cpu", quiet=True)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0)
    for run, updates in (("a/curves/from-0", 2), ("b/curves/from-0", 1), ("b/curves/from-4", 2)):
        curves = (tmp_path / run / "metrics.csv").read_text().splitlines()
        assert len(curves) == 1 + updates
        assert "psnr_20" in curves[0]


def test_checkpoint_of_another_recipe_is_refused(data: Path, tmp_path: Path) -> None:
    train(plan(), Place(data, tmp_path / "a"), accelerator="cpu", quiet=True)
    with pytest.raises(RecipeError, match="another recipe"):
        train(plan(seed=2), Place(data, tmp_path / "a"), accelerator="cpu", quiet=True)


def test_damaged_checkpoint_is_one_line(data: Path, tmp_path: Path) -> None:
    place = Place(data, tmp_path / "a")
    place.output.mkdir()
    torch.save({"step": 3}, place.checkpoint)
    whole = place.checkpoint.read_bytes()
    for content in (whole, whole[: len(whole) // 2], b"", b"nonsense"):
        place.checkpoint.write_bytes(content)
        with pytest.raises(RecipeError, match="damaged"):
            train(plan(), place, accelerator="cpu", quiet=True)


def test_training_improves_and_exports(data: Path, tmp_path: Path) -> None:
    recipe = plan(
        stages=[
            {
                "steps": 60,
                "batch": 4,
                "crop": 32,
                "learning_rate": 1e-3,
                "sources": [{"path": "photos"}],
            }
        ]
    )
    network = train(recipe, Place(data, tmp_path / "out"), accelerator="cpu", quiet=True)
    path = export(recipe, network, tmp_path)
    codec = load("adjscc", weights=path)
    assert (codec.label.preset, codec.label.codec) == (9, 2)
    untrained = train(
        recipe.model_copy(update={"stages": (recipe.stages[0].model_copy(update={"steps": 1}),)}),
        Place(data, tmp_path / "start"),
        accelerator="cpu",
        quiet=True,
    )
    start = load("adjscc", weights=export(recipe, untrained, tmp_path / "start"))
    pictures = [Crops([Source(path="photos")], data, 32, 1).batch(0, 1)[0]]
    before = evaluate(start, pictures, 10.0).psnr_db
    assert evaluate(codec, pictures, 10.0).psnr_db > before + 1


def test_training_goes_on_from_a_weights_file(data: Path, tmp_path: Path) -> None:
    first = plan()
    made = export(first, build(plan(seed=5)), tmp_path)
    again = build(plan(start=made))
    for name, tensor in build(plan(seed=5)).state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    for file, said in ((tmp_path / "none.safetensors", "no weights file"), (made, "does not fit")):
        with pytest.raises(RecipeError, match=f"start: .*{said}"):
            build(plan(start=file, filters=12))


def test_crops_depend_on_seed_and_step_alone(data: Path) -> None:
    crops = Crops([Source(path="photos", scales=(1.0, 0.8))], data, 32, seed=5)
    again = Crops([Source(path="photos", scales=(1.0, 0.8))], data, 32, seed=5)
    again.batch(0, 4)
    torch.testing.assert_close(crops.batch(7, 4), again.batch(7, 4), rtol=0, atol=0)
    assert not torch.equal(crops.batch(7, 4), crops.batch(8, 4))
    assert not torch.equal(crops.batch(7, 4), crops.batch(7, 4, rank=1))


def test_channel_has_the_power_it_was_asked_for() -> None:
    snr = torch.tensor([0.0, 10.0])
    channel = LossyAWGN(
        snr, torch.tensor([0.0, 0.2]), torch.tensor([4.0, 0.0]), seeded(torch.device("cpu"), 1)
    )
    sent = torch.ones(2, 200_000, dtype=torch.complex64)
    received, told = channel(sent)
    lost = received == 0
    assert lost[0].sum() == 0
    assert lost[1].float().mean() == pytest.approx(0.2, abs=0.005)
    noise = (received - sent)[~lost].abs().square()
    assert noise[: int((~lost[0]).sum())].mean() == pytest.approx(1.0, rel=0.02)
    assert told[0] == pytest.approx(0.0, abs=1e-4)
    assert told[1] == pytest.approx(-10 * np.log10(0.8 * 0.1 + 0.2), abs=0.05)
    assert channel.expected_db == pytest.approx(told, abs=0.05)


def test_told_snr_of_a_clean_channel_is_the_snr() -> None:
    noise_var = torch.full((1, 10), 0.1)
    assert told_snr_db(noise_var, torch.zeros(1, 10, dtype=torch.bool))[0] == pytest.approx(10)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert path.stem.startswith(f"{recipe.scheme}-{recipe.preset}")
    assert recipe.start is None or recipe.start.is_file()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filter": 3}, "filter: Extra inputs"),
        ({"precision": "64"}, "precision"),
        ({"number": 300}, "number"),
    ],
)
def test_bad_recipe_is_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({**plan().model_dump(mode="json"), **change}))
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(path)
    assert "\n" not in str(caught.value)


def test_missing_data_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="data folder"):
        train(plan(), Place(tmp_path, tmp_path / "out"), accelerator="cpu", quiet=True)
