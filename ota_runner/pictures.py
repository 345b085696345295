# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of a run, loaded one at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ota_runner.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """A picture to send.

    Attributes:
        number: its place in the run, from 0.
        name: path below the folder it was found in, without suffix; with the number of the round
            where it is sent again.
        load: reads it as ``[3, H, W]`` in [0, 1]; raises ``UnreadablePicture``.
    """

    number: int
    name: str
    load: Callable[[], Tensor]

    @property
    def file_name(self) -> str:
        """Name of its PNG files in a run's folder."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.")
        return f"{self.number:05d}-{plain[-80:] or 'picture'}.png"


def go_round(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """As many pictures as asked for, from the first one on again after the last.

    Args:
        pictures: one at least.
        count: how many.
    """
    rounds = (divmod(number, len(pictures)) for number in range(count))
    return [
        replace(
            pictures[index],
            number=number,
            name=pictures[index].name if done == 0 else f"{pictures[index].name} ({done + 1})",
        )
        for number, (done, index) in enumerate(rounds)
    ]


def open_pictures(images: Path | None) -> list[Picture]:
    """List the pictures at a path, or the sample pictures.

    Args:
        images: a picture, a folder of them, or None.

    Raises:
        UsageError: nothing there, or a picture named by itself cannot be read.
    """
    from semcom_models.data import (  # with PyTorch, which takes a while
        UnreadablePicture,
        find_pictures,
        load_picture,
        sample_pictures,
    )

    if images is None:
        samples = sample_pictures()
        return [
            Picture(number, name, lambda picture=picture: picture)  # type: ignore[misc]
            for number, (name, picture) in enumerate(samples)
        ]
    try:
        paths = find_pictures(images)
        if images.is_file():
            load_picture(images)
    except UnreadablePicture as error:
        raise UsageError(f"--images: {error}") from error
    root = images.parent if images.is_file() else images
    return [
        Picture(
            number,
            path.relative_to(root).with_suffix("").as_posix(),
            lambda path=path: load_picture(path),  # type: ignore[misc]
        )
        for number, path in enumerate(paths)
    ]
