# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in and out: files, folders, the sample pictures.

Every picture enters as 8-bit RGB, whatever the file holds, so that what is sent, what is saved and
what is measured are the same numbers:

- grey becomes three equal channels; 16-bit grey is rounded to 8 bit, of 16-bit colour Pillow reads
  the upper 8 bit;
- transparent pictures are laid on white;
- palettes, CMYK and YCbCr are converted without colour management; embedded profiles are ignored;
- the EXIF orientation is applied; of an animation the first frame counts.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

PICTURE_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("avif", "bmp", "gif", "jp2", "jpeg", "jpg", "pgm"),
        *("png", "pnm", "ppm", "tga", "tif", "tiff", "webp"),
    )
)
"""What :func:`find_pictures` takes for a picture in a folder."""

MAX_PIXELS = 8192 * 8192
"""Larger pictures are refused before they are decoded: 8K and twice as much still passes."""


class UnreadablePicture(ValueError):
    """No picture there, or one that cannot be read; the message is one line for the user."""


def find_pictures(path: Path) -> list[Path]:
    """Pictures at a path.

    Args:
        path: a file, which is taken whatever its name, or a folder, searched to its depths for the
            suffixes of :data:`PICTURE_SUFFIXES`; hidden files are left out.

    Returns:
        At least one path, sorted.

    Raises:
        UnreadablePicture: nothing there, or a folder without pictures.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UnreadablePicture(f"no picture file or folder {path}")
    found = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in PICTURE_SUFFIXES
        and not file.name.startswith(".")
        and file.is_file()
    )
    if not found:
        raise UnreadablePicture(
            f"no pictures in {path}: it needs files ending in {', '.join(sorted(PICTURE_SUFFIXES))}"
        )
    return found


def load_picture(path: Path) -> Tensor:
    """A picture as float32 RGB ``[3, H, W]`` in [0, 1], in steps of 1/255.

    Raises:
        UnreadablePicture: missing, damaged, too large, or not a picture.
    """
    return picture_of_rgb8(load_rgb8(path))


def load_rgb8(path: Path) -> NDArray[np.uint8]:
    """A picture as uint8 RGB ``[H, W, 3]``.

    Raises:
        UnreadablePicture: missing, damaged, too large, or not a picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                width, height = picture.size
                if width * height > MAX_PIXELS:
                    raise UnreadablePicture(
                        f"picture {path} is too large ({width}x{height}): "
                        f"reduce it to at most {MAX_PIXELS // 10**6} megapixels"
                    )
                return _rgb8(ImageOps.exif_transpose(picture))
    except UnreadablePicture:
        raise
    except FileNotFoundError:
        raise UnreadablePicture(f"no picture {path}") from None
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadablePicture(f"cannot read picture {path}: {reason}") from error


def picture_of_png(png: bytes, height: int, width: int) -> Tensor:
    """A picture that somebody else made a PNG of, as float32 ``[3, H, W]`` in [0, 1].

    Args:
        png: the file's bytes.
        height: that it must have.
        width: likewise.

    Raises:
        UnreadablePicture: no PNG, damaged, or of another size.
    """
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
            if picture.size != (width, height):
                raise UnreadablePicture(
                    f"a PNG of {picture.size[0]}x{picture.size[1]} in place of {width}x{height}"
                )
            return picture_of_rgb8(_rgb8(picture))
    except UnreadablePicture:
        raise
    except Exception as error:  # as above
        raise UnreadablePicture(f"no PNG: {error}") from error


def _rgb8(picture: Image.Image) -> NDArray[np.uint8]:
    if picture.mode == "F":
        raise ValueError("it has floating-point samples; convert it to 8 or 16 bit")
    if picture.mode.startswith("I"):
        samples = np.asarray(picture).astype(np.int64)
        if samples.min() < 0 or samples.max() > 65535:
            raise ValueError("it has samples of more than 16 bit; convert it to 8 or 16 bit")
        grey = np.round(samples / 257).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if picture.has_transparency_data:
        layered = picture.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        picture = Image.alpha_composite(white, layered)
    return np.array(picture.convert("RGB"))


def picture_of_rgb8(rgb: NDArray[np.uint8]) -> Tensor:
    """uint8 ``[H, W, 3]`` as float32 ``[3, H, W]`` in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(rgb.transpose(2, 0, 1))).float() / 255


def round_to_8_bit(picture: Tensor) -> Tensor:
    """Pictures as a screen or a PNG file shows them.

    Args:
        picture: floats of any shape; values outside [0, 1] are clipped, NaN counts as 0.

    Returns:
        uint8 of the same shape, ``round(255 x)``.
    """
    return picture.nan_to_num(0.0).clamp(0, 1).mul(255).round().to(torch.uint8)


def save_picture(path: Path, picture: Tensor) -> None:
    """Write a PNG; a file of that name is replaced only once the new one is whole.

    Args:
        path: ends in ``.png``.
        picture: float RGB ``[3, H, W]``, rounded by :func:`round_to_8_bit`.

    Raises:
        ValueError: not ``[3, H, W]``.
        OSError: the file cannot be written.
    """
    if picture.ndim != 3 or picture.shape[0] != 3:
        raise ValueError(f"a picture is [3, H, W], not {list(picture.shape)}")
    rgb = round_to_8_bit(picture.detach()).permute(1, 2, 0).contiguous().cpu().numpy()
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(rgb).save(part, format="PNG")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def sample_pictures() -> list[tuple[str, Tensor]]:
    """Names and pictures that come with scikit-image, for a first run.

    Returns:
        astronaut 512x512, coffee 400x600, chelsea 300x451 (height x width), float ``[3, H, W]``.
    """
    from skimage import data

    names = ("astronaut", "coffee", "chelsea")
    return [(name, picture_of_rgb8(getattr(data, name)())) for name in names]
