# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that code VVC, and the sample files that they read and write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from semcom_models.source.programs import find_program

Planes = NDArray[np.uint8]
"""Y, Cb, Cr, ``[3, H, W]``."""


class VVCSoftware(ABC):
    """An encoder and a decoder; they read ``in`` and write ``out`` of the folder they run in.

    Attributes:
        encoder: the program, or None if it is not on PATH.
        decoder: likewise.
    """

    encoder: Path | None
    decoder: Path | None

    @property
    def installed(self) -> bool:
        return self.encoder is not None and self.decoder is not None

    @abstractmethod
    def encode_command(self, qp: int, height: int, width: int) -> list[str | Path]:
        """From ``in.yuv`` to ``out.vvc``."""

    @abstractmethod
    def decode_command(self) -> list[str | Path]:
        """From ``in.vvc`` to ``out.yuv``."""

    @abstractmethod
    def samples(self, planes: Planes) -> bytes:
        """The 8-bit samples of a file."""

    @abstractmethod
    def planes(self, samples: bytes, height: int, width: int) -> Planes:
        """Planes of the samples of a file, which are :meth:`sample_count`."""

    @abstractmethod
    def sample_count(self, height: int, width: int) -> int:
        """Samples of a picture."""


class VTM(VVCSoftware):
    """The reference software, 4:4:4, all intra; its configuration lies beside its programs."""

    def __init__(self) -> None:
        self.encoder = find_program("EncoderApp", "EncoderAppStatic")
        self.decoder = find_program("DecoderApp", "DecoderAppStatic")

    @property
    def configuration(self) -> Path | None:
        """``cfg`` beside ``bin``, as in VTM's source tree."""
        if self.encoder is None:
            return None
        return self.encoder.resolve().parent.parent / "cfg" / "encoder_intra_vtm.cfg"

    @property
    def installed(self) -> bool:
        found = self.configuration
        return super().installed and found is not None and found.is_file()

    def encode_command(self, qp: int, height: int, width: int) -> list[str | Path]:
        assert self.encoder is not None
        assert self.configuration is not None
        return [
            *(self.encoder, "-c", self.configuration, "-i", "in.yuv", "-b", "out.vvc"),
            *("-wdt", f"{width}", "-hgt", f"{height}", "-fr", "1", "-f", "1", "-q", f"{qp}"),
            *("--InputBitDepth=8", "--InputChromaFormat=444"),
        ]

    def decode_command(self) -> list[str | Path]:
        assert self.decoder is not None
        return [self.decoder, "-b", "in.vvc", "-o", "out.yuv", "-d", "8"]

    def samples(self, planes: Planes) -> bytes:
        return planes.tobytes()

    def planes(self, samples: bytes, height: int, width: int) -> Planes:
        return np.frombuffer(samples, np.uint8).reshape(3, height, width)

    def sample_count(self, height: int, width: int) -> int:
        return 3 * height * width


class VVenC(VVCSoftware):
    """Fraunhofer HHI's encoder and decoder, 4:2:0; chroma is averaged and interpolated."""

    def __init__(self) -> None:
        self.encoder = find_program("vvencapp")
        self.decoder = find_program("vvdecapp")

    def encode_command(self, qp: int, height: int, width: int) -> list[str | Path]:
        assert self.encoder is not None
        return [
            *(self.encoder, "-i", "in.yuv", "-o", "out.vvc", "-s", f"{width}x{height}"),
            *("-c", "yuv420", "-r", "1", "--frames", "1", "--intraperiod", "1", "-q", f"{qp}"),
            *("--preset", "slower", "--qpa", "0", "-t", "1"),
        ]

    def decode_command(self) -> list[str | Path]:
        assert self.decoder is not None
        return [self.decoder, "-b", "in.vvc", "-o", "out.yuv", "-d", "8", "-t", "1"]

    def samples(self, planes: Planes) -> bytes:
        height, width = planes.shape[1:]
        halves = [_resized(plane, height // 2, width // 2) for plane in planes[1:]]
        return b"".join([planes[0].tobytes(), *(half.tobytes() for half in halves)])

    def planes(self, samples: bytes, height: int, width: int) -> Planes:
        flat = np.frombuffer(samples, np.uint8)
        luma, chroma = np.split(flat, [height * width])
        halves = chroma.reshape(2, height // 2, width // 2)
        whole = [_resized(half, height, width) for half in halves]
        return np.stack([luma.reshape(height, width), *whole])

    def sample_count(self, height: int, width: int) -> int:
        return height * width * 3 // 2


def _resized(plane: Planes, height: int, width: int) -> Planes:
    """Box filter where it shrinks, linear interpolation where it grows (samples centred)."""
    filter_ = Image.Resampling.BOX if height < plane.shape[0] else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(plane).resize((width, height), filter_))
