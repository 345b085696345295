# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcom_phy.crc import CRC6, CRC11, CRC16, CRC24A, CRC24B, CRC24C, attach, check, parity_bits

ALL = (CRC24A, CRC24B, CRC24C, CRC16, CRC11, CRC6)
DIGITS = np.unpackbits(np.frombuffer(b"123456789", np.uint8))


def as_number(bits):
    return int("".join(map(str, bits)), 2)


@pytest.mark.parametrize(
    ("crc", "expected"), [(CRC24A, 0xCDE703), (CRC24B, 0x23EF52), (CRC16, 0x31C3)]
)
def test_published_check_values(crc, expected):
    # CRC-24/LTE-A, CRC-24/LTE-B and CRC-16/XMODEM of the catalogue of parametrised CRCs.
    assert as_number(parity_bits(DIGITS, crc)) == expected


# Clause 5.1 as exponents: D^24 is the leading term of CRC24A, and so on.
EXPONENTS = {
    CRC24A: (24, 23, 18, 17, 14, 11, 10, 7, 6, 5, 4, 3, 1, 0),
    CRC24B: (24, 23, 6, 5, 1, 0),
    CRC24C: (24, 23, 21, 20, 17, 15, 13, 12, 8, 4, 2, 1, 0),
    CRC16: (16, 12, 5, 0),
    CRC11: (11, 10, 9, 5, 0),
    CRC6: (6, 5, 0),
}


@pytest.mark.parametrize("crc", ALL, ids=lambda crc: crc.name)
def test_agrees_with_long_division(crc):
    rng = np.random.default_rng(0)
    divisor = sum(1 << exponent for exponent in EXPONENTS[crc])
    for n in (1, 5, 40, 333):
        bits = rng.integers(0, 2, n)
        remainder = as_number(bits) << crc.length
        while remainder.bit_length() > crc.length:
            remainder ^= divisor << (remainder.bit_length() - crc.length - 1)
        assert as_number(parity_bits(bits, crc)) == remainder


@given(
    bits=st.lists(st.integers(0, 1), min_size=1, max_size=200),
    crc=st.sampled_from(ALL),
    ones=st.booleans(),
    data=st.data(),
)
def test_holds_until_a_burst_no_longer_than_the_crc_hits(bits, crc, ones, data):
    word = attach(bits, crc, ones_prepended=ones)
    assert check(word, crc, ones_prepended=ones)
    length = data.draw(st.integers(1, crc.length))
    start = data.draw(st.integers(0, word.size - length))
    burst = np.array(data.draw(st.lists(st.integers(0, 1), min_size=length, max_size=length)))
    burst[0] = burst[-1] = 1
    word[start : start + length] ^= burst.astype(np.uint8)
    assert not check(word, crc, ones_prepended=ones)


def test_prepended_ones_are_counted_as_if_sent():
    bits = np.random.default_rng(1).integers(0, 2, (3, 50))
    with_ones = np.concatenate([np.ones((3, 24), int), bits], axis=1)
    np.testing.assert_array_equal(
        parity_bits(bits, CRC24A, ones_prepended=True), parity_bits(with_ones, CRC24A)
    )
    assert not check(np.zeros(60, np.uint8), CRC24A, ones_prepended=True)
    assert check(np.zeros(60, np.uint8), CRC24A)


def test_batches_are_checked_one_by_one():
    words = attach(np.random.default_rng(2).integers(0, 2, (2, 3, 30)), CRC16)
    words[1, 2, 7] ^= 1
    assert check(words, CRC16).tolist() == [[True, True, True], [True, True, False]]


def test_word_shorter_than_its_crc_is_refused():
    with pytest.raises(ValueError, match="CRC24A"):
        check(np.zeros(23, np.uint8), CRC24A)
