# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.block_error_curve import block_efficiency, curve_of
from semcom_phy.digital import decode_symbols, encode_bits, max_bits
from semcom_phy.link_adaptation import choose_mcs, failure_probability
from semcom_phy.mcs_tables import MCS, TABLE_1, TABLE_2, mcs_index

LDPC_SCHEMES = range(3, mcs_index("uncoded-qpsk"))


def sections_lost(n_bits, mcs, snr_db, sections):
    rng = np.random.default_rng([n_bits, mcs])
    noise_var = 10 ** (-snr_db / 10)
    lost = 0
    for _ in range(sections):
        x = encode_bits(rng.integers(0, 2, n_bits), mcs)
        noise = rng.standard_normal((x.size, 2), np.float32).view(np.complex64)[:, 0]
        y = x + np.float32(np.sqrt(noise_var / 2)) * noise
        lost += not decode_symbols(y, noise_var, n_bits, mcs).ok
    return lost


def snr_of(probability, n_bits, mcs):
    """The SNR at which such a section is predicted to be lost so often."""
    low, high = -20.0, 50.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        if failure_probability(n_bits, mcs, middle) > probability:
            low = middle
        else:
            high = middle
    return high


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 600_000), st.sampled_from(LDPC_SCHEMES), st.floats(-30, 60), st.floats(0, 5))
def test_probabilities_fall_with_the_snr(n_bits, mcs, snr_db, more):
    worse = failure_probability(n_bits, mcs, snr_db)
    better = failure_probability(n_bits, mcs, snr_db + more)
    assert 0 <= better <= worse <= 1
    assert failure_probability(n_bits, mcs, -30.0) > 0.999
    assert failure_probability(n_bits, mcs, 60.0) < 1e-6


@pytest.mark.parametrize(
    ("name", "n_bits"),
    [
        ("nr-qpsk-193/1024", 400),
        ("nr-qpsk-602/1024", 3000),
        ("nr-16qam-378/1024", 30_000),
        ("nr-16qam-3/4", 900),
        ("nr-64qam-772/1024", 100),
        ("nr-256qam-841/1024", 40_000),
        ("wlan-qpsk-3/4", 6000),
    ],
)
def test_sections_are_lost_as_often_as_predicted(name, n_bits):
    # To within 0.15 dB and three standard deviations of the count.
    mcs = mcs_index(name)
    snr_db = snr_of(0.5, n_bits, mcs)
    sections = 300 if n_bits < 5000 else 60
    lost = sections_lost(n_bits, mcs, snr_db, sections)
    fewest = sections * failure_probability(n_bits, mcs, snr_db + 0.15)
    most = sections * failure_probability(n_bits, mcs, snr_db - 0.15)
    chance = 3 * np.sqrt(0.25 * sections)
    assert fewest - chance < lost < most + chance


def test_a_section_is_lost_with_any_of_its_blocks():
    mcs, n_bits = mcs_index("nr-64qam-666/1024"), 50_000
    section = MCS[mcs].code.segmentation(n_bits)
    assert section.blocks == 6
    curve, efficiency = curve_of(mcs, section), block_efficiency(MCS[mcs], section)
    for snr_db in (12.5, 13.0, 13.4):
        arrives = (1 - curve.error_rate(efficiency, snr_db)) ** 6
        assert failure_probability(n_bits, mcs, snr_db) == pytest.approx(1 - arrives)


@settings(deadline=None, max_examples=40)
@given(st.integers(30, 200_000), st.floats(-15, 40), st.sampled_from([0.1, 0.01, 1e-4]))
def test_the_choice_carries_most_of_what_is_reliable(uses, snr_db, target):
    chosen = choose_mcs(uses, snr_db, TABLE_2, target)
    bits = max_bits(uses, chosen)
    if failure_probability(bits, chosen, snr_db) > target:
        bits = -1
    for mcs in TABLE_2:
        n_bits = max_bits(uses, mcs)
        if n_bits > bits:
            assert n_bits == 0 or failure_probability(n_bits, mcs, snr_db) > target


def test_where_nothing_is_reliable_the_most_robust_is_taken():
    assert choose_mcs(10_000, -30.0, TABLE_1[::-1]) == TABLE_1[0]
    assert choose_mcs(10_000, 60.0, TABLE_1) == TABLE_1[-1]


@pytest.mark.parametrize("snr_db", [-3.0, 4.0, 10.0, 18.0])
def test_what_was_chosen_arrives(snr_db):
    uses = 20_000
    mcs = choose_mcs(uses, snr_db, TABLE_2)
    assert sections_lost(max_bits(uses, mcs), mcs, snr_db, 20) <= 2
    # It is not for lack of daring: the next one up is lost.
    following = TABLE_2[TABLE_2.index(mcs) + 1]
    assert sections_lost(max_bits(uses, following), following, snr_db, 10) > 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"MCS 0 \(side-information\) were not measured"):
        failure_probability(100, 0, 3.0)
    with pytest.raises(ValueError, match="MCS 99 is not in the table"):
        failure_probability(100, 99, 3.0)
    with pytest.raises(ValueError, match="none of 28 candidate schemes carries a bit in 2 channel"):
        choose_mcs(2, 3.0, TABLE_2)
