# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner train``: train a code from a recipe; needs no radio."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ota_runner.console import say
from ota_runner.errors import UsageError


class Accelerator(StrEnum):
    """Where to train, by Lightning's names."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def command(
    recipe: Annotated[Path, typer.Argument(help="YAML recipe")],
    data: Annotated[
        Path, typer.Option("--data", help="folder that the recipe's pictures are below")
    ] = Path("data"),
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="folder of checkpoint, curves and weights; one that holds a checkpoint is gone "
            "on with",
            show_default="runs/train-RECIPE",
        ),
    ] = None,
    accelerator: Annotated[
        Accelerator, typer.Option("--accelerator", help="where to train")
    ] = Accelerator.AUTO,
    devices: Annotated[int, typer.Option("--devices", min=1, help="how many of them")] = 1,
) -> None:
    """Train a code; a call that was interrupted goes on where it stopped."""
    from semcom_models.training.job import train_recipe
    from semcom_models.training.recipe import RecipeError
    from semcom_models.training.train import Place

    folder = output if output is not None else Path("runs") / f"train-{recipe.stem}"
    _require(accelerator, devices)
    try:
        weights = train_recipe(
            recipe, Place(data, folder), accelerator=accelerator.value, devices=devices
        )
    except RecipeError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    say(f"trained: {weights}")


def _require(accelerator: Accelerator, devices: int) -> None:
    """Say now, not from within the training, what this machine does not have."""
    import torch

    there = torch.cuda.device_count()
    if accelerator is Accelerator.CUDA and devices > there:
        raise UsageError(
            f"--accelerator cuda --devices {devices}: PyTorch sees {there} CUDA devices here; "
            "ask for fewer, or for --accelerator cpu"
        )
