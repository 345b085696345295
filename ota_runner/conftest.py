# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs that are quick, and pictures to send."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from semcom_models.codecs import registry
from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.presets import PresetInfo
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)

BLOCK = 4
"""Side of the blocks whose means the test's codec sends."""

MCS_1_3 = 1
"""Index of QPSK with a convolutional code of rate 1/3."""

SWING = math.sqrt(6)
"""Scale of a value in -0.5..0.5: unit power for pictures of even greys."""


class BlockMeans(Codec):
    """Sends the means of blocks, as they are."""

    def __init__(self, preset: PresetInfo, weights: Path | None) -> None:
        self.label = registry.label_of(preset, weights)

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        return [self._encode(image) for image in images]

    def _encode(self, image: Tensor) -> Transmission:
        _, height, width = image.shape
        values = ((block_means(image) - 0.5) * SWING).flatten()
        values = F.pad(values, (0, len(values) % 2))
        symbols = torch.complex(*values.view(2, -1)).numpy()[None]
        return Transmission((AnalogSection(symbols),), height, width, self.label)

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        return [self._decode(reception) for reception in receptions]

    def _decode(self, reception: Reception) -> Tensor:
        height, width = reception.header.height, reception.header.width
        [section] = reception.sections
        assert isinstance(section, ReceivedAnalog)
        symbols = torch.from_numpy(section.symbols[0])
        values = torch.cat((symbols.real, symbols.imag)) / SWING + 0.5
        return picture_of(values, height, width)


class Quantisation(BaseModel):
    """Options of :class:`QuantisedMeans`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Annotated[int, Field(ge=1, le=8, description="bits a value, 1 to 8")] = 8
    level_db: Annotated[float, Field(description="noted, and nothing else")] = 0.0


class QuantisedMeans(Codec):
    """Sends the means of blocks as bits; their depth is the label's rate."""

    def __init__(self, preset: PresetInfo, weights: Path | None) -> None:
        self.label = registry.label_of(preset, weights)

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        assert request is not None
        assert isinstance(request.options, Quantisation)
        return [self._encode(image, state, request.options) for image in images]

    def _encode(self, image: Tensor, state: ChannelState, options: Quantisation) -> Transmission:
        levels = (block_means(image) * 255).round().to(torch.uint8).numpy().reshape(-1, 1)
        bits = np.unpackbits(levels, axis=1)[:, : options.depth].flatten()
        label = replace(self.label, rate=options.depth)
        _, height, width = image.shape
        assert state.snr_db is not None
        notes = {"quality": options.depth, "level": options.level_db, "told_db": state.snr_db}
        return Transmission((DigitalSection(bits, MCS_1_3),), height, width, label, notes)

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        return [self._decode(reception) for reception in receptions]

    def _decode(self, reception: Reception) -> Tensor:
        header, [section] = reception.header, reception.sections
        assert isinstance(section, ReceivedDigital)
        levels = np.packbits(section.bits.reshape(-1, header.label.rate), axis=1).flatten()
        return picture_of(torch.from_numpy(levels) / 255, header.height, header.width)


def block_means(image: Tensor) -> Tensor:
    """``[3, rows, columns]``."""
    _, height, width = image.shape
    padded = F.pad(image[None], (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    return F.avg_pool2d(padded, BLOCK)[0]


def picture_of(means: Tensor, height: int, width: int) -> Tensor:
    """``[3, height, width]`` from as many means as it takes, flat."""
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    blocks = means[: 3 * rows * columns].view(1, 3, rows, columns)
    return F.interpolate(blocks, scale_factor=BLOCK)[0, :, :height, :width].clamp(0, 1)


@pytest.fixture
def blocks() -> Iterator[str]:
    """Name of a scheme that sends the means of blocks."""
    preset = PresetInfo("blocks", "plain", 0, 1 / (2 * BLOCK**2), default=True)
    registry.register("blocks", 200, BlockMeans, title="block means", presets=[preset])
    yield "blocks"
    registry.unregister("blocks")


@pytest.fixture
def own_file(tmp_path: Path) -> Iterator[Path]:
    """A Python file that registers :class:`BlockMeans` as the scheme ``own``."""
    file = tmp_path / "own.py"
    file.write_text(
        "from ota_runner.conftest import BlockMeans\n"
        "from semcom_models.codecs import registry\n"
        "preset = registry.PresetInfo('own', 'plain', 0, 1 / 32, default=True)\n"
        "registry.register('own', 202, BlockMeans, presets=[preset])\n"
    )
    yield file
    with suppress(registry.UnknownScheme):
        registry.unregister("own")


@pytest.fixture
def quantised() -> Iterator[str]:
    """Name of a digital scheme with options of its own, :class:`Quantisation`."""
    preset = PresetInfo("quantised", "plain", 0, 1 / 4, default=True)
    registry.register("quantised", 201, QuantisedMeans, presets=[preset], options=Quantisation)
    yield "quantised"
    registry.unregister("quantised")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three small pictures, one of them black."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    ramp = np.linspace(0, 255, 48 * 40).reshape(40, 48).astype(np.uint8)
    colour = np.stack((ramp, ramp[::-1], ramp[:, ::-1]), axis=2)
    Image.fromarray(colour).save(folder / "ramp.png")
    Image.fromarray(colour[:17, :23]).save(folder / "more" / "odd size.png")
    Image.new("RGB", (32, 32)).save(folder / "black.png")
    return folder
