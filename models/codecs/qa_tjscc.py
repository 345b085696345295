# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_models.codecs.base import Request
from semcom_models.codecs.flat_picture import COLOUR_BITS, least_section
from semcom_models.codecs.registry import for_label, load
from semcom_models.codecs.tjscc_packets import Packets, packets_within
from semcom_models.data import sample_pictures
from semcom_models.metrics import psnr_db
from semcom_phy.digital import symbol_count
from semcom_phy.exchange import AnalogSection, ChannelState, DigitalSection, ReceivedAnalog
from semcom_phy.fragments import channel_uses
from semcom_phy.ideal import IdealLink
from semcom_phy.rcpc import RATES

CODEC = load("tjscc")


@pytest.fixture(scope="module")
def crop():
    return dict(sample_pictures())["chelsea"][:, 60:190, 100:240].clone()


def encode(picture, snr_db, cbr=1 / 6):
    return CODEC.encode([picture], ChannelState(snr_db), Request(cbr=cbr))[0]


def through(sent, snr_db, **channel):
    return IdealLink(snr_db, seed=2, **channel).transfer(sent, 0)


def decoded(reception):
    (picture,) = for_label(reception.header.label).decode([reception])
    assert picture.shape == (3, reception.header.height, reception.header.width)
    return picture


def mean_colour(picture):
    return picture.mean((1, 2), keepdim=True).mul(255).round().div(255).expand_as(picture)


def test_quality_rises_with_snr_until_bpsk_saturates(crop):
    reached = {}
    for snr_db in (-4.0, 0.0, 5.0, 10.0, 20.0):
        sent = encode(crop, snr_db)
        assert 0.99 * crop.numel() / 6 - 2 < channel_uses(sent) <= crop.numel() / 6
        side, symbols = sent.sections
        assert isinstance(side, DigitalSection)
        assert isinstance(symbols, AnalogSection)
        assert np.abs(symbols.symbols) == pytest.approx(1.0)
        reached[snr_db] = psnr_db(decoded(through(sent, snr_db)), crop)
    assert reached[-4] > 16
    assert reached[0] > reached[-4] + 1
    assert reached[5] > reached[0] + 2
    assert reached[10] > reached[5]
    assert reached[20] == pytest.approx(reached[10], abs=0.3)


def test_it_degrades_by_packets_below_the_snr_it_was_made_for(crop):
    sent = encode(crop, 6.0)
    reached = [psnr_db(decoded(through(sent, snr_db)), crop) for snr_db in (6.0, 4.5, 3.0, -3.0)]
    assert reached[0] > reached[1] > reached[2] >= reached[3]
    assert torch.equal(decoded(through(sent, 1.0)), mean_colour(crop))


def test_what_arrives_is_the_stream_up_to_the_first_loss(crop):
    sent = encode(crop, 8.0)
    packets = Packets.of(sent.sections[1].channel_uses)
    counts = packets.read_side(sent.sections[0].bits)
    assert counts.sum() == packets.count
    received = through(sent, 60.0).sections[1]
    whole = packets.receive(received, counts)
    assert len(whole) == counts @ packets.payloads // 8 >= sent.notes["stream_bytes"]
    lost = 5
    noise_var = received.noise_var.copy()
    start = lost * packets.length // 2
    noise_var[:, start : start + packets.length // 2] = np.inf
    part = packets.receive(ReceivedAnalog(received.symbols, noise_var, noise_var > 1), counts)
    before = np.repeat(packets.payloads, counts)[:lost].sum()
    assert part == whole[: before // 8]


def test_lost_frames():
    # Packets are spread over all frames: one of many is an erasure that codes mend.
    picture = dict(sample_pictures())["chelsea"][:, :256, :256]
    sent = encode(picture, 0.0, 1 / 3)
    whole, missing = through(sent, 3.0), through(sent, 3.0, erase={1})
    assert len(missing.fragments) > 3
    assert psnr_db(decoded(missing), picture) == psnr_db(decoded(whole), picture) > 25
    nothing = through(sent, 3.0, erase=set(range(100)))
    assert torch.equal(decoded(nothing), torch.full_like(picture, 0.5))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(1, 60), st.floats(0.001, 1.0), st.floats(-10, 30))
def test_the_budget_is_kept(height, width, cbr, snr_db):
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(width))
    sent = encode(picture, snr_db, cbr)
    assert channel_uses(sent) <= max(int(cbr * picture.numel() * (1 + 1e-12)), least_section()[0])
    decoded(through(sent, snr_db))


@given(st.integers(1, 400_000), st.floats(-20, 40))
def test_packets_and_side_information_fit(uses, snr_db):
    found = packets_within(uses, snr_db)
    if found is None:
        return
    packets, mcs = found
    assert symbol_count(packets.side_bits, mcs) + packets.symbols <= uses
    # The receiver finds the same packets from the number of symbols alone.
    assert Packets.of(packets.symbols) == packets


@given(st.integers(1, 5000), st.integers(0, 2**31))
def test_side_information_is_read_as_it_was_written(count, seed):
    rng = np.random.default_rng(seed)
    packets = Packets(count, 1024)
    counts = rng.multinomial(count, np.full(len(RATES), 1 / len(RATES)))
    colour = rng.integers(0, 2, COLOUR_BITS, np.uint8)
    side = packets.write_side(colour, counts)
    np.testing.assert_array_equal(packets.read_side(side), counts)
    np.testing.assert_array_equal(side[:COLOUR_BITS], colour)
    assert packets.read_side(side[1:]) is None


def test_side_information_that_makes_no_sense_gives_the_mean_colour(crop):
    sent = encode(crop, 10.0)
    side, symbols = sent.sections
    nonsense = np.concatenate([side.bits[:COLOUR_BITS], np.ones_like(side.bits[COLOUR_BITS:])])
    for sections in (
        (DigitalSection(nonsense, side.mcs), symbols),
        (DigitalSection(side.bits[:-3], side.mcs), symbols),
        (DigitalSection(side.bits[:COLOUR_BITS], side.mcs),),
    ):
        forged = through(replace(sent, sections=sections), 20.0)
        assert torch.equal(decoded(forged), mean_colour(crop))


def test_small_pictures_become_flat_ones_rather_than_errors(crop):
    for side, cbr in ((1, 1.0), (32, 1 / 24), (32, 1 / 6)):
        picture = crop[:, :side, :side]
        sent = encode(picture, 10.0, cbr)
        shown = decoded(through(sent, 40.0))
        if sent.sections[0].bits.size == COLOUR_BITS:
            assert "no JPEG 2000 stream is small enough" in sent.notes["flat"]
            assert torch.equal(shown, mean_colour(picture))
        else:
            assert side == 1 or psnr_db(shown, picture) > 15


def test_requests_that_cannot_be_served(crop):
    with pytest.raises(ValueError, match="CBR of -1 cannot be served"):
        encode(crop, 10.0, -1.0)
    with pytest.raises(ValueError, match="a picture is"):
        encode(crop[0], 10.0)
