# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from semcom_models.codecs.base import Request
from semcom_models.codecs.flat_picture import COLOUR_BITS, flat_picture, least_section
from semcom_models.codecs.options import options_from_yaml
from semcom_models.codecs.registry import for_label, load, scheme_info
from semcom_models.codecs.separate_carriers import MARGIN_DB, TARGET, IdealCode
from semcom_models.codecs.separate_mcs import CANDIDATES, SeparateOptions, hindsight_candidates
from semcom_models.data import sample_pictures
from semcom_models.metrics import psnr_db
from semcom_phy.capacity import capacity_bits
from semcom_phy.digital import MCS, max_bits, mcs_index, symbol_count
from semcom_phy.exchange import (
    CapacitySection,
    ChannelState,
    DigitalSection,
    ReceivedDigital,
    Transmission,
)
from semcom_phy.fragments import channel_uses
from semcom_phy.ideal import IdealLink
from semcom_phy.link_adaptation import failure_probability
from semcom_phy.mcs_tables import TABLE_1, TABLE_2


class Foreign(BaseModel):
    """Options of another scheme."""


INSTALLED = ("jpeg", "jpeg2000", "webp", "avif", "bpg")
SIDE = 128


@pytest.fixture(scope="module")
def crop():
    return dict(sample_pictures())["chelsea"][:, 100 : 100 + SIDE, 120 : 120 + SIDE].clone()


def encode(codec, picture, snr_db, cbr=1 / 6, mcs="adaptive"):
    options = SeparateOptions(mcs=mcs) if "ldpc" in type(codec).__name__.lower() else None
    return codec.encode([picture], ChannelState(snr_db), Request(cbr=cbr, options=options))[0]


def receive(sent, snr_db, **channel):
    return IdealLink(snr_db, seed=1, **channel).transfer(sent, 0)


def decode(codec, reception):
    (picture,) = codec.decode([reception])
    assert picture.shape == (3, reception.header.height, reception.header.width)
    assert picture.dtype == torch.float32
    assert 0 <= picture.min() <= picture.max() <= 1
    return picture


def spread(picture):
    """0 of a flat picture."""
    return float((picture - picture[:, :1, :1]).abs().max())


def mean_colour(picture):
    return picture.mean((1, 2), keepdim=True).mul(255).round().div(255).expand_as(picture)


@pytest.mark.parametrize("name", INSTALLED)
def test_a_picture_crosses_and_falls_off_the_cliff(name, crop):
    codec = load(f"{name}+ldpc")
    sent = encode(codec, crop, 12.0)
    assert channel_uses(sent) <= crop.numel() // 6
    arrived = receive(sent, 12.0)
    picture = decode(for_label(arrived.header.label), arrived)
    assert psnr_db(picture, crop) > 28
    assert set(sent.notes) == {"source", "quality", "stream_bytes", "mcs"}
    (stream, *_) = sent.sections
    assert isinstance(stream, DigitalSection)
    assert sent.notes["stream_bytes"] == stream.bits.size / 8
    assert sent.notes["mcs"] == MCS[stream.mcs].name
    # 4 dB below what it was made for nothing of the stream is left.
    fallen = decode(codec, receive(sent, 8.0))
    assert psnr_db(fallen, crop) < 20
    if len(sent.sections) == 2:
        assert torch.equal(fallen, mean_colour(crop))


@pytest.mark.parametrize("name", INSTALLED)
def test_a_bound_holds_on_both_sides_of_its_snr(name, crop):
    codec = load(f"{name}+capacity")
    assert scheme_info(f"{name}+capacity").bound
    sent = encode(codec, crop, 3.0)
    assert channel_uses(sent) == crop.numel() // 6
    assert psnr_db(decode(codec, receive(sent, 3.0)), crop) > 25
    # Steps of the codec's qualities leave some percent of the channel's bits over.
    assert spread(decode(codec, receive(sent, 2.2))) == 0
    over_5g = encode(load(f"{name}+ldpc"), crop, 3.0)
    assert sent.notes["stream_bytes"] > over_5g.notes["stream_bytes"]


@settings(deadline=None, max_examples=15)
@given(st.floats(-5, 35), st.integers(1, 20000))
def test_a_bound_claims_no_more_than_capacity(snr_db, uses):
    bits = IdealCode(snr_db).most_bits(uses)
    exact = uses * np.log2(1 + 10 ** (snr_db / 10))
    assert exact * (1 - 1e-5) - 1 <= bits <= exact * (1 + 1e-6)
    (section,) = (
        IdealLink(snr_db)
        .transfer(
            Transmission(
                (CapacitySection(np.ones(max(bits, 1), np.uint8), uses),),
                200,
                200,
                load("jpeg+capacity").label,
            ),
            0,
        )
        .sections
    )
    assert section.ok or bits == 0 or bits > capacity_bits(np.full(uses, 10 ** (-snr_db / 10)))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 48),
    st.integers(1, 48),
    st.floats(0.001, 1.0),
    st.floats(-10, 30),
    st.sampled_from(["adaptive", "nr-16qam-2/3", "wlan-qpsk-3/4", "table2:27"]),
)
def test_the_budget_is_kept(height, width, cbr, snr_db, mcs):
    picture = torch.rand(3, height, width, generator=torch.Generator().manual_seed(height))
    codec = load("jpeg+ldpc")
    sent = encode(codec, picture, snr_db, cbr, mcs)
    least, _ = least_section()
    assert channel_uses(sent) <= max(int(cbr * picture.numel() * (1 + 1e-12)), least)
    decode(codec, receive(sent, snr_db))


