# SPDX-License-Identifier: GPL-3.0-or-later
"""Precoders by name, for channels in units of the noise: nothing else says what the SNR is."""

import numpy as np
import pytest

from semcom_phy.exchange import ComplexArray
from semcom_phy.named_precoding import PRECODERS, named_precoding
from semcom_phy.pcen_link import PcenPrecoder, PcenScheme
from semcom_phy.pcen_parameters import learned_parameters
from semcom_phy.power_allocation import PowerRule
from semcom_phy.qam import constellation

RNG = np.random.default_rng(0)
CSI = (RNG.standard_normal((30, 2, 2, 2)) @ np.array([1, 1j]) * np.sqrt(0.5)).astype(np.complex64)
SYMBOLS = RNG.choice(constellation(2), (400, 30, 2))


@pytest.mark.parametrize("name", PRECODERS[1:])
def test_a_channel_in_units_of_the_noise_says_the_snr(name: str) -> None:
    """Ten times the amplitude is 20 dB: water-filling comes near equal powers."""
    precoder, combiner = named_precoding(name, powers="water-filling")
    assert precoder is not None
    assert combiner is not None
    noise_cov = np.tile(np.eye(2, dtype=np.complex64), (30, 1, 1))
    loud = {}
    for amplitude in (1, 10):
        csi = np.complex64(amplitude) * CSI
        sent = precoder.precode(SYMBOLS, csi)
        assert np.mean(np.sum(np.abs(sent) ** 2, axis=2)) == pytest.approx(2, rel=0.02)
        received = np.einsum("krt,lkt->lkr", csi, sent)
        noise = RNG.standard_normal((*received.shape, 2)) @ np.array([1, 1j]) * np.sqrt(0.5)
        estimate, variance = combiner.combine(
            (received + noise).astype(np.complex64), csi, csi, noise_cov
        )
        heard = np.isfinite(variance)
        error = np.mean(np.abs(estimate - SYMBOLS) ** 2, axis=0)
        assert np.median(error[heard] / variance[heard]) == pytest.approx(1, abs=0.1)
        loud[amplitude] = np.mean(heard)
    assert loud[10] > 0.9
    assert loud[10] > loud[1] or name == "pcen"  # which turns streams so that all are heard


def shrunk_error_db(name: str, powers: PowerRule, modulation: str) -> tuple[float, float]:
    """Of Gaussian symbols at 15 dB, by the best use of the noise announced: real and announced."""
    precoder, combiner = named_precoding(name, 2, powers, modulation)
    assert precoder is not None
    assert combiner is not None
    rng = np.random.default_rng(1)

    def gaussian(*shape: int) -> ComplexArray:
        parts = rng.standard_normal((*shape, 2)) @ np.array([1, 1j]) * np.sqrt(0.5)
        return np.asarray(parts, np.complex64)

    csi = np.complex64(10 ** (15 / 20)) * gaussian(400, 2, 2)
    x = gaussian(60, 400, 2)
    y = np.einsum("krt,lkt->lkr", csi, precoder.precode(x, csi)) + gaussian(60, 400, 2)
    noise_cov = np.tile(np.eye(2, dtype=np.complex64), (400, 1, 1))
    estimate, variance = combiner.combine(y.astype(np.complex64), csi, csi, noise_cov)
    shrinkage = 1 / (1 + variance)
    errors = np.mean(np.abs(shrinkage * estimate - x) ** 2), np.mean(1 - shrinkage)
    real, announced = (float(10 * np.log10(error)) for error in errors)
    return real, announced


def test_gaussian_symbols_want_powers_of_least_error_and_no_constellation() -> None:
    least, told = shrunk_error_db("svd", "least-error", "QPSK")
    assert told == pytest.approx(least, abs=0.2)
    assert least < shrunk_error_db("svd", "equal", "QPSK")[0] - 0.5
    assert least < shrunk_error_db("svd", "water-filling", "QPSK")[0] - 1
    assert least < shrunk_error_db("pcen", "equal", "16QAM")[0] - 1
    projected, told = shrunk_error_db("pcen", "equal", "QPSK")
    assert least < projected - 3
    assert told < projected - 2


def test_pcen_is_what_was_learned_at_that_snr() -> None:
    precoder, _ = named_precoding("pcen", modulation="QPSK")
    assert precoder is not None
    ours = precoder.precode(SYMBOLS, np.complex64(10 ** (12 / 20)) * CSI)
    scheme = PcenScheme("QPSK", 12.0, learned_parameters("QPSK"))
    np.testing.assert_allclose(ours, PcenPrecoder(scheme).precode(SYMBOLS, CSI), atol=1e-4)


def test_names() -> None:
    assert named_precoding("none") == (None, None)
    with pytest.raises(ValueError, match="no precoder 'zf', choose one of: none, svd, pcen"):
        named_precoding("zf")
    with pytest.raises(ValueError, match="not for 64QAM"):
        named_precoding("pcen", modulation="64QAM")
