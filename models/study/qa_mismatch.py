# SPDX-License-Identifier: GPL-3.0-or-later
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from semcom_models.evaluation import evaluate
from semcom_models.study.mismatch import Mismatch, bdjscc_beside, gain, measure_mismatch
from semcom_models.study.mismatch_results import draw, markdown, write_csv
from semcom_models.study.subject import open_adjscc, open_codec

SNRS_DB = (0.0, 10.0, 20.0)


@pytest.fixture(scope="module")
def measured(pictures: list[Tensor]) -> Mismatch:
    adjscc, bdjscc = open_adjscc("adjscc-cifar-small"), open_codec("bdjscc-cifar-small-10db")
    return measure_mismatch(adjscc, [bdjscc], 4 * pictures, SNRS_DB)


def test_the_truth_is_best(measured: Mismatch) -> None:
    assert measured.both.shape == measured.encoder_alone.shape == (3, 3, 12)
    assert measured.bdjscc[10.0].shape == measured.matched.shape == (3, 12)
    for told in (measured.both, measured.encoder_alone):
        for test in range(3):
            np.testing.assert_allclose(told[test, test], measured.matched[test], rtol=1e-3)
            for fed_back in {0, 1, 2} - {test}:
                lost = gain(told[fed_back, test], measured.matched[test])
                assert lost.value < -0.1
                assert lost.high < 0


def test_a_decoder_that_is_told_too_much_does_worse_than_one_that_measures(
    measured: Mismatch,
) -> None:
    assert gain(measured.encoder_alone[2, 0], measured.both[2, 0]).low > 0.5


def test_figures_are_those_of_the_codec(pictures: list[Tensor], measured: Mismatch) -> None:
    for name, errors in (
        ("adjscc-cifar-small", measured.matched),
        ("bdjscc-cifar-small-10db", measured.bdjscc[10.0]),
    ):
        # Other noise: 12 pictures of 512 symbols.
        reached = evaluate(open_codec(name), 4 * pictures, SNRS_DB[1])
        assert 10 * np.log10(errors[1].mean() / reached.mse) == pytest.approx(0, abs=0.3)


def test_without_attention_modules_nothing_is_told(pictures: list[Tensor]) -> None:
    bdjscc = open_codec("bdjscc-cifar-small-10db")
    result = measure_mismatch(bdjscc, [], pictures, (5.0, 15.0))
    np.testing.assert_array_equal(result.both, result.encoder_alone)
    np.testing.assert_array_equal(result.both[0], result.both[1])


def test_gain_is_of_mean_errors() -> None:
    ours, theirs = np.array([0.01, 0.03]), np.array([0.002, 0.012])
    assert gain(ours, theirs).value == pytest.approx(10 * np.log10(0.007 / 0.02))


def test_bdjscc_presets_beside() -> None:
    assert "bdjscc-cifar-small-10db" in bdjscc_beside("adjscc-cifar-small")
    assert bdjscc_beside("adjscc-photo-small") == []


def made_up() -> Mismatch:
    """Errors that are powers of ten, so that all figures are known."""
    away = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    both = np.repeat(10.0 ** (away - 3)[:, :, None], 4, axis=2)
    return Mismatch(SNRS_DB, both, both / 2, {10.0: np.full((3, 4), 2e-3)})


def test_results_are_written(tmp_path: Path) -> None:
    result = made_up()
    write_csv(result, tmp_path / "mismatch.csv")
    with (tmp_path / "mismatch.csv").open() as file:
        rows = {
            (row["scheme"], row["told"], row["snr_fb_db"], row["snr_test_db"]): row
            for row in csv.DictReader(file)
        }
    assert len(rows) == 3 + 2 * 9
    wrong = rows["adjscc", "both", "10", "20"]
    assert float(wrong["psnr_db"]) == pytest.approx(20)
    assert float(wrong["over_matched_db"]) == float(wrong["over_matched_db_low"]) == -10
    assert float(wrong["over_bdjscc_db"]) == pytest.approx(-6.990)
    assert float(rows["bdjscc", "", "10", "0"]["over_matched_db"]) == pytest.approx(-3.010)
    alone = rows["adjscc", "encoder", "0", "20"]
    assert float(alone["over_both_db"]) == pytest.approx(3.010)
    assert alone["over_bdjscc_db"] == wrong["over_both_db_low"] == ""
    text = markdown(result)
    assert "| 10 | 20.00 | 30.00 | 20.00 |\n" in text
    assert "| 10 | 23.01 | 33.01 | 23.01 |\n" in text
    assert "| BDJSCC, 10 dB | 26.99 | 26.99 | 26.99 |" in text
    assert "better than one told SNR_fb in 6 (by 3.01 dB at most), worse in 0 (by 0.00 dB" in text
    less = "-6.99 (-6.99 to -6.99) | -3.98 (-3.98 to -3.98) | +3.01 (+3.01 to +3.01)"
    assert f"| 20 | {less} |" in text
    assert draw(result) == draw(result)


def test_a_bdjscc_trained_at_an_snr_between_those_measured(tmp_path: Path) -> None:
    between = replace(made_up(), bdjscc={7.0: np.full((3, 4), 2e-3)})
    text = markdown(between)
    assert "| BDJSCC, 7 dB | 26.99 | 26.99 | 26.99 |" in text
    assert "less BDJSCC" not in text
    assert "<svg" in draw(between)
    write_csv(between, tmp_path / "mismatch.csv")
    assert (tmp_path / "mismatch.csv").read_text().count("\nbdjscc,,7,") == 3
