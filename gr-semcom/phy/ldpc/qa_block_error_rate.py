# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
import sys
from math import sqrt

import pytest

from semcom_phy.ldpc import LDPC5G, WLAN_1944_3_4
from semcom_phy.ldpc.block_error_rate import Count, count_errors

CODE = LDPC5G(120, 240)


# Es/N0 of QPSK and the block error rate of this decoder at 20 iterations, measured over at least
# 600 wrong blocks. A tenth of a decibel is a factor of two. Sionna 2.2 (flooding, boxplus-phi, 20
# iterations) has 0.478, 0.527 and 0.528 at the points of the 5G codes.
MEASURED = [
    pytest.param(LDPC5G(1024, 2048), 1.00, 0.168, id="1024/2048"),
    pytest.param(LDPC5G(2048, 4096), 1.00, 0.079, id="2048/4096"),
    pytest.param(LDPC5G(3072, 4096), 4.01, 0.151, id="3072/4096"),
    pytest.param(WLAN_1944_3_4, 4.25, 0.101, id="wlan"),
]


@pytest.mark.parametrize(("code", "snr_db", "expected"), MEASURED)
def test_block_error_rate(code, snr_db, expected):
    count = count_errors(code, snr_db, errors=1500, max_blocks=1500)
    assert count.blocks == 1500
    assert count.rate == pytest.approx(expected, abs=4 * sqrt(expected / count.blocks))


def test_waits_for_errors_or_the_last_block():
    assert count_errors(CODE, -20.0, max_blocks=30) == Count(30, 30)
    assert count_errors(CODE, 20.0, max_blocks=30) == Count(30, 0)
    waited = count_errors(CODE, 0.0, errors=10)
    assert waited.errors >= 10
    assert waited.blocks < 100_000


def test_same_seed_same_count():
    counts = [count_errors(CODE, 1.0, errors=10, seed=seed) for seed in (3, 3, 4)]
    assert counts[0] == counts[1] != counts[2]


@pytest.mark.parametrize(("bits_per_symbol", "snr_db"), [(1, 0.0), (4, 8.0), (8, 19.0)])
def test_other_modulations(bits_per_symbol, snr_db):
    count = count_errors(CODE, snr_db, bits_per_symbol=bits_per_symbol, max_blocks=200)
    assert count.rate < 0.5


def test_interval_holds_the_rate():
    low, high = Count(1000, 50).interval()
    assert 0.03 < low < 0.05 < high < 0.07


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "semcom_phy.ldpc.block_error_rate", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_command_prints_a_table():
    ended = command("120/240", "wlan", "--snr", "-10", "20", "--max-blocks", "10")
    assert ended.returncode == 0, ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()[1:]]
    assert [row[:5] for row in rows] == [
        ["120", "240", "-10.00", "10", "10"],
        ["120", "240", "20.00", "10", "0"],
        ["1458", "1944", "-10.00", "10", "10"],
        ["1458", "1944", "20.00", "10", "0"],
    ]


def test_command_says_what_it_does_not_understand():
    ended = command("120", "--snr", "1")
    assert ended.returncode == 2
    assert "'120' is neither 'wlan' nor k/n" in ended.stderr.splitlines()[-1]
