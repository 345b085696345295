# SPDX-License-Identifier: GPL-3.0-or-later
"""Random crops of pictures held in memory, addressed by step number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semcom_models.cifar10 import BadDataset, load_cifar10
from semcom_models.data import UnreadablePicture, find_pictures, load_rgb8
from semcom_models.training.recipe import RecipeError, Source


def load_source(source: Source, data: Path) -> list[NDArray[np.uint8]]:
    """The pictures of a source at every scale, ``[H, W, 3]`` each.

    Raises:
        RecipeError: nothing there.
    """
    path = data / source.path
    try:
        if source.cifar10 is not None:
            originals = list(load_cifar10(path, source.cifar10))
        else:
            originals = [load_rgb8(file) for file in find_pictures(path)]
    except (BadDataset, UnreadablePicture) as error:
        raise RecipeError(f"{error}; is the data folder {data} the right one?") from error
    return [_reduce(picture, scale) for scale in source.scales for picture in originals]


def _reduce(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


class Crops:
    """Random square crops, mirrored at random.

    Batch ``step`` is a function of the seed and the step alone: a run that resumes sees what it
    would have seen, and every device of a parallel run can draw its own share.

    Args:
        sources: where the crops come from.
        data: folder the sources' paths are relative to.
        crop: side in pixels; smaller pictures are left out.
        seed: of the draw.

    Raises:
        RecipeError: a source without a picture as large as a crop.
    """

    def __init__(self, sources: Sequence[Source], data: Path, crop: int, seed: int) -> None:
        self._crop, self._seed = crop, seed
        self._pools: list[list[NDArray[np.uint8]]] = []
        for source in sources:
            pool = [p for p in load_source(source, data) if min(p.shape[:2]) >= crop]
            if not pool:
                raise RecipeError(f"no picture of {source.path} is as large as a crop of {crop}")
            self._pools.append(pool)
        weights = np.array([source.weight for source in sources])
        self._shares = weights / weights.sum()
        self._areas = [self._area_shares(pool) for pool in self._pools]

    @staticmethod
    def _area_shares(pool: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in pool], float)
        return np.asarray(areas / areas.sum())

    def batch(self, step: int, size: int, rank: int = 0) -> Tensor:
        """Crops ``[size, 3, crop, crop]`` in [0, 1] of update ``step``."""
        rng = np.random.default_rng((self._seed, step, rank))
        return _to_tensor([self._draw(rng) for _ in range(size)])

    def _draw(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        which = rng.choice(len(self._pools), p=self._shares)
        pool = self._pools[which]
        picture = pool[rng.choice(len(pool), p=self._areas[which])]
        top = rng.integers(picture.shape[0] - self._crop + 1)
        left = rng.integers(picture.shape[1] - self._crop + 1)
        crop = picture[top : top + self._crop, left : left + self._crop]
        return crop[:, ::-1] if rng.random() < 0.5 else crop


def centre_crops(sources: Sequence[Source], data: Path, crop: int, count: int) -> Tensor:
    """``count`` centre crops ``[count, 3, crop, crop]``, spread evenly over the pictures."""
    pictures = [
        picture
        for source in sources
        for picture in load_source(source, data)
        if min(picture.shape[:2]) >= crop
    ]
    if not pictures:
        raise RecipeError(f"no validation picture is as large as a crop of {crop}")
    picks = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    chosen = []
    for picture in (pictures[i] for i in picks):
        top, left = ((side - crop) // 2 for side in picture.shape[:2])
        chosen.append(picture[top : top + crop, left : left + crop])
    return _to_tensor(chosen)


def _to_tensor(crops: Sequence[NDArray[np.uint8]]) -> Tensor:
    stacked = torch.from_numpy(np.ascontiguousarray(np.stack(crops)))
    images = stacked.permute(0, 3, 1, 2).float() / 255
    return images.contiguous(memory_format=torch.channels_last)
