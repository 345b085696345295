# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures and error maps as data URIs of lossless WebP, small enough for a page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

PIXEL_BUDGET = 8_000_000
"""Pixels that all pictures and error maps of a page have together."""

LONGEST_SIDE = 8192
"""Pixels that one is wide or high at most; the format ends at 16383."""

ERROR_FULL_SCALE = 32
"""Error, in steps of 8 bit, from which on an error map is at its brightest."""


def display_scale(sizes: Sequence[tuple[int, int]], times: int) -> float:
    """Factor, at most 1, by which pictures keep within the budget.

    Args:
        sizes: heights and widths.
        times: that each is shown, pictures received and error maps counted.
    """
    pixels = times * sum(height * width for height, width in sizes)
    if not pixels:
        return 1.0
    longest = max(max(size) for size in sizes)
    return min(1.0, math.sqrt(PIXEL_BUDGET / pixels), LONGEST_SIDE / longest)


def picture_uri(picture: Image.Image, scale: float) -> str:
    """A picture, reduced, as a data URI."""
    return _uri(_reduce(picture, scale, Image.Resampling.LANCZOS))


def error_map_uri(sent: Image.Image, received: Image.Image, scale: float) -> str:
    """Where two pictures of one size differ: the largest error of the three colours, as heat."""
    a, b = (np.asarray(picture, dtype=np.int16) for picture in (sent, received))
    error = np.abs(a - b).max(axis=2)
    level = np.clip(error * (255 / ERROR_FULL_SCALE), 0, 255).astype(np.uint8)
    heat = _reduce(Image.fromarray(level), scale, Image.Resampling.BOX)
    heat.putpalette(_palette().tobytes())
    return _uri(heat)


def open_rgb(path: Path) -> Image.Image | None:
    """A PNG of a run's folder, or None where it is missing, half written or far too large."""
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


@cache
def _palette() -> NDArray[np.uint8]:
    """256 colours from black over red to pale yellow, ``[256, 3]``."""
    colours = sample_colorscale("Inferno", [level / 255 for level in range(256)])
    return np.array([unlabel_rgb(colour) for colour in colours]).round().astype(np.uint8)


def _reduce(picture: Image.Image, scale: float, filter_: Image.Resampling) -> Image.Image:
    if scale >= 1:
        return picture
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), filter_)


def _uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", lossless=True, method=0)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
