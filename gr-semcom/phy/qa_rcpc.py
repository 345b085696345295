# SPDX-License-Identifier: GPL-3.0-or-later
from fractions import Fraction
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.qam import demap, map_bits
from semcom_phy.rcpc import (
    CHECK,
    MOTHER,
    PERIOD,
    RATES,
    SENDING_ORDER,
    decode_packets,
    encode_packets,
    payload_bits,
)
from semcom_phy.rcpc_error_rate import MEASURED_LENGTH, count_lost, packet_error_rate

# Free distances by bits sent of each period.
DISTANCES = {9: 4, 10: 5, 11: 6, 12: 7, 14: 8, 16: 10, 18: 11, 20: 13, 24: 18, 28: 18, 36: 25}


def punctured_weights(sent):
    """How often each coded bit of a period is sent, ``[PERIOD, 3]``."""
    order = np.resize(SENDING_ORDER, sent)
    return np.bincount(order, minlength=24).reshape(PERIOD, 3)


def free_distance(sent):
    """Lightest path that leaves the zero state at any phase and returns, by Dijkstra."""
    weights = punctured_weights(sent)
    generators = [f"{g:0{MOTHER.constraint_length}b}" for g in MOTHER.generators]
    taps = [int(g[::-1], 2) for g in generators]

    def step(phase, state, bit):
        register = state << 1 | bit
        weight = sum(
            int(weights[phase, j]) * ((register & taps[j]).bit_count() & 1) for j in range(3)
        )
        return (phase + 1) % PERIOD, register & 0xFF, weight

    queue = []
    for phase in range(PERIOD):
        after, state, weight = step(phase, 0, 1)
        heappush(queue, (weight, after, state))
    seen = set()
    while queue:
        distance, phase, state = heappop(queue)
        if state == 0:
            return distance
        if (phase, state) in seen:
            continue
        seen.add((phase, state))
        for bit in (0, 1):
            after, following, weight = step(phase, state, bit)
            heappush(queue, (distance + weight, after, following))
    raise AssertionError("the zero state is never reached again")


def test_the_order_sends_every_bit_of_a_period_once():
    assert sorted(SENDING_ORDER) == list(range(24))


@pytest.mark.parametrize("sent", DISTANCES)
def test_free_distances(sent):
    assert free_distance(sent) == DISTANCES[sent]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 400), st.integers(0, 400))
def test_longer_packets_begin_as_shorter_ones(n_bits, length, more):
    words = np.random.default_rng(n_bits).integers(0, 2, (2, n_bits), np.uint8)
    short, long = encode_packets(words, length), encode_packets(words, length + more)
    np.testing.assert_array_equal(long[:, :length], short)


@settings(deadline=None, max_examples=40)
@given(st.integers(40, 600), st.sampled_from(RATES), st.integers(0, 2**31))
def test_round_trip(length, rate, seed):
    n_bits = payload_bits(length, rate)
    assert n_bits >= 0
    if n_bits == 0:
        return
    words = np.random.default_rng(seed).integers(0, 2, (3, n_bits), np.uint8)
    coded = encode_packets(words, length)
    assert coded.shape == (3, length)
    decoded, held = decode_packets(1 - 2 * coded.astype(np.float32), n_bits)
    np.testing.assert_array_equal(decoded, words)
    assert held.all()


def test_the_payload_is_what_the_rate_leaves():
    assert payload_bits(1024, RATES[-1]) == 1024 * 8 // 9 - MOTHER.tail - CHECK.crc.length
    assert payload_bits(20, RATES[0]) == 0


def test_nothing_heard_is_nothing_received():
    _, held = decode_packets(np.zeros((4, 300), np.float32), 100)
    assert not held.any()


def test_packets_fail_as_often_as_was_measured():
    rng = np.random.default_rng(3)
    for rate, snr_db in ((RATES[2], -2.5), (RATES[7], 1.5), (RATES[12], 6.0)):
        n_bits = payload_bits(MEASURED_LENGTH, rate)
        expected = packet_error_rate(n_bits, rate, snr_db)
        lost = count_lost(rate, snr_db, 400, rng)
        deviation = np.sqrt(400 * expected * (1 - expected))
        assert 0.02 < expected < 0.5
        assert abs(lost - 400 * expected) < 4 * deviation


@settings(deadline=None)
@given(st.sampled_from(RATES), st.floats(-30, 40), st.floats(0, 3), st.integers(1, 5000))
def test_error_rates_fall_with_snr_and_rise_with_rate_and_length(rate, snr_db, more, n_bits):
    here = packet_error_rate(n_bits, rate, snr_db)
    assert 0 <= here <= 1
    assert packet_error_rate(n_bits, rate, snr_db + more) <= here
    assert packet_error_rate(n_bits + 100, rate, snr_db) >= here
    if rate != RATES[0]:
        stronger = RATES[RATES.index(rate) - 1]
        assert packet_error_rate(n_bits, stronger, snr_db) <= here + 1e-12


def test_an_unknown_rate_is_told():
    with pytest.raises(ValueError, match="no code has rate 3/7, choose one of: 1/9, "):
        packet_error_rate(100, Fraction(3, 7), 3.0)


def test_repetition_gains_what_its_energy_is_worth():
    # Rate 1/9 sends all three times: 4.8 dB for the same errors.
    third, ninth = RATES[4], RATES[0]
    assert (third, ninth) == (Fraction(1, 3), Fraction(1, 9))
    n_bits = 300
    gain = 10 * np.log10(3)
    assert packet_error_rate(n_bits, ninth, -1.5 - gain) == pytest.approx(
        packet_error_rate(n_bits, third, -1.5), rel=0.6
    )


def test_lost_symbols_count_as_nothing():
    rng = np.random.default_rng(2)
    n_bits = payload_bits(1024, RATES[4])
    words = rng.integers(0, 2, (1, n_bits), np.uint8)
    symbols = map_bits(encode_packets(words, 1024)[0], 2)
    noise_var = np.full(512, 0.05, np.float32)
    noise_var[100:220] = np.inf
    decoded, held = decode_packets(demap(symbols, noise_var, 2)[np.newaxis], n_bits)
    assert held.all()
    np.testing.assert_array_equal(decoded, words)
