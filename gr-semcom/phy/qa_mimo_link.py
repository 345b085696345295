# SPDX-License-Identifier: GPL-3.0-or-later
"""Precoding through the whole modem over channels that fade: reports come back, get old, and are
inverted as they were used."""

from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    ComplexArray,
    ReceivedAnalog,
    Reception,
    Transmission,
)
from semcom_phy.fragments import Assembler, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.named_precoding import named_precoding
from semcom_phy.numerology import NARROW
from semcom_phy.power_allocation import PowerRule
from semcom_phy.receiver import Receiver, lookahead_samples
from semcom_phy.tdl import FadingChannel, flat_channel, tdl_channel

MIMO = replace(NARROW, name="two by two", tx_antennas=2, rx_antennas=2)
SNR_DB = 18.0


def gaussian(count: int, seed: int) -> ComplexArray:
    parts = np.random.default_rng(seed).standard_normal((1, count, 2)) @ np.array([1, 1j])
    return (parts * np.sqrt(0.5)).astype(np.complex64)


class Loop:
    """Stop and wait: each picture is precoded for what was reported of the one before."""

    def __init__(
        self, channel: FadingChannel, reports: CsiReports, powers: PowerRule, seed: int
    ) -> None:
        precoder, combiner = named_precoding("svd", 2, powers)
        self._air = SampleChannel(ChannelConfig(SNR_DB, multipath=channel), MIMO, seed)
        self._modulator, self.reports = Modulator(MIMO, precoder), reports
        self.receiver, self._assembler = Receiver(MIMO, combiner, reports), Assembler(MIMO)
        self._known = ChannelState()

    def send(self, symbols: ComplexArray, picture: int) -> Reception:
        transmission = Transmission((AnalogSection(symbols),), 256, 256, CodecLabel(1), streams=2)
        frames = fragment(transmission, picture, MIMO, self._known.csi_id)
        bursts = [self._modulator.frame(frame, self._known.csi) for frame in frames]
        silence = np.zeros((2, lookahead_samples(MIMO) + 512), np.complex64)
        received = self.receiver.push(self._air.process(np.concatenate([*bursts, silence], axis=1)))
        (reception,) = [done for frame in received for done in self._assembler.add(frame)]
        report = self.reports.report(received[-1])
        assert report is not None
        self._known = ChannelState(csi=report.csi, csi_id=report.csi_id)
        return reception


@pytest.mark.parametrize("powers", ["water-filling", "least-error"])
@pytest.mark.parametrize("doppler_hz", [0.0, 20.0])
def test_symbols_are_unbiased_with_the_noise_announced(
    doppler_hz: float, powers: PowerRule
) -> None:
    """TDL-A; at 20 Hz the report is old before its picture ends, and the channel is tracked."""
    sent, got, variance = [], [], []
    for seed in range(3):
        loop = Loop(tdl_channel("tdl-a", 300e-9, doppler_hz), CsiReports(MIMO, 6), powers, seed)
        loop.send(gaussian(200, 99), 0)
        for picture in (1, 2):
            symbols = gaussian(2 * MIMO.fragment_capacity, picture)
            reception = loop.send(symbols, picture)
            section = reception.sections[0]
            assert isinstance(section, ReceivedAnalog)
            heard = np.isfinite(section.noise_var)
            sent.append(symbols[heard])
            got.append(section.symbols[heard])
            variance.append(section.noise_var[heard])
        assert loop.receiver.counters.unknown_csi == 0
        assert len(loop.reports) == 3
    x, y, v = (np.concatenate(parts).astype(np.complex128) for parts in (sent, got, variance))
    weight = 1 / v.real
    gain = np.sum(weight * y * x.conj()) / np.sum(weight * np.abs(x) ** 2)
    assert abs(gain - 1) < 0.02
    normalised = np.abs(y - x) ** 2 * weight
    assert np.mean(normalised) == pytest.approx(1, abs=0.15)
    loud, faint = weight > np.median(weight), weight <= np.median(weight)
    assert np.mean(normalised[loud]) == pytest.approx(1, abs=0.25)
    assert np.mean(normalised[faint]) == pytest.approx(1, abs=0.25)


def test_perfect_csi_makes_the_streams_orthogonal() -> None:
    """On a channel that stays, powers of least error lower the mean noise; errors bring it back."""
    noise = {}
    for name, reports in (
        ("perfect", CsiReports(MIMO)),
        ("quantised", CsiReports(MIMO, 6)),
        ("wrong", CsiReports(MIMO, error_var=1.0)),
    ):
        loop = Loop(flat_channel(), reports, "least-error", 5)
        blind, formed = (loop.send(gaussian(9000, n), n).noise_var for n in (0, 1))
        noise[name] = formed / blind
    assert noise["perfect"] < 0.95
    assert noise["quantised"] == pytest.approx(noise["perfect"], rel=0.03)
    assert noise["wrong"] > noise["perfect"] * 1.02
