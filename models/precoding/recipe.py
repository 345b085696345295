# SPDX-License-Identifier: GPL-3.0-or-later
"""How PCEN is trained: a validated YAML recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semcom_models.training.recipe import read_recipe


class PcenRecipe(BaseModel):
    """A training run, the same for every modulation.

    Attributes:
        modulations: one set of parameters each.
        layers: of PEN, ``T`` in the paper.
        steps: optimiser updates.
        batch: channels per update.
        learning_rate: at the first update; decays to 0 as ``(1 - n / steps)^0.9``.
        snr_db: range of the SNR, drawn uniformly for every update.
        csi: what is known of the channel, drawn for every update.
        error_var: of noisy CSI.
        doppler_delay: of stale CSI, see :func:`semcom_models.precoding.knowledge.draw_channels`.
        softness: width of the steps of the projection's surrogate, relative to their distance.
        seed: of channels and SNRs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modulations: tuple[Literal["QPSK", "16QAM"], ...] = Field(min_length=1)
    layers: Annotated[int, Field(gt=0, le=100)]
    steps: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    snr_db: tuple[float, float]
    csi: tuple[Literal["perfect", "noisy", "stale"], ...] = Field(min_length=1)
    error_var: Annotated[float, Field(ge=0)]
    doppler_delay: Annotated[float, Field(ge=0)]
    softness: Annotated[float, Field(gt=0)]
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _ordered(self) -> PcenRecipe:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db is [lowest, highest]")
        return self


def load_recipe(path: Path) -> PcenRecipe:
    """Read and validate a recipe; see :func:`semcom_models.training.recipe.read_recipe`."""
    return read_recipe(path, PcenRecipe)
