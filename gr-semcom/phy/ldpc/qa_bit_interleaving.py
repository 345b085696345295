# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcom_phy.ldpc import bit_deinterleave, bit_interleave


def loops_of_the_standard(coded, bits_per_symbol):
    """The two nested loops of TS 38.212, clause 5.4.2.2."""
    columns = coded.size // bits_per_symbol
    interleaved = np.empty_like(coded)
    for j in range(columns):
        for i in range(bits_per_symbol):
            interleaved[i + j * bits_per_symbol] = coded[i * columns + j]
    return interleaved


@given(st.sampled_from([1, 2, 4, 6, 8]), st.integers(1, 40))
def test_follows_the_standard_and_is_undone(bits_per_symbol, symbols):
    coded = np.arange(2 * bits_per_symbol * symbols).reshape(2, -1)
    interleaved = bit_interleave(coded, bits_per_symbol)
    for row, expected in zip(interleaved, coded, strict=True):
        assert np.array_equal(row, loops_of_the_standard(expected, bits_per_symbol))
    assert np.array_equal(bit_deinterleave(interleaved, bits_per_symbol), coded)


def test_no_whole_symbols():
    for function in (bit_interleave, bit_deinterleave):
        with pytest.raises(ValueError, match="10 bits make no whole symbols of 4 bits"):
            function(np.zeros(10), 4)
