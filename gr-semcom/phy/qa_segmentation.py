# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.crc import CRC16, CRC24A, CRC24B
from semcom_phy.segmentation import Check, Segmentation


def cut(n_bits, max_block=300, section=CRC24A):
    return Segmentation(n_bits, Check(section), Check(CRC24B), max_block)


@settings(deadline=None, max_examples=100)
@given(
    st.integers(1, 5000), st.integers(60, 400), st.sampled_from([CRC16, CRC24A]), st.integers(0, 99)
)
def test_blocks_are_joined_as_they_were_split(n_bits, max_block, crc, seed):
    bits = np.random.default_rng(seed).integers(0, 2, n_bits).astype(np.uint8)
    section = cut(n_bits, max_block, crc)
    words = section.split(bits)
    assert words.shape == (section.blocks, section.block)
    assert section.block <= max_block
    held = section.holds(words)
    assert held.all()
    received = section.join(words, held)
    assert received.ok
    assert received.valid_bits == n_bits
    np.testing.assert_array_equal(received.bits, bits)


def test_blocks_are_as_many_as_the_standard_says():
    # Clause 5.2.2 with K_cb = 8448: C = ceil(B / (8448 - 24)), K' = B / C + 24.
    for checked, blocks, block in ((8448, 1, 8448), (8450, 2, 4249), (16_848, 2, 8448)):
        section = cut(checked - 24, 8448)
        assert (section.blocks, section.block) == (blocks, block)
    assert cut(16_849 - 24, 8448).blocks == 3


@settings(deadline=None, max_examples=60)
@given(st.integers(277, 5000), st.data())
def test_a_damaged_block_ends_what_is_valid(n_bits, data):
    section = cut(n_bits)
    bits = np.random.default_rng(n_bits).integers(0, 2, n_bits).astype(np.uint8)
    words = section.split(bits)
    damaged = data.draw(st.integers(0, section.blocks - 1))
    words[damaged, data.draw(st.integers(0, section.block - 1))] ^= 1
    held = section.holds(words)
    assert np.flatnonzero(~held).tolist() == [damaged]
    received = section.join(words, held)
    assert not received.ok
    assert received.valid_bits == min(damaged * section.payload, n_bits)
    np.testing.assert_array_equal(received.bits[: received.valid_bits], bits[: received.valid_bits])


def test_a_block_that_deceives_its_check_leaves_nothing_valid():
    section = cut(1000)
    words = section.split(np.zeros(1000, np.uint8))
    words[2] = section.block_check.attach(np.ones(section.payload, np.uint8))
    held = section.holds(words)
    assert held.all()
    received = section.join(words, held)
    assert (received.ok, received.valid_bits) == (False, 0)


@pytest.mark.parametrize(("crc", "words"), [(CRC16, 1 << 18), (CRC24A, 1 << 18), (CRC24B, 1 << 18)])
def test_a_check_is_deceived_no_more_often_than_its_length_says(crc, words):
    random = np.random.default_rng(crc.length).integers(0, 2, (words, 60), np.uint8)
    expected = words / 2**crc.length
    passed = int(Check(crc).holds(random).sum())
    assert passed <= expected + 4 * np.sqrt(expected) + 0.9
    if expected > 1:
        assert passed >= expected - 4 * np.sqrt(expected)
    assert not Check(crc).holds(np.zeros(60, np.uint8))


def test_no_bits_are_refused():
    with pytest.raises(ValueError, match="needs at least one"):
        cut(0)
