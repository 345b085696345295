# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.study.feature_map import HIGH_DB, LOW_DB, draw, feature_maps, write_png
from semcom_models.study.subject import open_adjscc


def test_the_channel_whose_factor_changes_most(
    codec: ADJSCCCodec, pictures: list[Tensor], factors_of: Callable[[int, float], Tensor]
) -> None:
    maps = feature_maps(codec, pictures[0], "encoder-3", None)
    low, high = (factors_of(3, snr_db) for snr_db in (LOW_DB, HIGH_DB))
    changes = (high - low).abs()
    assert changes[maps.channel] == changes.max()
    expected = [float(low[maps.channel]), float(high[maps.channel])]
    assert maps.factors == pytest.approx(expected, abs=1e-5)


def test_in_the_first_module_only_the_factor_differs(pictures: list[Tensor]) -> None:
    codec = open_adjscc("adjscc-cifar-small")
    maps = feature_maps(codec, pictures[1], "encoder-1", 7)
    assert maps.channel == 7
    assert maps.maps[0].shape == (16, 16)
    ratio = maps.factors[1] / maps.factors[0]
    np.testing.assert_allclose(maps.maps[1], maps.maps[0] * ratio, rtol=1e-4, atol=1e-6)
    deeper = feature_maps(codec, pictures[1], "encoder-2", 7)
    ratio = deeper.factors[1] / deeper.factors[0]
    assert not np.allclose(deeper.maps[1], deeper.maps[0] * ratio, rtol=0.05, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "channel", "said"),
    [
        ("encoder-5", None, "no AF module 'encoder-5': there are encoder-1, "),
        ("encoder-1", 5, "encoder-1 has channels 0 to 4: there is no 5"),
        ("decoder-2", -1, "decoder-2 has channels 0 to 4: there is no -1"),
    ],
)
def test_what_there_is_not(
    codec: ADJSCCCodec, pictures: list[Tensor], module: str, channel: int | None, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        feature_maps(codec, pictures[0], module, channel)


def test_both_maps_have_one_scale_of_colours(
    codec: ADJSCCCodec, pictures: list[Tensor], tmp_path: Path
) -> None:
    maps = feature_maps(codec, pictures[0], "encoder-1", 0)
    original, changed, low, high = draw(maps).axes[:4]
    assert low.images[0].get_clim() == high.images[0].get_clim()
    shown = [np.asarray(panel.images[0].get_array()) for panel in (original, low, high, changed)]
    np.testing.assert_array_equal(shown[0], maps.picture.permute(1, 2, 0))
    np.testing.assert_array_equal(shown[1], maps.maps[0])
    np.testing.assert_array_equal(shown[2] - shown[1], shown[3])
    least, most = changed.images[0].get_clim()
    assert least == -most < 0
    write_png(maps, tmp_path / "features.png")
    write_png(maps, tmp_path / "again.png")
    assert (tmp_path / "features.png").read_bytes() == (tmp_path / "again.png").read_bytes()
    assert Image.open(tmp_path / "features.png").format == "PNG"
