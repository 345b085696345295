# SPDX-License-Identifier: GPL-3.0-or-later
"""Precoder and combiner, alone and between modulator and receiver."""

from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.channel import ChannelConfig, ChannelTap, SampleChannel
from semcom_phy.exchange import (
    CodecLabel,
    Combiner,
    ComplexArray,
    PictureHeader,
    Precoder,
    SectionEntry,
)
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW
from semcom_phy.pcen import lmmse
from semcom_phy.pcen_link import PcenCombiner, PcenPrecoder, PcenScheme
from semcom_phy.pcen_parameters import CenCorrection, PcenParameters, learned_parameters
from semcom_phy.precoding import SvdCombiner, SvdPrecoder, SvdScheme
from semcom_phy.qam import BITS_PER_SYMBOL, constellation
from semcom_phy.receiver import Receiver

LAYERS = PcenParameters((0.2, 1.1, 1.9, 3.0), (-2.5, 0.5, 0.75, 0.85))
"""PEN alone, with numbers like learned ones."""


def _gaussian(shape: tuple[int, ...], seed: int) -> ComplexArray:
    parts = np.random.default_rng(seed).standard_normal((2, *shape)) * np.sqrt(0.5)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def _symbols(shape: tuple[int, ...], modulation: str, seed: int) -> ComplexArray:
    points = constellation(BITS_PER_SYMBOL[modulation])
    return np.asarray(np.random.default_rng(seed).choice(points, shape))


def _white(carriers: int, noise_var: float) -> ComplexArray:
    return np.tile(np.eye(2, dtype=np.complex64) * noise_var, (carriers, 1, 1))


@pytest.mark.parametrize("modulation", ["QPSK", "16QAM"])
def test_power_is_kept(modulation: str) -> None:
    csi = _gaussian((20, 2, 2), 1)
    scheme = PcenScheme(modulation, 8.0, LAYERS)
    points = constellation(BITS_PER_SYMBOL[modulation])
    vectors = np.stack(np.meshgrid(points, points), axis=-1).reshape(-1, 1, 2)
    everything = np.tile(vectors, (1, 20, 1))
    assert 4 * len(scheme.alphabet) == len(everything)
    sent = PcenPrecoder(scheme).precode(everything, csi)
    power = np.mean(np.sum(np.abs(sent) ** 2, axis=2), axis=0)
    np.testing.assert_allclose(power, 2.0, rtol=1e-4)


def test_without_what_is_learned_it_is_the_rotated_svd_precoder() -> None:
    csi = _gaussian((50, 2, 2), 2)
    scheme, svd = PcenScheme("QPSK", 8.0), SvdScheme(powers="water-filling", snr_db=8.0)
    rotation = np.linalg.pinv(svd.matrices(csi, 50)) @ scheme.matrices(csi, 50)
    straight = np.isclose(np.abs(rotation[:, 0, 0]), 1, atol=1e-3)
    assert 0 < straight.sum() < 50
    x, y = _symbols((6, 50, 2), "QPSK", 3), _gaussian((6, 50, 2), 4)
    ours, theirs = PcenPrecoder(scheme).precode(x, csi), SvdPrecoder(svd).precode(x, csi)
    np.testing.assert_allclose(ours[:, straight], theirs[:, straight], atol=1e-4)
    arguments = (y, csi, csi, _white(50, 0.2))
    for mine, his in zip(
        PcenCombiner(scheme).combine(*arguments),
        SvdCombiner(svd).combine(*arguments),
        strict=True,
    ):
        np.testing.assert_allclose(mine[..., straight, :], his[..., straight, :], rtol=1e-3)
    np.testing.assert_allclose(
        np.sum(np.abs(scheme.matrices(csi, 50)) ** 2, axis=(1, 2)), 2, rtol=1e-5
    )


def test_without_feedback_streams_go_straight() -> None:
    scheme = PcenScheme("QPSK", 8.0, LAYERS)
    x = _symbols((5, 3, 2), "QPSK", 5)
    np.testing.assert_array_equal(PcenPrecoder(scheme).precode(x, None), x)
    channel = _gaussian((3, 2, 2), 6)
    y = np.einsum("krt,lkt->lkr", channel, x)
    estimate, _ = PcenCombiner(scheme).combine(y, channel, None, _white(3, 1e-6))
    np.testing.assert_allclose(estimate, x, atol=1e-2)


