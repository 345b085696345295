# SPDX-License-Identifier: GPL-3.0-or-later
import csv

import numpy as np
import pytest
from scipy.stats import norm

from semcom_phy import block_error_measurement
from semcom_phy.block_error_curve import CURVES, BlockErrorCurve, Count, fit, shannon_limit_db
from semcom_phy.block_error_measurement import count_lost, measured_sections
from semcom_phy.mcs_tables import MCS, mcs_index


def test_shannon_limit():
    assert shannon_limit_db(1.0) == pytest.approx(0.0)
    assert shannon_limit_db(6.0) == pytest.approx(10 * np.log10(63))
    assert shannon_limit_db(1e-6) == pytest.approx(10 * np.log10(np.log(2) * 1e-6), abs=1e-4)


def test_a_curve_is_the_tail_of_the_normal_distribution():
    curve = BlockErrorCurve(block=1000, gap_db=1.5, spread_db=0.25)
    threshold_db = shannon_limit_db(2.0) + 1.5
    assert curve.error_rate(2.0, threshold_db) == pytest.approx(0.5)
    assert curve.error_rate(2.0, threshold_db + 0.75) == pytest.approx(norm.sf(3))


@pytest.mark.parametrize(("threshold_db", "spread_db"), [(3.21, 0.1), (-6.0, 1.4)])
def test_a_fit_finds_the_curve_behind_the_counts(threshold_db, spread_db):
    rng = np.random.default_rng(1)
    counts = []
    for deviation, blocks in (
        (-9, 40),
        (-1, 400),
        (0.5, 3000),
        (1.3, 5000),
        (2.5, 20_000),
        (9, 40),
    ):
        snr_db = threshold_db + deviation * spread_db
        counts.append(Count(snr_db, blocks, int(rng.binomial(blocks, norm.sf(deviation)))))
    found = fit(counts)
    assert found[0] == pytest.approx(threshold_db, abs=0.06 * spread_db)
    assert found[1] == pytest.approx(spread_db, rel=0.05)


def test_every_ldpc_scheme_was_measured_at_every_size():
    with CURVES.open(newline="") as file:
        rows = [(row["mcs"], int(row["section_bits"])) for row in csv.DictReader(file)]
    assert rows == [(scheme.name, bits) for scheme, bits in measured_sections()]
    ldpc = MCS[3 : mcs_index("uncoded-qpsk")]
    assert {name for name, _ in rows} == {scheme.name for scheme in ldpc}


def test_noise_decides_how_many_blocks_are_lost():
    scheme = MCS[mcs_index("nr-16qam-1/2")]
    assert count_lost(scheme, 300, 0.0, 50, seed=1) == Count(0.0, 50, 50)
    assert count_lost(scheme, 300, 15.0, 50, seed=1) == Count(15.0, 50, 0)


def test_the_command_writes_what_it_measured(tmp_path, monkeypatch):
    section = (MCS[mcs_index("nr-16qam-1/2")], 100)
    monkeypatch.setattr(block_error_measurement, "measured_sections", lambda: iter([section]))
    block_error_measurement.main(["--output", str(tmp_path / "curves.csv"), "--seed", "2"])
    with (tmp_path / "curves.csv").open(newline="") as file, CURVES.open(newline="") as shipped:
        (row,) = csv.DictReader(file)
        (same,) = (
            line
            for line in csv.DictReader(shipped)
            if (line["mcs"], line["section_bits"]) == ("nr-16qam-1/2", "100")
        )
    assert int(row["blocks"]) > 4000
    assert float(row["threshold_db"]) == pytest.approx(float(same["threshold_db"]), abs=0.15)
    assert float(row["spread_db"]) == pytest.approx(float(same["spread_db"]), rel=0.15)
