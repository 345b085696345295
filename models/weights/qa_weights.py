# SPDX-License-Identifier: GPL-3.0-or-later
import json
from pathlib import Path

import pytest
import torch

from semcom_models.codecs.registry import load
from semcom_models.codecs.weights import read_info
from semcom_models.data import sample_pictures
from semcom_models.evaluation import evaluate
from semcom_models.training.card import golden_psnr_db
from semcom_models.training.recipe import load_recipe

FOLDER = Path(__file__).parent
WEIGHTS = sorted(FOLDER.glob("*.safetensors"))


def test_weights_ship() -> None:
    assert any(path.name.startswith("adjscc-") for path in WEIGHTS)


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_card_is_of_these_weights(path: Path) -> None:
    info = read_info(path)
    card = json.loads(path.with_suffix(".json").read_text())
    recipe = load_recipe(FOLDER.parent / "recipes" / card["recipe"])
    assert path.stem == f"{info.scheme}-{info.preset}" == f"{recipe.scheme}-{recipe.preset}"
    assert (info.number, card["note"]) == (recipe.number, recipe.title)
    assert card["reached"]
    text = path.with_suffix(".md").read_text()
    for curve in card["reached"].values():
        for snr_db, psnr_db in curve.items():
            assert f"| {snr_db} | {psnr_db:.2f} |" in text
    codec = load(info.scheme, weights=path)
    assert golden_psnr_db(codec) == pytest.approx(card["golden_psnr_db"], abs=0.05)


def test_default_adjscc_beats_linear_where_noise_is_strong() -> None:
    pictures = [picture for _, picture in sample_pictures()]
    learned = evaluate(load("adjscc"), pictures, 0.0)
    linear = evaluate(load("linear"), pictures, 0.0)
    assert learned.cbr == pytest.approx(linear.cbr, rel=1e-3)
    assert learned.psnr_db > linear.psnr_db


def test_one_adjscc_beats_a_bdjscc_away_from_its_snr() -> None:
    # Eight times each: at 512 symbols a picture the noise of three decides by half a dB.
    pictures = 8 * [
        torch.nn.functional.interpolate(picture[None], (32, 32), mode="area")[0]
        for _, picture in sample_pictures()
    ]
    for snr_db, gain_db in ((0.0, 1.0), (10.0, -0.5), (20.0, 0.0)):
        one = evaluate(load("adjscc", "cifar-small"), pictures, snr_db)
        other = evaluate(load("bdjscc", "cifar-small-10db"), pictures, snr_db)
        assert one.psnr_db > other.psnr_db + gain_db
