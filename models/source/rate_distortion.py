# SPDX-License-Identifier: GPL-3.0-or-later
"""What picture codecs make of a budget of bits, over a set of pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from time import process_time
from typing import Any

from semcom_models.data import picture_of_rgb8
from semcom_models.metrics import psnr_db
from semcom_models.source.base import RGB8, SourceCodec


@dataclass(frozen=True)
class Point:
    """Means over pictures at one budget.

    Attributes:
        budget: bits per pixel that the streams may have.
        bits_per_pixel: that they have.
        psnr_db: mean of the pictures' PSNR over those that fit.
        fitting: pictures of which a stream fits the budget.
        encode_s: CPU seconds a picture, the search included.
        decode_s: CPU seconds a picture.
    """

    budget: float
    bits_per_pixel: float
    psnr_db: float
    fitting: int
    encode_s: float
    decode_s: float


def measure(codec: SourceCodec[Any], pictures: Iterable[RGB8], budget: float) -> Point | None:
    """Compress pictures to a budget in bits per pixel; None if none of them fits."""
    results = []
    for rgb in pictures:
        height, width = rgb.shape[:2]
        started = process_time()
        encoded = codec.best_within(rgb, int(budget * height * width / 8))
        if encoded is None:
            continue
        encoding = process_time()
        decoded = codec.decode(encoded.stream, height, width)
        decoding = process_time()
        results.append(
            (
                len(encoded.stream) * 8 / (height * width),
                psnr_db(picture_of_rgb8(decoded), picture_of_rgb8(rgb)),
                encoding - started,
                decoding - encoding,
            )
        )
    if not results:
        return None
    rate, psnr, encode_s, decode_s = map(fmean, zip(*results, strict=True))
    return Point(budget, rate, psnr, len(results), encode_s, decode_s)
