# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from semcom_phy.digital import (
    MCS,
    SIDE_INFORMATION,
    decode_symbols,
    encode_bits,
    max_bits,
    mcs_index,
    symbol_count,
)

SCHEMES = range(len(MCS))
UNCODED = range(mcs_index("uncoded-qpsk"), len(MCS))
LDPC_SCHEMES = range(3, UNCODED[0])


def add_noise(x, snr_db, rng):
    noise = rng.standard_normal((x.size, 2)).astype(np.float32).view(np.complex64)[:, 0]
    return x + np.float32(np.sqrt(10 ** (-snr_db / 10) / 2)) * noise


def block_errors(n_bits, mcs, snr_db, blocks, seed=0):
    rng = np.random.default_rng(seed)
    errors = 0
    for _ in range(blocks):
        bits = rng.integers(0, 2, n_bits)
        y = add_noise(encode_bits(bits, mcs), snr_db, rng)
        received = decode_symbols(y, 10 ** (-snr_db / 10), n_bits, mcs)
        assert not received.ok or (received.bits == bits).all()
        errors += not received.ok
    return errors


def plenty_db(mcs):
    """An SNR at which nothing is lost, however short."""
    return 12 + 4 * MCS[mcs].efficiency


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 400) | st.integers(400, 30_000),
    st.sampled_from(SCHEMES),
    st.integers(0, 2**31),
)
def test_round_trip(n_bits, mcs, seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, n_bits)
    x = encode_bits(bits, mcs)
    assert x.dtype == np.complex64
    assert x.shape == (symbol_count(n_bits, mcs),)
    snr_db = plenty_db(mcs)
    received = decode_symbols(add_noise(x, snr_db, rng), 10 ** (-snr_db / 10), n_bits, mcs)
    assert received.ok
    assert received.valid_bits == n_bits
    np.testing.assert_array_equal(received.bits, bits)


@pytest.mark.parametrize("mcs", [3, 31, 39, 40, 47])
def test_even_the_shortest_sections_cross(mcs):
    for n_bits in range(1, 180):
        bits = np.random.default_rng(n_bits).integers(0, 2, n_bits)
        received = decode_symbols(encode_bits(bits, mcs), 1e-4, n_bits, mcs)
        assert received.ok
        np.testing.assert_array_equal(received.bits, bits)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 300) | st.integers(0, 400_000), st.sampled_from(SCHEMES))
def test_the_longest_section_that_fits_is_known(symbols, mcs):
    n_bits = max_bits(symbols, mcs)
    assert n_bits == 0 or symbol_count(n_bits, mcs) <= symbols
    # A block more can take fewer symbols: look well beyond the next size.
    for longer in (*range(n_bits + 1, n_bits + 60), n_bits + 500, n_bits + 5000):
        assert symbol_count(longer, mcs) > symbols


@settings(deadline=None, max_examples=200)
@given(st.integers(2, 1000), st.sampled_from(SCHEMES), st.integers(-3, 3))
def test_the_longest_section_is_known_where_blocks_become_more(blocks, mcs, offset):
    segmentation = MCS[mcs].code.segmentation
    last = blocks * (segmentation(1 << 22).max_block - 24) - 24
    assert segmentation(last).blocks + 1 == segmentation(last + 1).blocks == blocks + 1
    symbols = symbol_count(last, mcs) + offset
    n_bits = max_bits(symbols, mcs)
    assert symbol_count(n_bits, mcs) <= symbols
    for longer in range(n_bits + 1, max(n_bits, last) + 60):
        assert symbol_count(longer, mcs) > symbols


@pytest.mark.parametrize("mcs", SCHEMES)
def test_efficiency_is_what_the_table_says(mcs):
    n = 200_000
    efficiency = n / symbol_count(n, mcs)
    assert efficiency <= MCS[mcs].efficiency
    assert efficiency == pytest.approx(MCS[mcs].efficiency, rel=0.02)


@pytest.mark.parametrize("mcs", SCHEMES)
def test_power_is_one_whatever_the_bits(mcs):
    for bits in (np.zeros(20_000, int), np.ones(20_000, int)):
        x = encode_bits(bits, mcs)
        assert np.mean(np.abs(x) ** 2) == pytest.approx(1, abs=0.05)
        assert abs(x.mean()) < 0.06