def test_large_sections_keep_the_budget_too():
    picture = dict(sample_pictures())["coffee"]
    codec = load("jpeg2000+ldpc")
    for cbr in (1 / 6, 0.11):
        sent = encode(codec, picture, 15.0, cbr)
        uses = channel_uses(sent)
        # Hardly anything is left over.
        assert 0.99 * cbr * picture.numel() < uses <= cbr * picture.numel()
        assert psnr_db(decode(codec, receive(sent, 15.0)), picture) > 30


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8), (1, 40), (32, 32), (33, 17)])
@pytest.mark.parametrize("scheme", ["jpeg+ldpc", "jpeg2000+ldpc", "bpg+ldpc", "webp+capacity"])
def test_small_pictures_become_flat_ones_rather_than_errors(scheme, size, crop):
    codec = load(scheme)
    picture = crop[:, : size[0], : size[1]]
    for cbr in (1e-6, 1 / 12, 1.0):
        sent = encode(codec, picture, 10.0, cbr)
        decoded = decode(codec, receive(sent, 40.0))
        if "flat" in sent.notes:
            assert spread(decoded) == 0
            if sent.sections[0].bits.size == COLOUR_BITS:
                assert torch.equal(decoded, mean_colour(picture))
        else:
            assert psnr_db(decoded, picture) > 18


def test_a_cifar_picture_is_sent_as_a_picture_where_that_fits(crop):
    codec = load("bpg+ldpc")
    picture = crop[:, :32, :32]
    sent = encode(codec, picture, 20.0, 1 / 3)
    assert "flat" not in sent.notes
    assert psnr_db(decode(codec, receive(sent, 20.0)), picture) > 22
    small = encode(codec, picture, 10.0, 1 / 48)
    assert "no hevc stream is small enough for 64 channel uses" in str(small.notes["flat"])


def test_lost_frames(crop):
    codec = load("jpeg+ldpc")
    picture = crop.repeat(1, 2, 2)
    sent = encode(codec, picture, 10.0)
    assert len(receive(sent, 10.0).fragments) > 1
    assert torch.equal(decode(codec, receive(sent, 10.0, erase={0})), mean_colour(picture))
    nothing = receive(sent, 10.0, erase=set(range(100)))
    assert torch.equal(decode(codec, nothing), torch.full_like(picture, 0.5))


def test_an_embedded_stream_is_decoded_as_far_as_it_is_intact():
    picture = dict(sample_pictures())["coffee"]
    codec = load("jpeg2000+ldpc")
    sent = encode(codec, picture, 15.0)
    stream, colour = receive(sent, 15.0).sections
    reached = []
    for share in (0.0, 0.1, 0.4, 1.0):
        valid = int(share * stream.bits.size)
        damaged = np.concatenate([stream.bits[:valid], 1 - stream.bits[valid:]])
        cut = ReceivedDigital(damaged, share == 1.0, valid)
        reception = replace(receive(sent, 15.0), sections=(cut, colour))
        reached.append(float(psnr_db(decode(codec, reception), picture)))
    assert reached == sorted(reached)
    assert reached[1] > reached[0] + 3
    assert reached[3] > reached[2] + 2


@pytest.mark.parametrize("name", INSTALLED)
def test_bits_that_no_decoder_accepts_give_the_mean_colour(name, crop):
    codec = load(f"{name}+ldpc")
    picture = crop.repeat(1, 2, 2)
    sent = encode(codec, picture, 10.0)
    stream, colour = sent.sections
    noise = np.random.default_rng(0).integers(0, 2, stream.bits.size, np.uint8)
    for bits in (noise, np.zeros(40, np.uint8)):
        forged = replace(sent, sections=(DigitalSection(bits, stream.mcs), colour))
        reception = receive(forged, 30.0)
        assert all(section.ok for section in reception.sections)
        assert torch.equal(decode(codec, reception), mean_colour(picture))


def test_a_stream_of_another_size_is_refused(crop):
    codec = load("webp+ldpc")
    sent = encode(codec, crop.repeat(1, 2, 2), 10.0)
    lying = replace(sent, height=200)
    assert spread(decode(codec, receive(lying, 30.0))) == 0


