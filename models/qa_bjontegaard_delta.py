# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest

from semcom_models.bjontegaard_delta import bd_psnr_db, bd_rate_percent

# The example in the README of the bjontegaard package: x265 with two presets.
ANCHOR = [(9487.76, 40.037), (4593.60, 38.615), (2486.44, 36.845), (1358.24, 34.851)]
TEST = [(9787.80, 40.121), (4469.00, 38.651), (2451.52, 36.970), (1356.24, 34.987)]


def test_example_of_the_package() -> None:
    assert bd_rate_percent(ANCHOR, TEST) == pytest.approx(-4.4252, abs=1e-4)
    assert bd_psnr_db(ANCHOR, TEST) == pytest.approx(0.1194, abs=1e-4)


def test_by_definition() -> None:
    dearer = [(1.25 * rate, psnr) for rate, psnr in ANCHOR]
    better = [(rate, psnr + 0.5) for rate, psnr in ANCHOR[::-1]]
    assert bd_rate_percent(ANCHOR, dearer) == pytest.approx(25)
    assert bd_rate_percent(dearer, ANCHOR) == pytest.approx(-20)
    assert bd_psnr_db(ANCHOR, better) == pytest.approx(0.5)
    assert bd_rate_percent(ANCHOR, [*dearer, (20000.0, 41.0)]) == pytest.approx(25, abs=0.1)


def test_curves_that_share_nothing() -> None:
    far = [(100 * rate, psnr) for rate, psnr in ANCHOR]
    above = [(rate, psnr + 20) for rate, psnr in ANCHOR]
    assert bd_psnr_db(ANCHOR, far) is None
    assert bd_rate_percent(ANCHOR, far) == pytest.approx(9900)
    assert bd_rate_percent(ANCHOR, above) is None


def test_small_overlap_is_told() -> None:
    with pytest.warns(UserWarning, match="overlap"):
        assert bd_psnr_db(ANCHOR, [(3 * rate, psnr) for rate, psnr in ANCHOR]) is not None


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (ANCHOR[:3], "3 points"),
        ([*ANCHOR[:3], (5000.0, 30.0)], "rise"),
        ([*ANCHOR, ANCHOR[0]], "rise"),
        ([*ANCHOR, (0.0, 20.0)], "positive"),
        ([*ANCHOR, (20000.0, math.inf)], "finite"),
    ],
)
def test_what_is_no_curve(curve: list[tuple[float, float]], message: str) -> None:
    for arguments in ((curve, ANCHOR), (ANCHOR, curve)):
        with pytest.raises(ValueError, match=message):
            bd_rate_percent(*arguments)
        with pytest.raises(ValueError, match=message):
            bd_psnr_db(*arguments)