@pytest.mark.parametrize("mcs", SCHEMES)
@pytest.mark.parametrize("n_bits", [1, 100, 9000])
def test_nothing_received_is_never_right(mcs, n_bits):
    x = encode_bits(np.zeros(n_bits, int), mcs)
    for symbols, noise_var in (
        (np.zeros_like(x), np.inf),
        (np.full_like(x, np.nan), 0.1),
        (np.zeros_like(x), 0.1),
    ):
        received = decode_symbols(symbols, noise_var, n_bits, mcs)
        assert not received.ok
        assert received.valid_bits == 0


@pytest.mark.parametrize("mcs", LDPC_SCHEMES)
@pytest.mark.parametrize("n_bits", [100, 9000])
def test_what_is_too_faint_to_decide_is_not_taken_for_zeros(mcs, n_bits):
    x = encode_bits(np.zeros(n_bits, int), mcs)
    received = decode_symbols(x, 1e6, n_bits, mcs)
    assert not received.bits.any()
    assert (received.ok, received.valid_bits) == (False, 0)


@pytest.mark.parametrize("mcs", [3, 12, 31, 39, 46])
@pytest.mark.parametrize("n_bits", [20, 300, 20_000])
def test_garbage_is_never_right(mcs, n_bits):
    # Of words of 16 parity bits one in 65,536 is deceived: none of these 100 can be expected to.
    rng = np.random.default_rng(mcs)
    for _ in range(100 if n_bits < 1000 else 5):
        y = add_noise(np.zeros(symbol_count(n_bits, mcs), np.complex64), 0, rng)
        received = decode_symbols(y, 0.3, n_bits, mcs)
        assert (received.ok, received.valid_bits) == (False, 0)


def test_pure_noise_is_never_right():
    rng = np.random.default_rng(1)
    for _ in range(100):
        y = add_noise(np.zeros(symbol_count(300, 0), np.complex64), 0, rng)
        assert not decode_symbols(y, 1.0, 300, 0).ok


def test_erased_symbols_are_made_up_for():
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, 6000)
    for mcs, share in ((0, 0.6), (1, 0.35), (2, 0.15), (3, 0.8), (40, 0.35), (43, 0.25), (46, 0.1)):
        x = encode_bits(bits, mcs)
        lost = rng.random(x.size) < share
        y = np.where(lost, np.complex64(9 - 9j), add_noise(x, 12, rng))
        noise_var = np.where(lost, np.inf, 0.063).astype(np.float32)
        assert decode_symbols(y, noise_var, 6000, mcs).ok
        # The same symbols taken at face value are hopeless: the erasures were heard.
        assert not decode_symbols(y, 0.063, 6000, mcs).ok


@pytest.mark.parametrize("n_bits", [1, 32, 200, 1000, 2000, 4000])
def test_side_information_outlives_the_payload(n_bits):
    # Asked for: 1e-3 at -3 dB, which semcom_phy.control_loss counts; a dB lower is a harder test.
    assert block_errors(n_bits, SIDE_INFORMATION, -3.7, 100) <= 1


def test_side_information_has_a_cliff_where_theory_puts_it():
    # Eb/N0 = 0.2 dB, below the cliff of any code of this length: the noise is what was asked.
    assert block_errors(1000, 0, -6.5, 40) > 30


@pytest.mark.parametrize(("mcs", "good", "bad"), [(1, 1.5, -1.5), (2, 4.0, 0.5)])
def test_faster_modes_work_where_they_should(mcs, good, bad):
    assert block_errors(1000, mcs, good, 100) <= 1
    assert block_errors(1000, mcs, bad, 40) > 20


@pytest.mark.parametrize("mcs", UNCODED)
def test_ratios_of_plain_bits_tell_how_often_they_are_wrong(mcs):
    """Over noise that differs from symbol to symbol, and with symbols that are lost."""
    n_bits, rng = 60_000, np.random.default_rng(mcs)
    bits = rng.integers(0, 2, n_bits)
    x = encode_bits(bits, mcs)
    noise_var = (10 ** rng.uniform(-2.5, 0.5, x.size)).astype(np.float32)
    noise_var[rng.random(x.size) < 0.1] = np.inf
    noise = rng.standard_normal((x.size, 2)).astype(np.float32).view(np.complex64)[:, 0]
    heard = np.isfinite(noise_var)
    y = np.where(heard, x + noise * np.sqrt(np.where(heard, noise_var, 0) / 2), np.complex64(0))
    received = decode_symbols(y, noise_var, n_bits, mcs)
    assert not received.ok
    assert received.llr.shape == (n_bits,)
    assert np.mean(received.llr == 0) == pytest.approx(0.1, abs=0.01)
    np.testing.assert_array_equal(received.bits, received.llr < 0)
    wrong = received.bits != bits
    told = expit(-np.abs(received.llr.astype(np.float64)))
    for least, most in ((0, 0.01), (0.01, 0.1), (0.1, 0.3), (0.3, 0.5)):
        some = (told >= least) & (told < most)
        sigma = np.sqrt(np.sum(told[some] * (1 - told[some])))
        assert some.sum() > 500
        assert abs(wrong[some].sum() - told[some].sum()) < 5 * sigma


