# SPDX-License-Identifier: GPL-3.0-or-later
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.convolutional import (
    UMTS_1_2,
    UMTS_1_3,
    ConvolutionalCode,
    match_rate,
    recover_rate,
)

K3 = ConvolutionalCode((0o5, 0o7), 3)
CODES = {"1/3": UMTS_1_3, "1/2": UMTS_1_2, "(5,7)": K3}


def free_distance(code):
    """Lightest path that leaves the zero state and returns, by Dijkstra's algorithm."""

    def step(state, bit):
        register = [bit, *state]
        taps = [f"{g:0{code.constraint_length}b}" for g in code.generators]
        weight = sum(
            sum(int(t) & r for t, r in zip(tap, register, strict=True)) % 2 for tap in taps
        )
        return tuple(register[:-1]), weight

    start, weight = step((0,) * code.tail, 1)
    queue, seen = [(weight, start)], set()
    while queue:
        weight, state = heappop(queue)
        if not any(state):
            return weight
        if state not in seen:
            seen.add(state)
            for bit in (0, 1):
                following, extra = step(state, bit)
                heappush(queue, (weight + extra, following))
    raise AssertionError("the zero state is never reached again")


def polynomial_encode(code, bits):
    """Each output is the message times its generator polynomial over GF(2)."""
    streams = []
    for generator in code.generators:
        taps = [int(digit) for digit in f"{generator:0{code.constraint_length}b}"]
        streams.append(np.convolve(bits, taps) % 2)
    return np.stack(streams, axis=1).reshape(-1)


@pytest.mark.parametrize("name", CODES)
def test_encoder_multiplies_polynomials(name):
    code = CODES[name]
    bits = np.random.default_rng(0).integers(0, 2, (3, 70))
    coded = code.encode(bits)
    assert coded.shape == (3, code.coded_length(70))
    for word, row in zip(coded, bits, strict=True):
        np.testing.assert_array_equal(word, polynomial_encode(code, row))


@pytest.mark.parametrize(("name", "distance"), [("1/3", 18), ("1/2", 12), ("(5,7)", 5)])
def test_free_distance_is_the_published_one(name, distance):
    assert free_distance(CODES[name]) == distance


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=300), st.sampled_from(sorted(CODES)))
def test_round_trip(bits, name):
    code = CODES[name]
    coded = code.encode([bits])[0]
    np.testing.assert_array_equal(code.decode(1 - 2 * coded.astype(np.float32)), bits)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 9), st.sampled_from(sorted(CODES)))
def test_list_is_that_of_an_exhaustive_search(seed, n, name):
    code = CODES[name]
    llr = np.random.default_rng(seed).standard_normal(code.coded_length(n)).astype(np.float32)
    every = (np.arange(1 << n)[:, None] >> np.arange(n - 1, -1, -1)) & 1
    scores = (1.0 - 2.0 * code.encode(every)) @ llr
    order = np.argsort(-scores)[:24]
    found = code.decode_list(llr, 24)
    # Also that it ends where there are no more words.
    assert len(found) == min(24, 1 << n)
    np.testing.assert_array_equal(found, every[order])


def test_check_chooses_within_the_list_only():
    rng = np.random.default_rng(4)
    llr = rng.standard_normal(UMTS_1_3.coded_length(40)).astype(np.float32)
    words = UMTS_1_3.decode_list(llr, 8)
    fifth = UMTS_1_3.decode_checked(llr, lambda x: (x == words[5]).all(axis=1), 8)
    np.testing.assert_array_equal(fifth, words[5])
    out_of_reach = UMTS_1_3.decode_checked(llr, lambda x: (x == words[5]).all(axis=1), 5)
    np.testing.assert_array_equal(out_of_reach, words[0])


def test_any_numbers_decode_to_bits():
    llr = np.full(UMTS_1_2.coded_length(50), np.nan, np.float32)
    llr[::3], llr[1::7], llr[2::5] = np.inf, -np.inf, 3e38
    words = UMTS_1_2.decode_list(llr, 40)
    assert words.shape == (40, 50)
    assert set(np.unique(words)) <= {0, 1}


@given(st.integers(1, 400), st.integers(1, 1500))
def test_rate_matching_adds_what_it_repeated(mother, target):
    rng = np.random.default_rng(mother)
    values = rng.integers(-8, 9, (2, mother)).astype(np.float32)
    sent = match_rate(values, target)
    copies = recover_rate(np.ones((1, target), np.float32), mother)[0]
    assert copies.sum() == target
    # Even: any stretch of the mother word gets its share, to within one copy a bit.
    assert copies.max() - copies.min() <= 1
    np.testing.assert_allclose(recover_rate(sent, mother), values * copies)


def test_neighbours_are_sent_far_apart():
    position = np.argsort(match_rate(np.arange(900)[np.newaxis], 900)[0])
    assert np.median(np.abs(np.diff(position))) > 900 / 5


def test_block_errors_at_half_a_db_from_the_cliff():
    # Published simulations of (557, 663, 711) at some 200 bits: 1e-3 to 1e-2 at Eb/N0 = 2.5 dB.
    rng = np.random.default_rng(5)
    n, blocks = 200, 400
    bits = rng.integers(0, 2, (blocks, n))
    coded = UMTS_1_3.encode(bits)
    variance = 0.5 / (n / coded.shape[1] * 10**0.25)
    y = 1 - 2.0 * coded + np.sqrt(variance) * rng.standard_normal(coded.shape)
    decoded = np.stack([UMTS_1_3.decode(row.astype(np.float32)) for row in 2 * y / variance])
    assert (decoded != bits).any(axis=1).mean() < 0.03
    uncoded = (y[:, ::3] < 0) != coded[:, ::3]
    assert uncoded.mean() > 0.1


@pytest.mark.parametrize("length", [0, 24, 26])
def test_impossible_lengths_are_refused(length):
    with pytest.raises(ValueError, match="no shape of a block"):
        UMTS_1_3.decode(np.zeros(length, np.float32))


def test_impossible_codes_are_refused():
    with pytest.raises(ValueError, match="generator 777"):
        ConvolutionalCode((0o777,), 5)
    with pytest.raises(ValueError, match="constraint length 40"):
        ConvolutionalCode((0o7,), 40)
