# SPDX-License-Identifier: GPL-3.0-or-later
import csv
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy.special import erfc, j0

from semcom_models.precoding import __main__ as command
from semcom_models.precoding.ablation import (
    BASELINE,
    Estimate,
    compare,
    count_errors,
    information,
    schemes,
)
from semcom_models.precoding.knowledge import Csi, complex_normal, draw_channels
from semcom_models.precoding.recipe import load_recipe
from semcom_models.precoding.results import as_table, draw, write_csv
from semcom_phy.pcen_parameters import CenCorrection, PcenParameters
from semcom_phy.qam import constellation

LAYERS = PcenParameters((0.2, 1.1, 1.9, 3.0), (-2.5, 0.5, 0.75, 0.85), CenCorrection(0.1, 0.9, 0.9))


def test_errors_and_information_over_gaussian_noise() -> None:
    """QPSK at 3 dB: the textbook's error rate, and information as trusted variances allow."""
    rng = np.random.default_rng(1)
    index = rng.integers(4, size=(4000, 4, 2))
    noise_var = np.full((4, 2), 0.5, np.float32)
    noisy = constellation(2)[index] + np.sqrt(np.float32(0.5)) * complex_normal(index.shape, rng)
    bit_error = erfc(np.sqrt(1.0)) / 2
    expected = 1 - (1 - bit_error) ** 2
    assert count_errors(noisy, index, "QPSK").mean() == pytest.approx(expected, rel=0.05)
    carried = information(noisy, noise_var, index, "QPSK")
    # Each quadrature is a binary-input channel of amplitude 1 and variance 0.5 in units of it.
    level = 1 + np.sqrt(0.5) * rng.standard_normal(200_000)
    binary = 1 - np.mean(np.log2(1 + np.exp(-4 * level)))
    assert carried.mean() == pytest.approx(4 * binary, rel=0.01)
    for wrong in (0.3, 3.0):
        assert (information(noisy, noise_var * wrong, index, "QPSK") < carried).all()
    nothing = information(noisy, noise_var * np.float32(np.inf), index, "QPSK")
    np.testing.assert_allclose(nothing, 0, atol=1e-9)


def test_what_is_known_of_the_channel() -> None:
    rngs = [np.random.default_rng(2) for _ in range(3)]
    perfect, noisy, stale = (
        draw_channels(20_000, csi, 0.1, 0.1, rng)
        for csi, rng in zip(get_args(Csi), rngs, strict=True)
    )
    np.testing.assert_array_equal(perfect.truth, noisy.truth)
    np.testing.assert_array_equal(perfect.truth, stale.truth)
    assert np.mean(np.abs(perfect.truth) ** 2) == pytest.approx(1, rel=0.02)
    assert perfect.transmitter is perfect.receiver is perfect.truth
    assert noisy.transmitter is noisy.receiver
    assert np.mean(np.abs(noisy.receiver - noisy.truth) ** 2) == pytest.approx(0.1, rel=0.02)
    np.testing.assert_allclose(noisy.noise_cov(0.2)[0], 0.4 * np.eye(2))
    assert stale.receiver is stale.truth
    rho = np.mean(stale.transmitter * stale.truth.conj())
    assert rho == pytest.approx(j0(0.2 * np.pi), abs=0.02)
    assert np.mean(np.abs(stale.transmitter) ** 2) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("csi", ["perfect", "noisy", "stale"])
def test_all_schemes_send_alike_and_meet_the_same(csi: Csi) -> None:
    recipe = load_recipe(command.RECIPE)
    results = list(compare(recipe, {"QPSK": LAYERS}, csi, 10.0, "QPSK", 150))
    assert [result.scheme for result in results] == list(schemes("QPSK", 10.0, LAYERS))
    for result in results:
        assert result.power == pytest.approx(2.0, rel=0.01)
        assert 0 < result.errors.mean < 0.75
        assert result.information.mean < 4
    weak = {result.scheme: result.weak_share for result in results}
    assert 0.1 < weak[BASELINE] < 0.5 < weak["least error"] < 0.9
    baseline = results[0]
    assert baseline.scheme == BASELINE
    assert baseline.errors_saved == Estimate(0.0, 0.0)
    for result in results[1:]:
        saved = baseline.errors.mean - result.errors.mean
        assert result.errors_saved.mean == pytest.approx(saved, abs=1e-6)
    again = list(compare(recipe, {"QPSK": LAYERS}, csi, 10.0, "QPSK", 150))
    assert again == results


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    estimates = [Estimate.of(rng.exponential(1.0, 400)) for _ in range(400)]
    held = np.mean([abs(e.mean - 1) < e.half_width for e in estimates])
    assert 0.91 < held < 0.98


def test_results_are_written(tmp_path: Path) -> None:
    recipe = load_recipe(command.RECIPE)
    results = [
        result
        for snr_db in (0.0, 10.0)
        for result in compare(recipe, {"QPSK": LAYERS}, "perfect", snr_db, "QPSK", 20)
    ]
    write_csv(results, tmp_path / "pcen.csv")
    with (tmp_path / "pcen.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(results) == as_table(results).row_count
    assert float(rows[3]["errors"]) == pytest.approx(results[3].errors.mean, rel=1e-4)
    draw(results, tmp_path / "pcen.svg")
    assert "QPSK, perfect CSI" in (tmp_path / "pcen.svg").read_text()