def test_a_code_leaves_no_ratios():
    received = decode_symbols(encode_bits(np.zeros(100, int), 0), 0.1, 100, 0)
    assert received.llr is None


def test_long_sections_are_cut_into_blocks_that_stand_alone():
    n_bits = 30_000
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2, n_bits)
    x = encode_bits(bits, 1)
    half = x.size // 2
    damaged = x.copy()
    damaged[half:] = add_noise(np.zeros(x.size - half, np.complex64), 0, rng)
    received = decode_symbols(damaged, 0.5, n_bits, 1)
    assert not received.ok
    assert n_bits * 2 // 5 <= received.valid_bits <= n_bits * 11 // 20
    np.testing.assert_array_equal(received.bits[: received.valid_bits], bits[: received.valid_bits])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2) | st.sampled_from(SCHEMES), st.data())
def test_what_is_valid_ends_before_the_first_damaged_block(mcs, data):
    n_bits = 40_000
    section = MCS[mcs].code.segmentation(n_bits)
    lost = data.draw(st.sets(st.integers(0, section.blocks - 1), min_size=1))
    erased = data.draw(st.booleans())
    rng = np.random.default_rng(section.blocks)
    bits = rng.integers(0, 2, n_bits)
    x = encode_bits(bits, mcs)
    y = add_noise(x, plenty_db(mcs), rng).reshape(section.blocks, -1)
    noise_var = np.full(y.shape, 10 ** (-plenty_db(mcs) / 10), np.float32)
    for block in lost:
        y[block] = add_noise(0 * y[block], 0, rng)
        noise_var[block] = np.inf if erased else 1.0
    received = decode_symbols(y.reshape(-1), noise_var.reshape(-1), n_bits, mcs)
    assert not received.ok
    assert received.valid_bits == min(lost) * section.payload
    np.testing.assert_array_equal(received.bits[: received.valid_bits], bits[: received.valid_bits])


@pytest.mark.parametrize("name", ["side-information", "nr-qpsk-449/1024", "wlan-qpsk-3/4"])
def test_blocks_of_which_too_little_arrived_are_not_tried(name, monkeypatch):
    mcs, n_bits = mcs_index(name), 40_000
    code = MCS[mcs].code
    section = code.segmentation(n_bits)
    tried = []

    def decode(self, section, llr):
        tried.append(llr.shape[0])
        return original(self, section, llr)

    original = type(code).decode
    monkeypatch.setattr(type(code), "decode", decode)
    bits = np.random.default_rng(0).integers(0, 2, n_bits)
    x = encode_bits(bits, mcs)
    noise_var = np.full((section.blocks, x.size // section.blocks), np.inf, np.float32)
    # A QPSK symbol fewer than the bits of a block.
    noise_var[1, : section.block // 2 - 1] = 0.01
    received = decode_symbols(x, noise_var.reshape(-1), n_bits, mcs)
    assert tried == []
    assert (received.ok, received.valid_bits) == (False, 0)

    noise_var[[0, 2]] = 0.01
    received = decode_symbols(x, noise_var.reshape(-1), n_bits, mcs)
    assert tried == [2]
    assert (received.ok, received.valid_bits) == (False, section.payload)
    for block in (0, 2):
        part = slice(block * section.payload, (block + 1) * section.payload)
        np.testing.assert_array_equal(received.bits[part], bits[part])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="MCS 99 is not in the table"):
        encode_bits(np.zeros(8), 99)
    with pytest.raises(ValueError, match="must be 0 or 1"):
        encode_bits(np.array([0, 1, 2]), 0)
    with pytest.raises(ValueError, match="needs at least one"):
        encode_bits(np.zeros(0), 0)
    with pytest.raises(ValueError, match="one dimension"):
        encode_bits(np.zeros((2, 2)), 0)
    with pytest.raises(ValueError, match="not \\[7\\]"):
        decode_symbols(np.zeros(7, np.complex64), 1.0, 100, 0)
