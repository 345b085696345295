# SPDX-License-Identifier: GPL-3.0-or-later
"""Pillow's codecs between arrays and bytes."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from semcom_models.source.base import RGB8, DamagedStream, check_size


def compress(rgb: RGB8, format_: str, **options: Any) -> bytes:
    """A picture as Pillow writes it in a format, with the options of its writer."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, format_, **options)
    return file.getvalue()


def decompress(stream: bytes, format_: str, height: int, width: int) -> RGB8:
    """A picture as Pillow reads it, by that format's reader alone.

    The size is compared before pixels are decoded.

    Raises:
        DamagedStream: no picture of that format and size.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(stream), formats=[format_]) as picture:
                check_size((picture.height, picture.width), height, width)
                return np.array(picture.convert("RGB"))
    except DamagedStream:
        raise
    except UnidentifiedImageError:
        raise DamagedStream(f"no {format_} picture") from None
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedStream(f"no {format_} picture: {reason}") from error
