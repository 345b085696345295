# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading pictures: folders, single files, CIFAR-10 in its public layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below ``folder``, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)


def load_rgb8(path: Path) -> NDArray[np.uint8]:
    """A picture as ``[H, W, 3]`` uint8 RGB."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