def test_one_filter_is_cen_and_the_inverse_of_the_precoder() -> None:
    """``F^-1 U2 y``, made unbiased, is what the combiner gives."""
    csi = _gaussian((40, 2, 2), 7)
    scheme, noise_var = PcenScheme("QPSK", 25.0, LAYERS), 0.05
    precoder = scheme.matrices(csi, 40)
    invertible = np.linalg.cond(precoder) < 20
    assert invertible.mean() > 0.8
    linear, rest = scheme.moments(csi, 40)
    adjoint = linear.conj().transpose(0, 2, 1)
    noise_cov = _white(40, noise_var)
    combiner = lmmse(csi, precoder @ adjoint, linear @ adjoint + rest, noise_cov)
    inverted = np.linalg.solve(precoder[invertible], combiner[invertible])
    gain = np.diagonal(inverted @ (csi @ linear)[invertible], axis1=1, axis2=2)
    y = _gaussian((7, 40, 2), 8)
    expected = np.einsum("kij,lkj->lki", inverted, y[:, invertible]) / gain
    estimate, _ = PcenCombiner(scheme).combine(y, csi, csi, noise_cov)
    np.testing.assert_allclose(estimate[:, invertible], expected, rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("modulation", ["QPSK", "16QAM"])
@pytest.mark.parametrize("stale", [False, True])
def test_estimates_are_unbiased_and_know_their_noise(modulation: str, stale: bool) -> None:
    carriers, symbols, noise_var = 12, 6000, 0.1
    csi = _gaussian((carriers, 2, 2), 9)
    told = (0.9 * csi + 0.435 * _gaussian(csi.shape, 10)).astype(np.complex64) if stale else csi
    scheme = PcenScheme(modulation, 10.0, LAYERS)
    x = _symbols((symbols, carriers, 2), modulation, 11)
    noise = np.float32(np.sqrt(noise_var)) * _gaussian(x.shape, 12)
    y = np.einsum("krt,lkt->lkr", csi, PcenPrecoder(scheme).precode(x, told)) + noise
    estimate, variance = PcenCombiner(scheme).combine(y, csi, told, _white(carriers, noise_var))
    gain = np.mean(estimate * x.conj(), axis=0)
    spread = np.sqrt((variance + 0.35) / symbols)  # of 16QAM's power, too
    arrives = np.isfinite(variance)  # water-filling silences some
    assert arrives.mean() > 0.7
    assert (np.abs(gain - 1) < 5 * spread + 1e-3)[arrives].all()
    measured = np.mean(np.abs(estimate - x) ** 2, axis=0)
    np.testing.assert_allclose(measured[arrives], variance[arrives], rtol=0.1)
    # PEN's distortion is part of it: the thermal noise alone would announce less.
    alone = replace(scheme, parameters=replace(LAYERS, correction=CenCorrection(distortion=0)))
    _, less = PcenCombiner(alone).combine(y, csi, told, _white(carriers, noise_var))
    assert np.min(less[arrives] / variance[arrives]) < 0.9


def test_the_learned_correction_does_what_it_says() -> None:
    csi, y = _gaussian((4, 2, 2), 13), _gaussian((3, 4, 2), 14)

    def combined(correction: CenCorrection) -> tuple[ComplexArray, np.ndarray]:
        scheme = PcenScheme("QPSK", 10.0, PcenParameters(correction=correction))
        return PcenCombiner(scheme).combine(y, csi, csi, _white(4, 0.1))

    x, variance = combined(CenCorrection())
    louder, more = combined(CenCorrection(noise=2.0))
    arrives = np.isfinite(variance)
    assert arrives.sum() >= 6
    assert (more > 1.3 * variance)[arrives].all()
    shrunk, _ = combined(CenCorrection(shrinkage=3.0))
    assert np.linalg.norm(shrunk) > 1.05 * np.linalg.norm(x)
    assert np.isfinite(louder).all()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="BPSK"):
        PcenScheme("BPSK")
    with pytest.raises(ValueError, match="finite"):
        PcenScheme("QPSK", np.nan)
    with pytest.raises(ValueError, match="3 streams"):
        PcenScheme(streams=3)
    with pytest.raises(ValueError, match="1 streams given"):
        PcenPrecoder().precode(np.zeros((1, 1, 1), np.complex64), None)
    with pytest.raises(ValueError, match="does not carry"):
        PcenScheme().matrices(np.zeros((4, 1, 2), np.complex64), 4)


def _send(
    frames: list[Frame], modulator: Modulator, config: ChannelConfig, csi: ComplexArray | None
) -> ComplexArray:
    numerology = modulator.numerology
    silence = np.zeros((2, 500), np.complex64)
    bursts = [part for frame in frames for part in (silence, modulator.frame(frame, csi))]
    channel = SampleChannel(config, numerology, seed=15)
    samples = channel.process(np.concatenate([*bursts, silence], axis=1))
    return np.concatenate([samples, channel.flush()], axis=1)


def _frame(symbols: ComplexArray, csi_id: int) -> Frame:
    section = SectionEntry(digital=False, length=symbols.shape[1], streams=symbols.shape[0])
    picture = PictureHeader(1, 64, 96, CodecLabel(1), (section,))
    return Frame(FrameHeader(picture, csi_id=csi_id), symbols)


def _receive(samples: ComplexArray, receiver: Receiver) -> list[ReceivedFrame]:
    return receiver.push(samples) + receiver.flush()


@pytest.mark.parametrize("modulation", ["QPSK", "16QAM"])
def test_over_the_air_with_feedback(modulation: str) -> None:
    """Learned parameters, a channel with an echo, and the CSI that a first frame brought back."""
    assert isinstance(PcenPrecoder(), Precoder)
    assert isinstance(PcenCombiner(), Combiner)
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    taps = (
        ChannelTap(0, ((1.0, 0.5j), (-0.4, 0.9))),
        ChannelTap(3.2, ((0.1, 0.2), (0.2j, -0.1))),
    )
    config = ChannelConfig(20.0, cfo_hz=3e3, taps=taps)
    sounding = _send([_frame(_gaussian((1, 100), 16), 0)], Modulator(numerology), config, None)
    csi = _receive(sounding, Receiver(numerology))[0].csi
    assert csi is not None
    scheme = PcenScheme(modulation, 20.0, learned_parameters(modulation))
    sent = _frame(_symbols((2, 3000), modulation, 17), csi_id=9)
    samples = _send([sent], Modulator(numerology, PcenPrecoder(scheme)), config, csi)
    (received,) = _receive(samples, Receiver(numerology, PcenCombiner(scheme), {9: csi}))
    error = np.abs(received.payload - sent.payload) ** 2
    assert error.mean() < 0.15
    assert abs(10 * np.log10(np.mean(error / received.noise_var))) < 0.7
