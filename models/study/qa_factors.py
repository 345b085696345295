# SPDX-License-Identifier: GPL-3.0-or-later
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.study.factor_results import draw, markdown, observations, write_csv
from semcom_models.study.factors import Factors, measure_factors, rises
from semcom_models.study.subject import open_adjscc


def test_factors_over_snr(
    codec: ADJSCCCodec, pictures: list[Tensor], factors_of: Callable[[int, float], Tensor]
) -> None:
    snrs_db = (2.0, 10.0, 18.0)
    results = measure_factors(codec, pictures, snrs_db)
    assert [result.module for result in results][3:5] == ["encoder-4", "decoder-1"]
    for number, result in enumerate(results, start=1):
        expected = torch.stack([factors_of(number, snr_db) for snr_db in snrs_db]).numpy()
        np.testing.assert_allclose(result.mean, expected, atol=1e-5)
        np.testing.assert_allclose(result.deviation, 0, atol=1e-5)
        np.testing.assert_allclose(result.variance, expected.var(1), atol=1e-5)
        change = np.abs(expected[-1] - expected[0]).mean()
        assert result.change.value == pytest.approx(change, abs=1e-5)
        gained = result.variance_gained
        assert gained.value == pytest.approx(np.ptp(expected.var(1)), abs=1e-5)
        assert gained.low == pytest.approx(gained.high, abs=1e-5)


def test_the_mean_and_spread_are_over_pictures(pictures: list[Tensor]) -> None:
    codec = open_adjscc("adjscc-cifar-small")
    together = measure_factors(codec, pictures, (1.0, 19.0))
    alone = [measure_factors(codec, [picture], (1.0, 19.0)) for picture in pictures]
    first = np.stack([results[0].values[0] for results in alone])
    np.testing.assert_allclose(together[0].values, first, atol=1e-5)
    np.testing.assert_allclose(together[0].mean, first.mean(0), atol=1e-5)
    np.testing.assert_allclose(together[0].deviation, first.std(0), atol=1e-5)
    assert (together[0].deviation > 0).any()


def made_up(module: str, low: float, middle: float, high: float) -> Factors:
    """Two channels that far above and below a half; of all pictures alike."""
    swing = np.array([low, middle, high], np.float32)
    values = 0.5 + np.stack([swing, -swing], axis=1)
    return Factors(module, (1.0, 10.0, 19.0), np.repeat(values[None], 6, axis=0))


def test_observations_are_those_of_the_factors() -> None:
    results = [
        made_up("encoder-1", 0.1, 0.2, 0.4),
        made_up("encoder-2", 0.2, 0.1, 0.3),
        made_up("decoder-1", 0.3, 0.2, 0.1),
        made_up("decoder-2", 0.1, 0.3, 0.4),
    ]
    first, second, third, fourth = observations(results)
    assert "lowest in encoder-1, encoder-2; with every step of the SNR in encoder-1." in first
    assert second.endswith("does fall from module to module: 0.300, 0.100.")
    assert "lowest in decoder-2; with every step of the SNR in decoder-2." in third
    assert fourth.endswith("does not fall from module to module: 0.200, 0.300.")
    table = markdown(results)
    assert (
        "| encoder-1 | 0.0100 | 0.0400 | 0.1600 | +0.1500 (+0.1500 to +0.1500) | "
        "0.3000 (0.3000 to 0.3000) |" in table
    )
    assert not rises([1, 1])


def test_results_are_written(tmp_path: Path) -> None:
    results = [made_up("encoder-1", 0.1, 0.2, 0.4), made_up("decoder-1", 0.3, 0.2, 0.1)]
    write_csv(results, tmp_path / "factors.csv")
    with (tmp_path / "factors.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 3 * 2
    assert rows[5] == {
        "module": "encoder-1",
        "snr_db": "19",
        "channel": "1",
        "mean": "0.1000",
        "deviation": "0.0000",
    }
    drawing = draw(results)
    assert drawing == draw(results)
    # A curve and a shaded deviation for every module and SNR.
    assert drawing.count('id="FillBetweenPolyCollection_') == 6
