# SPDX-License-Identifier: GPL-3.0-or-later
"""From a trained network to a weights file that a codec opens."""

from __future__ import annotations

from pathlib import Path

from semcom_models.codecs.adjscc import ADJSCC
from semcom_models.codecs.weights import WeightsInfo, save_weights
from semcom_models.training.recipe import Recipe


def export(recipe: Recipe, network: ADJSCC, folder: Path) -> Path:
    """Write ``<scheme>-<preset>.safetensors``.

    Args:
        recipe: by which the network was trained.
        network: the result.
        folder: to put the file in.

    Returns:
        The file's path.

    Raises:
        OSError: it cannot be written.
    """
    path = folder / f"{recipe.scheme}-{recipe.preset}.safetensors"
    low = min(stage.snr_db[0] for stage in recipe.stages)
    high = max(stage.snr_db[1] for stage in recipe.stages)
    trained = {"snr_low_db": str(low), "snr_high_db": str(high)}
    info = WeightsInfo(
        scheme=recipe.scheme,
        preset=recipe.preset,
        number=recipe.number,
        cbr=network.size.cbr,
        architecture={**network.size.metadata(), **trained},
    )
    save_weights(path, network.state_dict(), info)
    return path
