# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from semcom_phy.exchange import Combiner, ComplexArray, Precoder
from semcom_phy.power_allocation import PowerRule
from semcom_phy.precoding import (
    IdentityCombiner,
    IdentityPrecoder,
    SvdCombiner,
    SvdPrecoder,
    SvdScheme,
    unbiased_mmse,
)


def _gaussian(shape: tuple[int, ...], seed: int = 0) -> ComplexArray:
    rng = np.random.default_rng(seed)
    value = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return (value[..., 0] + 1j * value[..., 1]).astype(np.complex64)


def _white(carriers: int, noise_var: float) -> ComplexArray:
    """Covariance of noise alike on two antennas."""
    return np.tile(np.eye(2, dtype=np.complex64) * noise_var, (carriers, 1, 1))


@pytest.mark.parametrize("streams", [1, 2])
def test_mmse_is_unbiased_and_knows_its_noise(streams: int) -> None:
    symbols, carriers = 20_000, 3
    channel = _gaussian((carriers, 2, streams), 1)
    x = _gaussian((symbols, carriers, streams), 2)
    colour = np.array([[0.3, 0.0], [0.1 + 0.5j, 0.2]], np.complex64)
    noise = _gaussian((symbols, carriers, 2), 3) @ colour.T
    noise_cov = np.tile(colour @ colour.conj().T, (carriers, 1, 1))
    y = np.einsum("krs,lks->lkr", channel, x) + noise
    estimate, variance = unbiased_mmse(y, channel, noise_cov)
    gain = np.mean(estimate * x.conj(), axis=0)
    np.testing.assert_allclose(gain, 1, atol=5 * np.sqrt(variance.max() / symbols) + 0.03)
    measured = np.mean(np.abs(estimate - x) ** 2, axis=0)
    np.testing.assert_allclose(measured, variance, rtol=0.05)


def test_a_stream_that_does_not_arrive_has_infinite_variance() -> None:
    channel = np.array([[[1, 0], [0.5, 0]]], np.complex64)
    estimate, variance = unbiased_mmse(_gaussian((4, 1, 2)), channel, _white(1, 0.1))
    assert np.isfinite(variance[0, 0])
    assert np.isinf(variance[0, 1])
    np.testing.assert_array_equal(estimate[..., 1], 0)
    estimate, variance = unbiased_mmse(
        _gaussian((4, 1, 2)), np.zeros((1, 2, 1), np.complex64), _white(1, 1)
    )
    assert np.isinf(variance).all()
    np.testing.assert_array_equal(estimate, 0)


def test_noise_alike_on_both_antennas_is_cancelled() -> None:
    channel = np.array([[[1.0], [0.5]]], np.complex64)
    noise_cov = np.ones((1, 2, 2), np.complex64) + _white(1, 1e-4)
    x, noise = _gaussian((1000, 1, 1), 1), _gaussian((1000, 1, 1), 2)
    thermal = _gaussian((1000, 1, 2), 3) * np.float32(1e-2)
    y = x @ channel[0].T + noise + thermal
    estimate, variance = unbiased_mmse(y, channel, noise_cov)
    # The difference of the antennas holds half of x and twice the thermal noise, 2e-4 / 0.25.
    assert variance[0, 0] == pytest.approx(8e-4, rel=1e-2)
    assert np.mean(np.abs(estimate - x) ** 2) == pytest.approx(8e-4, rel=0.15)


@pytest.mark.parametrize(
    ("powers", "snr_db"),
    [("equal", 0.0), ("water-filling", 0.0), ("water-filling", 20.0), ("least-error", 0.0)],
)
def test_svd_precoding_diagonalises_and_keeps_the_power(powers: PowerRule, snr_db: float) -> None:
    csi = _gaussian((10, 2, 2), 5)
    scheme = SvdScheme(streams=2, tx_antennas=2, powers=powers, snr_db=snr_db)
    matrices = scheme.matrices(csi, 10)
    np.testing.assert_allclose(np.sum(np.abs(matrices) ** 2, axis=(1, 2)), 2, rtol=1e-5)
    effective = csi @ matrices
    gram = effective.conj().transpose(0, 2, 1) @ effective
    np.testing.assert_allclose(gram[:, 0, 1], 0, atol=1e-5)
    x = _gaussian((7, 10, 2), 6)
    y = np.einsum("krt,lkt->lkr", csi, SvdPrecoder(scheme).precode(x, csi))
    noise_cov = _white(10, 1e-9)
    estimate, variance = SvdCombiner(scheme).combine(y, csi, csi, noise_cov)
    arrived = np.broadcast_to(np.isfinite(variance), x.shape)
    assert arrived.mean() >= 0.5
    np.testing.assert_allclose(estimate[arrived], x[arrived], atol=1e-2)
    singular = np.linalg.svd(csi, compute_uv=False)
    sent = np.sum(np.abs(matrices) ** 2, axis=1)
    expected = 1e-9 / (singular**2 * sent + 1e-30)
    good = np.isfinite(variance)
    np.testing.assert_allclose(variance[good], expected[good], rtol=1e-2)


