# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcom_phy.interleaving import permutation, scrambling_bits, splitmix64


@given(st.integers(0, 5000))
def test_is_a_permutation(n):
    np.testing.assert_array_equal(np.sort(permutation(n)), np.arange(n))


def test_hash_matches_the_published_generator():
    # First outputs of splitmix64 seeded with 1234567, Rosetta Code "Pseudo-random
    # numbers/Splitmix64"; its state advances by the golden ratio, our counter by one.
    golden, mask = 0x9E3779B97F4A7C15, (1 << 64) - 1
    inverse = pow(golden, -1, 1 << 64)
    counter = 1234567 * inverse & mask
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    values = splitmix64(np.array([counter, (counter + 1) & mask, (counter + 2) & mask], np.uint64))
    assert values.tolist() == expected


def test_order_is_part_of_the_format_on_the_air():
    assert permutation(8).tolist() == [6, 4, 7, 2, 5, 1, 0, 3]
    assert permutation(100_000)[:4].tolist() == [54466, 64076, 90421, 53499]
    assert "".join(map(str, scrambling_bits(32))) == "01000010101001001001110101110001"


@pytest.mark.parametrize("n", [6144, 196_608, 1_500_000])
def test_a_lost_part_is_spread_evenly(n):
    # A tenth in a row, lost anywhere, thins every one of 64 stretches by about a tenth, and
    # leaves no stripes: neighbours are lost together no more often than chance has it.
    order = permutation(n)
    for start in (0, n // 3, n - n // 10):
        lost = np.zeros(n, bool)
        lost[order[start : start + n // 10]] = True
        share = lost[: n - n % 64].reshape(64, -1).mean(axis=1)
        spread = np.sqrt(0.09 / (n // 64))
        assert np.abs(share - 0.1).max() < 5 * spread
        for distance in (1, 2, 3, 192, 256):
            both = np.mean(lost[distance:] & lost[:-distance])
            assert abs(both - 0.01) < 5 * np.sqrt(0.01 / n)


def test_long_orders_take_no_lasting_memory():
    assert permutation(1 << 20) is permutation(1 << 20)
    assert permutation((1 << 20) + 1) is not permutation((1 << 20) + 1)
    assert not permutation(10).flags.writeable


def test_scrambling_is_balanced_and_prefix_stable():
    bits = scrambling_bits(100_000)
    assert abs(bits.mean() - 0.5) < 0.01
    assert abs(np.mean(bits[1:] ^ bits[:-1]) - 0.5) < 0.01
    np.testing.assert_array_equal(scrambling_bits(77), bits[:77])


def test_long_scrambling_takes_little_more_memory_than_its_bits():
    n = (1 << 23) + 100_000  # too long to be kept
    tracemalloc.start()
    try:
        bits = scrambling_bits(n)
        assert tracemalloc.get_traced_memory()[1] < 1.5 * n
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(bits[: 1 << 18], scrambling_bits(1 << 18))
    last = np.array([(1 << 63) | (n - 1)], np.uint64)
    assert bits[-1] == splitmix64(last)[0] >> np.uint64(63)
