# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_models.training``: train and measure where there is no GNU Radio."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from semcom_models.cifar10 import BadDataset
from semcom_models.codecs.presets import WEIGHTS_FOLDER
from semcom_models.codecs.registry import load
from semcom_models.codecs.weights import BadWeights, read_info
from semcom_models.data import UnreadablePicture
from semcom_models.evaluation import load_set
from semcom_models.training.card import Card, measure
from semcom_models.training.job import train_recipe
from semcom_models.training.recipe import RecipeError, load_recipe
from semcom_models.training.train import Place

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

SNRS_DB = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0)
FRAME_SIDE = 128
"""Smallest side of pictures that fill several frames, whose loss is worth a table."""


@app.command("train")
def train_command(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe")],
    data: Annotated[Path, typer.Option(help="folder that the recipe's pictures are below")],
    output: Annotated[Path, typer.Option(help="checkpoint, curves and weights; goes on from it")],
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda")] = "auto",
    devices: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Train a recipe and write its weights file."""
    place = Place(data, output)
    typer.echo(train_recipe(recipe, place, accelerator=accelerator, devices=devices))


@app.command("card")
def card_command(
    preset: Annotated[str, typer.Argument(help="weights file, or SCHEME-PRESET without weights")],
    sets: Annotated[
        list[str], typer.Option("--set", help="NAME=PATH: a folder, or CIFAR-10 as npz or archive")
    ],
    recipe: Annotated[Path | None, typer.Option(help="by which it was trained")] = None,
    default: Annotated[bool, typer.Option("--default", help="the scheme's default")] = False,
) -> None:
    """Measure a preset and write its model card, beside its weights if it has any."""
    weights = Path(preset)
    if weights.suffix == ".safetensors":
        codec = load(read_info(weights).scheme, weights=weights)
    else:
        scheme, _, name = preset.partition("-")
        codec, weights = load(scheme, name), WEIGHTS_FOLDER / f"{preset}.safetensors"
    results = {}
    for name, path in (entry.split("=", 1) for entry in sets):
        pictures = load_set(Path(path))
        several_frames = min(min(p.shape[1:]) for p in pictures) >= FRAME_SIDE
        results[name] = measure(codec, pictures, SNRS_DB, losses=several_frames)
    words = ["python", "-m", "semcom_models.training", "card", Path(preset).name]
    words += [f"--recipe={recipe.name}"] if recipe else []
    words += [f"--set={name}=PATH" for name in results] + (["--default"] if default else [])
    Card(
        title=load_recipe(recipe).title if recipe else preset,
        recipe=recipe.name if recipe else None,
        default=default,
        results=results,
        command=shlex.join(words),
    ).write(weights, codec)


if __name__ == "__main__":
    try:
        app()
    except (BadDataset, BadWeights, RecipeError, UnreadablePicture) as problem:
        sys.exit(f"error: {problem}")
