# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc

import numpy as np
import pytest

from semcom_phy.ldpc import LDPC5G
from semcom_phy.ldpc.decoder import _LARGEST, _UNITS, _box_plus

CODE = LDPC5G(500, 1000)


def noisy(code, blocks, snr_db, seed=0):
    """Bits, and the ratios at which QPSK delivers them."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (blocks, code.k), np.uint8)
    mean = 2 * 10 ** (snr_db / 10)
    noise = rng.standard_normal((blocks, code.n), np.float32)
    return bits, mean * (1 - 2.0 * code.encode(bits)) + np.sqrt(2 * mean) * noise


def test_box_plus_is_within_a_step_of_the_exact_one():
    steps = np.arange(_LARGEST + 1)
    a, b = np.meshgrid(steps, steps)
    x, y = a / _UNITS, b / _UNITS
    exact = _UNITS * (np.logaddexp(0, x + y) - np.logaddexp(x, y))
    ours = np.array([[_box_plus(np.uint8(i), np.uint8(j)) for i in steps] for j in steps])
    assert np.abs(ours - exact).max() < 1
    assert np.abs(np.minimum(a, b) - exact).max() > 2  # so the corrections matter


def test_nothing_received_is_no_code_word():
    bits, converged, used = CODE.decode_checked(np.zeros((3, CODE.n)))
    assert not converged.any()
    assert not bits.any()
    assert (used == 20).all()


def test_what_was_not_received_is_decoded_from_the_rest():
    bits, llr = noisy(CODE, 20, 8.0)
    llr[:, ::4] = 0
    decoded, converged, _ = CODE.decode_checked(llr)
    assert converged.all()
    assert np.array_equal(decoded, bits)


def test_noise_becomes_no_code_word():
    llr = 4 * np.random.default_rng(0).standard_normal((40, CODE.n))
    _, converged, used = CODE.decode_checked(llr, 7)
    assert not converged.any()
    assert (used == 7).all()


def test_converged_words_are_code_words():
    # Where about half of the blocks arrive.
    bits, llr = noisy(CODE, 200, 0.8)
    decoded, converged, used = CODE.decode_checked(llr)
    right = (decoded == bits).all(axis=1)
    assert 0.2 < right.mean() < 0.9
    assert (right == converged).mean() > 0.99
    assert (used[~converged] == 20).all()
    assert used[converged].mean() < 15


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.inf, 1e300, 3e38, 1e10])
def test_huge_ratios(value):
    bits, _ = noisy(CODE, 5, 0.0)
    decoded, converged, _ = CODE.decode_checked(np.where(CODE.encode(bits), -value, value))
    assert converged.all()
    assert np.array_equal(decoded, bits)


@pytest.mark.filterwarnings("error")
def test_huge_ratios_that_repeat_and_contradict():
    code = LDPC5G(20, 2000)
    rng = np.random.default_rng(0)
    for value in (np.inf, 3e38, 1.0):
        decoded, _, _ = code.decode_checked(value * rng.choice([-1.0, 1.0], (40, 2000)), 50)
        assert set(np.unique(decoded)) <= {0, 1}


def test_a_long_run_of_iterations_stays_where_it_is():
    # Saturated messages must not drain the totals.
    bits, llr = noisy(CODE, 40, 5.0)
    decoded, converged, used = CODE.decode_checked(10 * llr, 200, early_stop=False)
    assert np.array_equal(decoded, bits)
    assert converged.all()
    assert (used == 200).all()


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_counts_as_erased():
    bits, llr = noisy(CODE, 20, 8.0)
    unknown = np.random.default_rng(1).random(llr.shape) < 0.2
    erased = CODE.decode_checked(np.where(unknown, 0, llr))
    for ours, expected in zip(
        CODE.decode_checked(np.where(unknown, np.nan, llr)), erased, strict=True
    ):
        assert np.array_equal(ours, expected)
    assert np.array_equal(erased[0], bits)
    assert not CODE.decode_checked(np.full((1, CODE.n), np.nan))[1].any()


def test_early_stop_ends_early_with_the_same_bits():
    bits, llr = noisy(CODE, 50, 3.0)
    early, converged, used = CODE.decode_checked(llr)
    assert converged.all()
    assert used.max() < 10
    late, _, all_of_them = CODE.decode_checked(llr, early_stop=False)
    assert np.array_equal(early, late)
    assert np.array_equal(early, bits)
    assert (all_of_them == 20).all()


@pytest.mark.parametrize("blocks", [1, 2, 31, 33, 65])
def test_a_block_does_not_depend_on_its_neighbours(blocks):
    _, llr = noisy(CODE, blocks, 0.9, seed=blocks)
    together = CODE.decode_checked(llr)
    alone = [CODE.decode_checked(row[None]) for row in llr]
    for i, values in enumerate(together):
        assert np.array_equal(values, np.concatenate([one[i] for one in alone]))


def test_memory_does_not_grow_with_the_number_of_blocks():
    _, llr = noisy(CODE, 64, 4.0)
    llr = np.tile(llr, (20, 1)).astype(np.float32)

    def peak(ratios):
        tracemalloc.start()
        try:
            CODE.decode(ratios)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # What is returned grows, and nothing else.
    assert peak(llr) - peak(llr[:64]) < 1216 * (CODE.k + 100) + 100_000
