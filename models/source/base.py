# SPDX-License-Identifier: GPL-3.0-or-later
"""What a standard picture codec is: pictures to bytes and back, at a ladder of qualities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from semcom_models.source.search import largest_that_fits

RGB8 = NDArray[np.uint8]
"""Picture ``[H, W, 3]``, as :func:`semcom_models.data.load_rgb8` gives it."""

Quality = TypeVar("Quality")


class DamagedStream(ValueError):
    """Bytes that are no picture of the size that was announced; the message is one line."""


class NotInstalled(RuntimeError):
    """The programs of a codec are not there; the message says what to install."""


@dataclass(frozen=True)
class Encoded(Generic[Quality]):
    """A compressed picture and the step of the codec's ladder that made it."""

    stream: bytes
    quality: Quality


class SourceCodec(ABC, Generic[Quality]):
    """A standard picture codec. It keeps no state between calls and may be called from threads.

    Attributes:
        name: by which :func:`semcom_models.source.get` finds it.
        needs: what to install where it is not installed, and from where.
        embedded: whether every prefix of a stream decodes, the better the longer it is.
        qualities: the ladder, from the smallest streams to the largest.
        usual_bits_per_pixel: of a photograph at both ends of the ladder: where a search begins.
    """

    name: ClassVar[str]
    needs: ClassVar[str] = ""
    embedded: ClassVar[bool] = False
    qualities: Sequence[Quality]
    usual_bits_per_pixel: ClassVar[tuple[float, float]]

    def available(self) -> bool:
        """Whether encoder and decoder are installed."""
        return True

    @abstractmethod
    def version(self) -> str:
        """Names and versions of encoder and decoder, for the notes of a run.

        Raises:
            NotInstalled: there is none.
        """

    @abstractmethod
    def encode(self, rgb: RGB8, quality: Quality) -> bytes:
        """Compress a picture; the same bytes whenever the picture and the version are the same.

        Args:
            rgb: uint8 ``[H, W, 3]``.
            quality: a step of :attr:`qualities`.

        Raises:
            NotInstalled: the encoder is not there.
            RuntimeError: the encoder failed.
        """

    @abstractmethod
    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        """Decompress. Streams of unknown origin go through
        :func:`semcom_models.source.decode_safely`, which survives what this does not.

        Returns:
            uint8 ``[height, width, 3]``.

        Raises:
            DamagedStream: the stream is no picture of that size.
            NotInstalled: the decoder is not there.
        """

    def best_within(self, rgb: RGB8, max_bytes: int) -> Encoded[Quality] | None:
        """The best quality of which the stream has at most ``max_bytes``; None if there is none."""
        found = largest_that_fits(
            lambda step: self.encode(rgb, self.qualities[step]),
            len(self.qualities),
            max_bytes,
            self.likely_step(rgb, max_bytes),
            self.octaves_per_step,
        )
        return None if found is None else Encoded(found[1], self.qualities[found[0]])

    def likely_step(self, rgb: RGB8, max_bytes: int) -> float:
        """About which step of the ladder makes a stream of that size."""
        bits_per_pixel = max(max_bytes, 1) * 8 / (rgb.shape[0] * rgb.shape[1])
        return log2(bits_per_pixel / self.usual_bits_per_pixel[0]) / self.octaves_per_step

    @property
    def octaves_per_step(self) -> float:
        """About how much a step of the ladder adds to log2 of the size."""
        smallest, largest = self.usual_bits_per_pixel
        return log2(largest / smallest) / (len(self.qualities) - 1)


def check_size(found: tuple[int, int], height: int, width: int) -> None:
    """Compare the height and width that a stream announces with those that are expected.

    Raises:
        DamagedStream: they are others.
    """
    if found != (height, width):
        raise DamagedStream(
            f"the stream holds a picture of {found[1]}x{found[0]}, not {width}x{height}"
        )
