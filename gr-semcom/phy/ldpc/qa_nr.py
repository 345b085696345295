# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.ldpc import LDPC5G
from semcom_phy.ldpc.base_graphs import INFORMATION_COLUMNS, LIFTING_SIZES, ROWS, code

SIZES = sorted(size for sizes in LIFTING_SIZES for size in sizes)
REFERENCE = Path(__file__).with_name("qa_reference_words.txt").read_text().splitlines()
WORDS = [line.split() for line in REFERENCE if not line.startswith("#")]


def from_hex(text, n):
    return np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))[:n]


def noisy_ratios(rng, coded, snr_db):
    """Log-likelihood ratios of bits sent with antipodal amplitudes."""
    mean = 4 * 10 ** (snr_db / 10)
    signs = 1 - 2 * coded.astype(np.float32)
    return mean * signs + np.sqrt(2 * mean) * rng.standard_normal(coded.shape, np.float32)


def test_table_of_lifting_sizes():
    assert len(SIZES) == len(set(SIZES)) == 51
    assert SIZES[:3] == [2, 3, 4]
    assert LIFTING_SIZES[1] == (3, 6, 12, 24, 48, 96, 192, 384)
    assert LIFTING_SIZES[7] == (15, 30, 60, 120, 240)


@pytest.mark.parametrize(("base_graph", "entries"), [(1, 316), (2, 197)])
def test_base_graphs_have_the_shape_of_the_standard(base_graph, entries):
    graph = code(base_graph, 384)
    assert graph.rows.size == entries
    assert graph.n_rows == ROWS[base_graph]
    assert graph.n_columns == ROWS[base_graph] + INFORMATION_COLUMNS[base_graph]


@pytest.mark.parametrize("base_graph", [1, 2])
def test_words_of_every_lifting_size_satisfy_all_checks(base_graph):
    rng = np.random.default_rng(base_graph)
    for size in SIZES:
        mother = code(base_graph, size)
        bits = rng.integers(0, 2, (2, mother.n_information), np.uint8)
        words = mother.encode(bits)
        syndrome = mother.parity_check_matrix().astype(np.int32) @ words.T % 2
        assert not syndrome.any(), f"Z = {size}"
        assert np.array_equal(words[:, : mother.n_information], bits)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2]), st.sampled_from(SIZES), st.data())
def test_any_information_and_any_number_of_rows_satisfies_all_checks(base_graph, size, data):
    mother = code(base_graph, size, rows=data.draw(st.integers(4, ROWS[base_graph])))
    seed = data.draw(st.integers(0, 2**32 - 1))
    density = data.draw(st.sampled_from([0.01, 0.5, 0.99]))
    rng = np.random.default_rng(seed)
    bits = (rng.random((1, mother.n_information)) < density).astype(np.uint8)
    words = mother.encode(bits)
    assert words.any() == bits.any()
    assert not (mother.parity_check_matrix().astype(np.int32) @ words[0] % 2).any()


@pytest.mark.parametrize("row", WORDS, ids=lambda row: f"{row[0]}/{row[1]}")
def test_agrees_with_reference_words(row):
    k, n = int(row[0]), int(row[1])
    assert np.array_equal(LDPC5G(k, n).encode(from_hex(row[2], k)), from_hex(row[3], n))


@pytest.mark.parametrize(
    ("k", "n", "base_graph", "lifting_size"),
    [
        (292, 300, 2, 40),  # K_b = 8
        (292, 320, 2, 40),
        (293, 400, 1, 14),
        (3824, 5708, 2, 384),  # rate 0.66996
        (3824, 5707, 1, 176),  # rate 0.67005
        (3840, 15360, 2, 384),  # rate 1/4
        (8448, 25344, 1, 384),
        (192, 400, 2, 32),  # K_b = 6
        (193, 400, 2, 26),  # K_b = 8
        (600, 1200, 2, 72),  # K_b = 9: 67 bits a column
        (641, 1282, 2, 72),  # K_b = 10: 65 bits a column
    ],
)
def test_choice_of_base_graph_and_lifting_size(k, n, base_graph, lifting_size):
    code = LDPC5G(k, n)
    assert (code.base_graph, code.lifting_size) == (base_graph, lifting_size)


def test_base_graph_may_be_given():
    code = LDPC5G(1000, 2000, base_graph=1)
    assert (code.base_graph, code.lifting_size) == (1, 48)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3840), st.floats(0.05, 0.9), st.sampled_from([None, 1, 2]), st.integers(0))
def test_noiseless_round_trip(k, rate, base_graph, seed):
    # From a rate of 0.9 down to one far below the mother code's, where bits are repeated.
    n = min(int(k / rate) + 5, 30_000)
    code = LDPC5G(k, n, base_graph)
    bits = np.random.default_rng(seed).integers(0, 2, (3, k), np.uint8)
    coded = code.encode(bits)
    assert coded.shape == (3, n)
    decoded, converged, _ = code.decode_checked(8 * (1 - 2 * coded.astype(np.float32)), 50)
    assert np.array_equal(decoded, bits)
    assert converged.all()


def test_bits_beyond_one_turn_of_the_buffer_are_sent_again():
    code = LDPC5G(100, 2000)
    coded = code.encode(np.random.default_rng(0).integers(0, 2, (2, 100)))
    # All of the 50 Z bits that base graph 2 sends, but for the fillers.
    turn = 50 * code.lifting_size - (10 * code.lifting_size - 100)
    assert np.array_equal(coded[:, turn:], coded[:, : 2000 - turn])


def test_repetition_is_combined():
    # Each copy alone is far too weak.
    rng = np.random.default_rng(3)
    code = LDPC5G(100, 4000)
    bits = rng.integers(0, 2, (50, 100), np.uint8)
    llr = noisy_ratios(rng, code.encode(bits), -13.0)
    assert np.array_equal(code.decode(llr), bits)
    assert (code.decode(np.where(np.arange(4000) < 900, llr, 0)) != bits).any(axis=1).mean() > 0.9


def test_shapes_follow_the_input():
    code = LDPC5G(40, 100)
    bits = np.random.default_rng(0).integers(0, 2, (2, 3, 40), np.uint8)
    coded = code.encode(bits)
    assert coded.shape == (2, 3, 100)
    assert np.array_equal(code.decode(8.0 * (1 - 2.0 * coded)), bits)
    assert np.array_equal(code.decode(8.0 * (1 - 2.0 * coded[0, 0])), bits[0, 0])
    assert code.encode(bits[:0, 0]).shape == (0, 100)
    assert code.decode(np.zeros((0, 100))).shape == (0, 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10), "no code"),
        ((10, 10), "no code"),
        ((3841, 20_000), "3841 information bits do not fit base graph 2"),
        ((8449, 10_000), "split them"),
        ((100, 200, 3), "base graph 3"),
    ],
)
def test_codes_that_do_not_exist(arguments, message):
    with pytest.raises(ValueError, match=message):
        LDPC5G(*arguments)


def test_blocks_of_wrong_length():
    code = LDPC5G(40, 100)
    with pytest.raises(ValueError, match=r"\[41\]; this code takes \[..., 40\]"):
        code.encode(np.zeros(41))
    with pytest.raises(ValueError, match=r"takes \[..., 100\]"):
        code.decode(np.zeros((2, 99)))
    with pytest.raises(ValueError, match="0 iterations"):
        code.decode(np.zeros((2, 100)), iterations=0)
