# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.ldpc import LDPC80211, WLAN_1944_3_4
from semcom_phy.ldpc.wlan import mother_code


def rank_over_gf2(matrix):
    rows = [int("".join(map(str, row)), 2) for row in matrix]
    rank = 0
    while rows:
        pivot = rows.pop()
        if pivot:
            rank += 1
            low = pivot & -pivot
            rows = [row ^ pivot if row & low else row for row in rows]
    return rank


def test_parity_check_matrix_is_that_of_a_good_code():
    H = mother_code().parity_check_matrix().astype(np.int32)
    assert H.shape == (486, 1944)
    assert rank_over_gf2(H.toarray()) == 486
    # Two checks never share two bits: no cycle is shorter than six.
    shared = (H @ H.T).toarray()
    np.fill_diagonal(shared, 0)
    assert shared.max() == 1
    assert set(np.unique(H.sum(axis=1))) == {14, 15}
    assert set(np.unique(H.sum(axis=0))) == {2, 3, 6}


def test_words_satisfy_all_checks():
    bits = np.random.default_rng(0).integers(0, 2, (20, 1458), np.uint8)
    words = WLAN_1944_3_4.encode(bits)
    assert np.array_equal(words[:, :1458], bits)
    assert not (mother_code().parity_check_matrix().astype(np.int32) @ words.T % 2).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 1458), st.integers(0))
def test_shortened_words_are_those_of_zeros_appended(k, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (2, k), np.uint8)
    code = LDPC80211(k)
    whole = WLAN_1944_3_4.encode(np.pad(bits, ((0, 0), (0, 1458 - k))))
    coded = code.encode(bits)
    assert (code.k, code.n) == (k, k + 486)
    assert np.array_equal(coded, np.delete(whole, np.arange(k, 1458), axis=1))
    assert np.array_equal(code.decode(8.0 * (1 - 2.0 * coded)), bits)


def test_zeros_that_are_not_sent_help():
    # At a noise that 3/4 does not stand, the shortened code of rate 0.51 does.
    rng = np.random.default_rng(1)
    for code, arrive in ((WLAN_1944_3_4, False), (LDPC80211(500), True)):
        bits = rng.integers(0, 2, (50, code.k), np.uint8)
        coded = code.encode(bits)
        noise = rng.standard_normal(coded.shape)
        llr = 4 * (1.0 - 2.0 * coded) + np.sqrt(8) * noise
        assert (code.decode(llr) == bits).all(axis=1).mean() == arrive


@pytest.mark.parametrize("k", [0, 1459])
def test_no_such_shortening(k):
    with pytest.raises(ValueError, match=f"1 to 1458 information bits, not {k}"):
        LDPC80211(k)
