# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from scipy import stats

from semcom_phy.awgn import add_noise, send_bits


@pytest.mark.parametrize("noise_var", [0.01, 3.0])
def test_noise_is_circular_and_of_the_variance_asked(noise_var):
    symbols = np.full((4, 20_000), 2 - 1j, np.complex64)
    received = add_noise(symbols, noise_var, np.random.default_rng(1))
    assert received.dtype == np.complex64
    assert received.shape == symbols.shape
    noise = (received - symbols).astype(np.complex128).reshape(-1)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(noise_var, rel=5 / np.sqrt(noise.size))
    assert np.abs(np.mean(noise**2)) < 5 * noise_var * np.sqrt(2 / noise.size)
    scaled = np.concatenate([noise.real, noise.imag]) / np.sqrt(noise_var / 2)
    assert stats.kstest(scaled, "norm").pvalue > 1e-3


@pytest.mark.parametrize(("snr_db", "error_rate"), [(0.0, 0.158655), (6.0, 0.0230071)])
def test_hard_decisions_on_qpsk_are_as_wrong_as_theory_says(snr_db, error_rate):
    # Q(sqrt(Es/N0)) for each quadrature.
    rng = np.random.default_rng(2)
    bits = rng.integers(0, 2, (50, 2000), np.uint8)
    ratios = send_bits(bits, 2, snr_db, rng)
    assert ratios.shape == bits.shape
    wrong = ((ratios < 0) != bits).mean()
    assert wrong == pytest.approx(error_rate, abs=4 * np.sqrt(error_rate / bits.size))


def test_bits_that_fill_no_symbol_are_refused():
    with pytest.raises(ValueError, match="do not fill symbols of 4 bits"):
        send_bits(np.zeros(10, np.uint8), 4, 0.0, np.random.default_rng(0))
