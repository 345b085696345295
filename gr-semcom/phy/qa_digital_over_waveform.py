# SPDX-License-Identifier: GPL-3.0-or-later
"""Digital sections from bits to samples, through a channel that fades, and back."""

from functools import lru_cache

import numpy as np
import pytest
from scipy.special import expit

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.digital import MCS, SIDE_INFORMATION, mcs_index
from semcom_phy.exchange import CodecLabel, DigitalSection, Transmission
from semcom_phy.fragments import assemble, fragment
from semcom_phy.ideal import IdealLink
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import WIDE
from semcom_phy.receiver import Receiver, lookahead_samples
from semcom_phy.tdl import tdl_channel

FADING = tdl_channel("tdl-c", 3e-7, 5.0)
SEED = 5
SECTIONS = {
    "nr-256qam-682.5/1024": 30_000,
    "uncoded-256qam": 40_000,
    "uncoded-16qam": 8_000,
    MCS[SIDE_INFORMATION].name: 500,
}
PICTURES = pytest.mark.parametrize("picture", range(3))


def sent(picture):
    rng = np.random.default_rng(picture)
    sections = tuple(
        DigitalSection(rng.integers(0, 2, n).astype(np.uint8), mcs_index(name))
        for name, n in SECTIONS.items()
    )
    return Transmission(sections, 512, 768, CodecLabel(1))


@lru_cache(maxsize=8)
def received(picture, snr_db):
    """By way of samples."""
    modulator, receiver = Modulator(WIDE), Receiver(WIDE)
    bursts = [modulator.frame(frame) for frame in fragment(sent(picture), picture, WIDE)]
    bursts.append(np.zeros((1, lookahead_samples(WIDE)), np.complex64))
    config = ChannelConfig(snr_db, cfo_hz=2e4, multipath=FADING)
    channel = SampleChannel(config, WIDE, [SEED, picture])
    heard = [channel.process(np.concatenate(bursts, axis=1)), channel.flush()]
    frames = receiver.push(np.concatenate(heard, axis=1)) + receiver.flush()
    header = frames[0].header
    by_number = {frame.header.fragment: frame for frame in frames}
    return assemble(header.picture, header.fragments, by_number)


@PICTURES
def test_256qam_under_a_code_crosses_a_channel_that_fades(picture):
    bits, arrived = sent(picture).sections, received(picture, 30.0).sections
    for place in (0, 3):
        assert arrived[place].ok
        np.testing.assert_array_equal(arrived[place].bits, bits[place].bits)


@PICTURES
def test_hard_decisions_are_nearly_as_good_as_those_over_a_known_channel(picture):
    """And their ratios, made of the noise announced for every symbol, tell how good they are."""
    bits, snr_db = sent(picture), 15.0
    known = IdealLink(snr_db, WIDE, SEED, multipath=FADING).transfer(bits, picture)
    for place in (1, 2):
        truth = bits.sections[place].bits
        ours, best = received(picture, snr_db).sections[place], known.sections[place]
        wrong, unavoidable = np.mean(ours.bits != truth), np.mean(best.bits != truth)
        assert 0.001 < wrong < 1.2 * unavoidable + 0.002
        told = np.mean(expit(-np.abs(ours.llr.astype(np.float64))))
        assert told == pytest.approx(wrong, rel=0.2, abs=0.002)


def test_ratios_by_the_mean_noise_would_mislead():
    """What the noise of single symbols is for: a decoder that knows only its mean loses."""
    picture, snr_db = 1, 15.0
    ours = received(picture, snr_db).sections[1]
    told = expit(-np.abs(ours.llr.astype(np.float64)))
    sure = told < np.quantile(told, 0.3)
    wrong = ours.bits != sent(picture).sections[1].bits
    assert wrong[sure].mean() < 0.3 * wrong.mean()
