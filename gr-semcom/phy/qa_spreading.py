# SPDX-License-Identifier: GPL-3.0-or-later
"""Spreading and its inverse: unitary, unbiased, with the noise that they say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.impairments import Impairments, Interferer
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import WIDE
from semcom_phy.receiver import Receiver
from semcom_phy.spreading import despread, spread
from semcom_phy.tdl import tdl_channel


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    parts = rng.standard_normal((*shape, 2)) * np.sqrt(0.5)
    return (parts[..., 0] + 1j * parts[..., 1]).astype(np.complex64)


def _received(
    symbols: ComplexArray, noise_var: np.ndarray, rng: np.random.Generator
) -> tuple[ComplexArray, ComplexArray]:
    """Symbols ``[OFDM symbols, streams, carriers]`` and their cells after noisy carriers."""
    cells = spread(symbols, "dft").transpose(0, 2, 1)
    noise = _gaussian(rng, cells.shape) * np.sqrt(np.where(np.isfinite(noise_var), noise_var, 1))
    return symbols.transpose(0, 2, 1), (cells + noise).astype(np.complex64)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 400), st.integers(1, 2), st.integers(0, 1 << 30))
def test_spreading_is_unitary(symbols: int, carriers: int, streams: int, seed: int) -> None:
    sent = _gaussian(np.random.default_rng(seed), (symbols, streams, carriers))
    cells = spread(sent, "dft")
    assert cells.dtype == np.complex64
    np.testing.assert_allclose(np.linalg.norm(cells), np.linalg.norm(sent), rtol=1e-5)
    noise_var = np.full((1, carriers, streams), 1e-9, np.float32)
    received, variance = despread(cells.transpose(0, 2, 1), noise_var, "dft")
    np.testing.assert_allclose(received.transpose(0, 2, 1), sent, atol=1e-5)
    np.testing.assert_allclose(np.broadcast_to(variance, received.shape), 1e-9, rtol=1e-3)


def test_cells_are_those_of_the_standard() -> None:
    sent = _gaussian(np.random.default_rng(3), (1, 12))
    turns = np.outer(np.arange(12), np.arange(12)) / 12
    expected = np.exp(-2j * np.pi * turns) @ sent[0] / np.sqrt(12)
    np.testing.assert_allclose(spread(sent, "dft")[0], expected, atol=1e-6)


def test_without_spreading_nothing_changes() -> None:
    cells = _gaussian(np.random.default_rng(4), (2, 5, 1))
    noise_var = np.ones((1, 5, 1), np.float32)
    assert spread(cells, "none") is cells
    assert despread(cells, noise_var, "none") == (cells, noise_var)


@pytest.mark.parametrize("lost", [0, 1, 30, 91])
def test_symbols_are_unbiased_and_as_noisy_as_announced(lost: int) -> None:
    rng = np.random.default_rng(lost)
    symbols, carriers = 6000, 92
    noise_var = rng.exponential(0.3, (1, carriers, 2)).astype(np.float32)
    noise_var[0, rng.permutation(carriers)[:lost]] = np.inf
    sent, cells = _received(_gaussian(rng, (symbols, 2, carriers)), noise_var, rng)
    cells[:, np.isinf(noise_var[0, :, 0])] = np.nan
    received, announced = despread(cells, noise_var, "dft")
    assert announced.shape == noise_var.shape
    assert (np.ptp(announced, axis=1) == 0).all()
    for stream in range(2):
        x, y = sent[..., stream], received[..., stream]
        variance = float(announced[0, 0, stream])
        gain = np.vdot(x, y) / np.vdot(x, x)
        deviation = np.sqrt(variance / x.size)
        assert abs(gain - 1) < 5 * deviation
        assert np.mean(np.abs(y - x) ** 2) == pytest.approx(variance, rel=0.03)


def test_the_error_after_shrinkage_is_that_of_cells_that_are_not_spread() -> None:
    noise_var = np.random.default_rng(5).exponential(0.5, (1, 184, 1)).astype(np.float32)
    _, announced = despread(np.zeros((1, 184, 1), np.complex64), noise_var, "dft")
    spread_out = announced / (1 + announced)
    assert spread_out[0, 0, 0] == pytest.approx(np.mean(noise_var / (1 + noise_var)), rel=1e-5)


def test_an_ofdm_symbol_that_is_lost_leaves_the_others_alone() -> None:
    rng = np.random.default_rng(6)
    noise_var = np.full((3, 50, 1), 0.1, np.float32)
    noise_var[1] = np.inf
    sent, cells = _received(_gaussian(rng, (3, 1, 50)), noise_var, rng)
    cells[1] = np.inf
    received, announced = despread(cells, noise_var, "dft")
    np.testing.assert_array_equal(received[1], 0)
    np.testing.assert_allclose(announced[:, 0, 0], [0.1, np.inf, 0.1], rtol=1e-5)
    error = np.mean(np.abs(received[[0, 2]] - sent[[0, 2]]) ** 2)
    assert error == pytest.approx(0.1, rel=0.5)


@pytest.mark.parametrize("hit", [False, True], ids=["undisturbed", "hit"])
def test_a_receiver_announces_the_noise_of_spread_symbols(hit: bool) -> None:
    numerology = replace(WIDE, spreading="dft")
    symbols, frames = numerology.fragment_capacity, 3
    rng = np.random.default_rng(8)
    section = SectionEntry(digital=False, length=symbols)
    burst = Interferer(3.0, 0.4e-3, 0.2e-3)
    channel = SampleChannel(
        ChannelConfig(
            12.0,
            cfo_hz=20e3,
            multipath=tdl_channel("tdl-c", 300e-9, 5.0),
            impairments=Impairments(interferer=burst if hit else None),
        ),
        numerology,
        seed=3,
    )
    sent = [
        Frame(
            FrameHeader(PictureHeader(i, 256, 256, CodecLabel(1), (section,))),
            _gaussian(rng, (1, symbols)),
        )
        for i in range(frames)
    ]
    modulator, receiver = Modulator(numerology), Receiver(numerology)
    samples = np.concatenate([modulator.frame(frame) for frame in sent], axis=1)
    received = receiver.push(channel.process(samples))
    received += receiver.push(channel.flush()) + receiver.flush()
    assert [frame.header for frame in received] == [frame.header for frame in sent]
    for frame, arrived in zip(sent, received, strict=True):
        error = np.abs(arrived.payload - frame.payload) ** 2
        width = numerology.data_carriers_per_symbol
        announced = arrived.noise_var.reshape(-1, width)
        assert (np.ptp(announced, axis=1) == 0).all()  # all symbols share every carrier
        assert np.mean(error / arrived.noise_var) == pytest.approx(1, abs=0.12)
    spread_of_noise = np.ptp(received[0].noise_var) / received[0].noise_var.min()
    assert (spread_of_noise > 1) == hit
