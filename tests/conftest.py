# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures small enough to send many times."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from semcom_models.data import round_to_8_bit, sample_pictures

SIDE = 192
"""Longer than MS-SSIM needs, short enough for a test."""


@pytest.fixture(scope="session")
def small_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the sample pictures, reduced."""
    folder = tmp_path_factory.mktemp("samples")
    for name, picture in sample_pictures():
        image = Image.fromarray(round_to_8_bit(picture).permute(1, 2, 0).numpy())
        scale = SIDE / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.LANCZOS).save(folder / f"{name}.png")
    return folder
