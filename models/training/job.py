# SPDX-License-Identifier: GPL-3.0-or-later
"""From a recipe to a weights file."""

from __future__ import annotations

import sys
from pathlib import Path

from semcom_models.training.export import export
from semcom_models.training.recipe import load_recipe
from semcom_models.training.train import Place, train


def train_recipe(recipe: Path, place: Place, *, accelerator: str, devices: int) -> Path:
    """Train a recipe, or go on with it, and write its weights file.

    Args:
        recipe: YAML file.
        place: where data is and results go.
        accelerator: Lightning Fabric's name: ``auto``, ``cpu``, ``cuda``.
        devices: how many.

    Returns:
        The weights file, in ``place.output``.

    Raises:
        RecipeError: see :func:`semcom_models.training.recipe.load_recipe` and
            :func:`semcom_models.training.train.train`.
        OSError: results cannot be written.
    """
    plan = load_recipe(recipe)
    quiet = not sys.stderr.isatty()
    network = train(plan, place, accelerator=accelerator, devices=devices, quiet=quiet)
    return export(plan, network, place.output)