def test_adaptive_chooses_by_the_reported_snr(crop):
    codec = load("jpeg2000+ldpc")
    streams = [encode(codec, crop, snr_db).notes["stream_bytes"] for snr_db in (0, 6, 12, 20)]
    assert streams == sorted(streams)
    assert streams[-1] > 4 * streams[0]
    assert encode(codec, crop, None).notes == encode(codec, crop, 10.0).notes


def test_leftovers_pay_for_robustness():
    # JPEG has coarse steps: of the schemes that carry the stream, the safest is taken.
    picture = dict(sample_pictures())["chelsea"]
    codec = load("jpeg+ldpc")
    for snr_db in (4.0, 9.3, 14.0):
        stream, colour = encode(codec, picture, snr_db).sections
        assert isinstance(stream, DigitalSection)
        room = picture.numel() // 6 - symbol_count(colour.bits.size, colour.mcs)
        risk = failure_probability(stream.bits.size, stream.mcs, snr_db - MARGIN_DB)
        assert risk <= TARGET
        for mcs in CANDIDATES:
            if symbol_count(stream.bits.size, mcs) <= room:
                assert failure_probability(stream.bits.size, mcs, snr_db - MARGIN_DB) >= risk


def test_fixed_schemes_are_taken_whatever_the_channel(crop):
    codec = load("webp+ldpc")
    for name, index in (
        ("nr-16qam-2/3", mcs_index("nr-16qam-2/3")),
        ("wlan-16qam-3/4", mcs_index("wlan-16qam-3/4")),
        ("table1:13", TABLE_1[13]),
        ("table2:20", TABLE_2[20]),
    ):
        for snr_db in (0.0, 30.0):
            sent = encode(codec, crop, snr_db, mcs=name)
            assert sent.sections[0].mcs == index
    assert max_bits(channel_uses(sent), index) // 8 >= sent.notes["stream_bytes"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mcs: nr-16qam-5/6", "no MCS 'nr-16qam-5/6'"),
        ("mcs: table1:29", "rows are table1:0 to table1:28"),
        ("mcs: table3:1", "no MCS 'table3:1'"),
        ("mcs: table2:-1", "no MCS 'table2:-1'"),
    ],
)
def test_unknown_schemes_are_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        options_from_yaml("jpeg+ldpc", text)
    assert "\n" not in str(caught.value)
    assert options_from_yaml("jpeg+ldpc", "mcs: table2:20") == SeparateOptions(mcs="table2:20")


def test_requests_that_cannot_be_served(crop):
    codec = load("jpeg+ldpc")
    with pytest.raises(ValueError, match="hindsight chooses among many runs"):
        encode(codec, crop, 10.0, mcs="hindsight")
    with pytest.raises(ValueError, match="CBR of 0 cannot be served"):
        encode(codec, crop, 10.0, cbr=0.0)
    with pytest.raises(ValueError, match="a picture is"):
        encode(codec, crop[:2], 10.0)
    with pytest.raises(ValueError, match="of another scheme"):
        codec.encode([crop], ChannelState(10.0), Request(options=Foreign()))


@given(st.floats(-15, 40))
@settings(deadline=None, max_examples=30)
def test_candidates_in_hindsight_hold_every_scheme_that_can_be_best(snr_db):
    candidates = [mcs_index(name) for name in hindsight_candidates(snr_db)]
    assert candidates
    uses = 200_000
    bits = {mcs: max_bits(uses, mcs) for mcs in CANDIDATES}
    lost = {mcs: failure_probability(n, mcs, snr_db) for mcs, n in bits.items()}
    # Whatever a lost picture costs: of bits that arrive, the candidates have the most.
    expected = {mcs: bits[mcs] * (1 - lost[mcs]) for mcs in CANDIDATES}
    best = max(CANDIDATES, key=expected.__getitem__)
    assert best in candidates or expected[best] < 1
    safe = [mcs for mcs in CANDIDATES if lost[mcs] < 1e-3]
    if safe:
        assert max(safe, key=bits.__getitem__) in candidates
    assert len(candidates) <= 14


def test_pictures_of_other_sizes_together(crop):
    codec = load("webp+ldpc")
    pictures = [crop, crop[:, :90, :101]]
    sent = codec.encode(pictures, ChannelState(20.0))
    assert [(one.height, one.width) for one in sent] == [(128, 128), (90, 101)]
    link = IdealLink(20.0)
    received = codec.decode([link.transfer(one, number) for number, one in enumerate(sent)])
    for one, picture in zip(received, pictures, strict=True):
        assert psnr_db(one, picture) > 30


def test_a_flat_picture_is_of_the_colour_that_was_sent():
    bits = np.unpackbits(np.array([255, 51, 0], np.uint8))
    assert flat_picture(bits, 1, 1).flatten().tolist() == pytest.approx([1, 0.2, 0])
    assert flat_picture(None, 1, 2).unique().tolist() == [0.5]
