# SPDX-License-Identifier: GPL-3.0-or-later
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.qam import BITS_PER_SYMBOL, constellation, demap, map_bits

ORDERS = tuple(BITS_PER_SYMBOL.values())


def standard_point(b):
    """TS 38.211 clauses 5.1.2 to 5.1.6, literally."""
    s = [1 - 2 * int(bit) for bit in b]
    match len(b):
        case 1:
            return (s[0] + 1j * s[0]) / sqrt(2)
        case 2:
            return (s[0] + 1j * s[1]) / sqrt(2)
        case 4:
            return (s[0] * (2 - s[2]) + 1j * s[1] * (2 - s[3])) / sqrt(10)
        case 6:
            real, imaginary = s[0] * (4 - s[2] * (2 - s[4])), s[1] * (4 - s[3] * (2 - s[5]))
            return (real + 1j * imaginary) / sqrt(42)
        case _:
            real = s[0] * (8 - s[2] * (4 - s[4] * (2 - s[6])))
            imaginary = s[1] * (8 - s[3] * (4 - s[5] * (2 - s[7])))
            return (real + 1j * imaginary) / sqrt(170)


def words(order):
    return (np.arange(1 << order)[:, None] >> np.arange(order - 1, -1, -1)) & 1


def reference_llr(y, noise_var, order, exact):
    """The definition, in float64, over all points of the plane."""
    points = np.array([standard_point(word) for word in words(order)])
    metric = -(np.abs(y - points) ** 2) / noise_var
    combine = np.logaddexp.reduce if exact else np.max
    bits = words(order)
    return [
        combine(metric[bits[:, i] == 0]) - combine(metric[bits[:, i] == 1]) for i in range(order)
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_points_are_those_of_the_standard(order):
    expected = [standard_point(word) for word in words(order)]
    np.testing.assert_allclose(constellation(order), expected, atol=1e-6)
    np.testing.assert_allclose(map_bits(words(order), order)[:, 0], expected, atol=1e-6)
    assert np.mean(np.abs(constellation(order)) ** 2) == pytest.approx(1, abs=1e-6)


@settings(deadline=None)
@given(st.data(), st.sampled_from(ORDERS), st.booleans())
def test_hard_decisions_return_the_bits(data, order, exact):
    bits = np.array(data.draw(st.lists(st.integers(0, 1), min_size=order, max_size=20 * order)))
    bits = bits[: bits.size // order * order]
    llr = demap(map_bits(bits, order), 1e-3, order, exact=exact)
    np.testing.assert_array_equal(llr < 0, bits)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("order", ORDERS)
def test_ratios_follow_their_definition(order, exact):
    rng = np.random.default_rng(order)
    k = 60
    y = (rng.standard_normal(k) + 1j * rng.standard_normal(k)).astype(np.complex64)
    noise_var = (10 ** rng.uniform(-2.5, 1.5, k)).astype(np.float32)
    expected = np.array(
        [reference_llr(*pair, order, exact) for pair in zip(y, noise_var, strict=True)]
    )
    measured = demap(y, noise_var, order, exact=exact).reshape(k, order)
    np.testing.assert_allclose(measured, expected, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_exact_ratios_are_calibrated(order):
    # Of the bits whose ratio says "1 with probability p", the share p are ones.
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 2, 40_000 * order)
    x = map_bits(bits, order)
    noise_var = 0.3
    noise = rng.standard_normal((x.size, 2)).astype(np.float32).view(np.complex64)[:, 0]
    llr = demap(x + np.float32(sqrt(noise_var / 2)) * noise, noise_var, order)
    for low in (-3, -2, -1, 0, 1, 2):
        chosen = (llr >= low) & (llr < low + 1)
        expected = np.mean(1 / (1 + np.exp(llr[chosen].astype(np.float64))))
        deviation = sqrt(expected * (1 - expected) / chosen.sum())
        assert abs(bits[chosen].mean() - expected) < 5 * deviation


@pytest.mark.parametrize("order", ORDERS)
def test_what_was_not_received_says_nothing(order):
    y = constellation(order)[[0, 0, 0, 0, -1]].copy()
    y[1] = np.nan
    y[2] = np.inf
    noise_var = np.array([np.inf, 0.1, 0.1, np.nan, 0.1], np.float32)
    llr = demap(y, noise_var, order).reshape(5, order)
    assert not llr[:4].any()
    assert llr[4].all()


@pytest.mark.parametrize("order", ORDERS)
def test_no_noise_gives_finite_ratios(order):
    llr = demap(constellation(order), 0.0, order)
    assert np.isfinite(llr).all()
    np.testing.assert_array_equal(llr.reshape(-1, order) < 0, words(order))


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("order", ORDERS)
def test_absurd_amplitudes_give_ratios_that_decoders_can_add(order):
    y = np.complex64(1e38) * constellation(order)
    llr = demap(y, np.zeros(y.size, np.float32), order)
    assert np.abs(llr).max() < 1e20
    signs = np.arange(order) < 2 if order > 1 else np.arange(order) < 1
    np.testing.assert_array_equal(llr.reshape(-1, order)[:, signs] < 0, words(order)[:, signs])


def test_bpsk_ratio_by_hand():
    # d = (1+j)/sqrt(2) against -(1+j)/sqrt(2) at N0 = 2: |y+d|^2 - |y-d|^2 over N0, y = 1.
    assert demap(np.ones(1, np.complex64), 2.0, 1)[0] == pytest.approx(2 / sqrt(2), rel=1e-6)
    # and QPSK's in-phase bit at N0 = 0.5.
    expected = 2 * sqrt(2) / 0.5
    assert demap(np.ones(1, np.complex64), 0.5, 2).tolist() == pytest.approx([expected, 0])
    # 16QAM, y = 0, outer bit: the inner points are nearer by 8/10 in a quadrature.
    llr = demap(np.zeros(1, np.complex64), 1.0, 4)
    assert llr[2] == pytest.approx(log(1.0) + 0.8, rel=1e-5)


def test_unknown_order_and_ragged_bits_are_refused():
    with pytest.raises(ValueError, match="3 bits a symbol; one of 1, 2, 4, 6, 8"):
        constellation(3)
    with pytest.raises(ValueError, match="5 bits do not fill"):
        map_bits(np.zeros(5), 2)
