# SPDX-License-Identifier: GPL-3.0-or-later
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_models.codecs.unequal_protection import (
    Protection,
    expected_distortion,
    least_distortion,
    most_bits,
)

PROTECTION = Protection(np.array([100, 200, 300]), np.array([0.001, 0.02, 0.2]))


def distortion(bits):
    return 1000.0 * 2 ** (-np.asarray(bits) / 4000)


def allocations(packets, rates):
    return [
        np.array(counts)
        for counts in product(range(packets + 1), repeat=rates)
        if sum(counts) == packets
    ]


def test_expected_distortion_is_that_of_trials():
    counts = np.array([2, 3, 2])
    rng = np.random.default_rng(0)
    rates = np.repeat(np.arange(3), counts)
    received = np.append(0, np.cumsum(PROTECTION.payload_bits[rates]))
    lost = rng.random((100_000, 7)) < PROTECTION.loss[rates]
    first = np.where(lost.any(axis=1), lost.argmax(axis=1), 7)
    trials = distortion(received[first])
    expected = expected_distortion(counts, PROTECTION, distortion)
    assert expected == pytest.approx(trials.mean(), abs=4 * trials.std() / np.sqrt(100_000))


@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=3, max_size=3),
    st.integers(1, 6),
)
def test_the_start_brings_most_bits(rates, packets):
    payloads, losses = np.sort(np.array(rates), axis=0).T
    protection = Protection(payloads.astype(np.int64), losses)

    def missing(bits):
        return -np.asarray(bits, float)

    found = expected_distortion(most_bits(packets, protection), protection, missing)
    every = [expected_distortion(c, protection, missing) for c in allocations(packets, 3)]
    assert found == pytest.approx(min(every), abs=1e-6)


@settings(deadline=None)
@given(st.floats(0.0001, 0.3), st.floats(50, 2000), st.integers(1, 9))
def test_the_search_ends_near_the_best(loss, halving, packets):
    protection = Protection(np.array([90, 200, 310]), np.array([loss / 50, loss / 5, loss]))

    def falling(bits):
        return 2 ** (-np.asarray(bits) / halving)

    found = least_distortion(packets, protection, falling)
    assert found.sum() == packets
    assert (found >= 0).all()
    reached = expected_distortion(found, protection, falling)
    best = min(expected_distortion(c, protection, falling) for c in allocations(packets, 3))
    start = expected_distortion(most_bits(packets, protection), protection, falling)
    assert best - 1e-12 <= reached <= min(1.1 * best, start) + 1e-12


def test_early_packets_are_protected_better():
    counts = least_distortion(200, PROTECTION, distortion)
    assert np.count_nonzero(counts) > 1
    equal = [
        expected_distortion(200 * np.eye(3, dtype=int)[rate], PROTECTION, distortion)
        for rate in range(3)
    ]
    assert expected_distortion(counts, PROTECTION, distortion) < 0.95 * min(equal)
