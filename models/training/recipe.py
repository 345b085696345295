# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run is: a validated YAML recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Model = TypeVar("Model", bound=BaseModel)


class RecipeError(ValueError):
    """A recipe that cannot be used; the message is one line for the user."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Pictures to draw crops from.

    Attributes:
        path: below the data folder: a folder of pictures or, with ``cifar10``, that data set in any
            of its public layouts.
        cifar10: the split of CIFAR-10 to take; None for a folder of pictures.
        weight: share of the crops, relative to the other sources.
        scales: pictures are reduced by these factors before cropping, which takes JPEG traces
            away and shows the codec more detail; 1 leaves them alone.
    """

    path: str
    cifar10: Literal["train", "test"] | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    scales: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0,)


class Stage(_Strict):
    """A stretch of training with settings of its own; weights carry over, the optimiser too.

    Attributes:
        steps: optimiser updates.
        batch: pictures per update, over all devices.
        crop: side of the square crops in pixels, a multiple of four.
        learning_rate: peak; cosine decay to ``final_learning_rate`` after ``warmup`` updates.
        snr_db: range of the SNR in whole dB, drawn uniformly for every picture; equal ends fix
            it.
        erasures: largest share of lost symbols; every picture draws its own, half of them none.
        unevenness: largest spread of the noise from symbol to symbol, dB; likewise.
        sources: where crops come from.
    """

    steps: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]
    crop: Annotated[int, Field(ge=16, multiple_of=4)]
    learning_rate: Annotated[float, Field(gt=0)]
    final_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    warmup: Annotated[int, Field(ge=0)] = 0
    snr_db: tuple[int, int] = (0, 20)
    erasures: Annotated[float, Field(ge=0, lt=1)] = 0.0
    unevenness: Annotated[float, Field(ge=0)] = 0.0
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ordered(self) -> Stage:
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db is [lowest, highest]")
        return self


class Validation(_Strict):
    """What is measured along the way, on centre crops that never change.

    Attributes:
        sources: as for training; must not overlap it.
        crop: side of the crops.
        pictures: how many, spread evenly over the sources' pictures.
        snr_db: every one of these is measured.
        every: updates between two measurements.
    """

    sources: tuple[Source, ...] = Field(min_length=1)
    crop: Annotated[int, Field(ge=16, multiple_of=4)]
    pictures: Annotated[int, Field(gt=0)] = 32
    snr_db: tuple[float, ...] = (0.0, 5.0, 10.0, 15.0, 20.0)
    every: Annotated[int, Field(gt=0)] = 1000


class Recipe(_Strict):
    """A training run.

    Attributes:
        scheme: the code to train.
        preset: name of the preset that the weights are for.
        number: of the preset in the frame header, unique within the scheme; 255 for a preset of
            your own.
        title: one line for the model card.
        channels, filters: sizes of the network, see ``codecs.adjscc.Architecture``.
        start: weights file to go on from, relative to the recipe's file; None for initial weights
            of the seed.
        seed: of the initial weights, the crops and the channel.
        precision: Lightning Fabric's name: ``32-true`` or ``bf16-mixed``.
        compile: let torch.compile fuse the networks.
        checkpoint_every: updates between two checkpoints.
        stages: one after another.
        validation: measured along the way.
    """

    scheme: Literal["adjscc", "bdjscc"]
    preset: str
    number: Annotated[int, Field(ge=0, le=255)] = 255
    title: str
    channels: Annotated[int, Field(gt=0)] = 16
    filters: Annotated[int, Field(gt=0)] = 256
    start: Path | None = None
    seed: int = 0
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    checkpoint_every: Annotated[int, Field(gt=0)] = 500
    stages: tuple[Stage, ...] = Field(min_length=1)
    validation: Validation

    @property
    def steps(self) -> int:
        """Updates over all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage that update ``step`` belongs to, and the update's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise IndexError("step lies behind the last stage")


def load_recipe(path: Path) -> Recipe:
    """Read and validate a recipe; see :func:`read_recipe`."""
    recipe = read_recipe(path, Recipe)
    start = None if recipe.start is None else path.parent / recipe.start
    return recipe.model_copy(update={"start": start})


def read_recipe(path: Path, kind: type[Model]) -> Model:
    """Read and validate a YAML file.

    Args:
        path: of the file.
        kind: what it must hold.

    Raises:
        RecipeError: unreadable, not YAML, or not a recipe; says which key is wrong.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise RecipeError(f"{path}: {key}: {first['msg']}") from error