def test_stale_csi_is_inverted_as_sent() -> None:
    csi, stale = _gaussian((6, 2, 2), 7), _gaussian((6, 2, 2), 8)
    scheme = SvdScheme()
    x = _gaussian((5, 6, 2), 9)
    y = np.einsum("krt,lkt->lkr", csi, SvdPrecoder(scheme).precode(x, stale))
    noise_cov = _white(6, 1e-8)
    estimate, _ = SvdCombiner(scheme).combine(y, csi, stale, noise_cov)
    np.testing.assert_allclose(estimate, x, atol=2e-2)
    wrong, _ = SvdCombiner(scheme).combine(y, csi, csi, noise_cov)
    assert np.mean(np.abs(wrong - x) ** 2) > 0.1


def test_each_rule_is_best_at_what_it_is_for() -> None:
    csi = _gaussian((200, 2, 2), 10)
    rules: list[PowerRule] = ["equal", "water-filling", "least-error"]
    rate, error = {}, {}
    for powers in rules:
        effective = csi @ SvdScheme(powers=powers).matrices(csi, 200)
        seen = np.eye(2) + effective.conj().transpose(0, 2, 1) @ effective
        rate[powers] = np.mean(np.log2(np.linalg.det(seen).real))
        error[powers] = np.mean(np.trace(np.linalg.inv(seen), axis1=1, axis2=2).real)
    assert rate["water-filling"] > max(rate["equal"], rate["least-error"]) + 0.05
    assert error["least-error"] < min(error["equal"], error["water-filling"]) - 0.01


def test_cells_of_several_symbols_share_the_precoder() -> None:
    """A channel that changes within the frame is given cell by cell, symbol after symbol."""
    told, symbols = _gaussian((6, 2, 2), 12), 5
    channel = _gaussian((symbols, 6, 2, 2), 13)
    scheme = SvdScheme(powers="water-filling", snr_db=30.0)
    x = _gaussian((symbols, 6, 2), 14)
    y = np.einsum("lkrt,lkt->lkr", channel, SvdPrecoder(scheme).precode(x, told))
    cells = y.reshape(1, -1, 2), channel.reshape(-1, 2, 2)
    estimate, _ = SvdCombiner(scheme).combine(*cells, told, _white(symbols * 6, 1e-9))
    np.testing.assert_allclose(estimate.reshape(x.shape), x, atol=2e-2)


def test_matrices_do_not_depend_on_the_phases_of_the_decomposition() -> None:
    csi = _gaussian((20, 2, 2), 11)
    turned = csi * np.exp(1j * np.linspace(0, 6, 20, dtype=np.float32))[:, None, None]
    scheme = SvdScheme(streams=2)
    np.testing.assert_allclose(scheme.matrices(csi, 20), scheme.matrices(turned, 20), atol=1e-4)
    assert (scheme.matrices(csi, 20)[:, 0].real > 0).all()


def test_without_csi_streams_go_straight() -> None:
    x = _gaussian((3, 4, 1))
    sent = SvdPrecoder(SvdScheme(streams=1)).precode(x, None)
    np.testing.assert_array_equal(sent, IdentityPrecoder(2).precode(x, None))
    np.testing.assert_array_equal(sent[..., 0], x[..., 0])
    np.testing.assert_array_equal(sent[..., 1], 0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="2 streams"):
        IdentityPrecoder(1).precode(np.zeros((1, 1, 2), np.complex64), None)
    with pytest.raises(ValueError, match="3 streams"):
        SvdScheme(streams=3)
    with pytest.raises(ValueError, match="no rule 'most'"):
        SvdScheme(powers="most")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="does not carry"):
        SvdScheme().matrices(np.zeros((4, 1, 2), np.complex64), 4)
    with pytest.raises(ValueError, match="1 streams given"):
        SvdPrecoder().precode(np.zeros((1, 1, 1), np.complex64), None)


def test_they_fulfil_the_contracts() -> None:
    assert isinstance(IdentityPrecoder(), Precoder)
    assert isinstance(SvdPrecoder(), Precoder)
    assert isinstance(IdentityCombiner(), Combiner)
    assert isinstance(SvdCombiner(), Combiner)
