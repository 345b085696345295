# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.channel_trace import generate
from semcom_phy.exchange import (
    AnalogSection,
    CapacitySection,
    ChannelState,
    CodecLabel,
    DigitalSection,
    Transmission,
)
from semcom_phy.fragments import assemble, channel_uses, fragment
from semcom_phy.ideal import IdealLink
from semcom_phy.link import SimulatedLink
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, WIDE
from semcom_phy.precoding import SvdCombiner, SvdPrecoder, SvdScheme
from semcom_phy.receiver import Receiver, lookahead_samples
from semcom_phy.tdl import flat_channel, tdl_channel

SHORT = replace(NARROW, name="short", fragment_symbols=4)


def transmission(k=20_000, n_bits=200):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, k, 2), np.float32).view(np.complex64)[..., 0]
    bits = rng.integers(0, 2, n_bits).astype(np.uint8)
    sections = (AnalogSection(x * np.float32(np.sqrt(0.5))), DigitalSection(bits))
    return Transmission(sections, 160, 160, CodecLabel(1))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 10.0, 20.0])
def test_noise_is_gaussian_white_and_as_asked(snr_db):
    sent = transmission(200_000)
    reception = IdealLink(snr_db, seed=1).transfer(sent, 0)
    variance = 10 ** (-snr_db / 10)
    section = reception.sections[0]
    noise = (section.symbols - sent.sections[0].symbols)[0].astype(np.complex128)
    k = noise.size
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(variance, rel=5 / np.sqrt(k))
    assert np.abs(noise.mean()) < 5 * np.sqrt(variance / k)
    assert np.abs(np.mean(noise**2)) < 5 * variance * np.sqrt(2 / k)
    assert np.abs(np.mean(noise[1:] * noise[:-1].conj())) < 5 * variance / np.sqrt(k)
    scaled = np.concatenate([noise.real, noise.imag]) / np.sqrt(variance / 2)
    assert stats.kstest(scaled, "norm").pvalue > 1e-3
    np.testing.assert_allclose(section.noise_var, variance, rtol=1e-6)
    assert reception.snr_db == pytest.approx(snr_db, abs=1e-4)


def test_seed_and_picture_decide_the_noise():
    def noise(seed, picture, **options):
        link = IdealLink(5.0, SHORT, seed, **options)
        return link.transfer(transmission(), picture).sections[0]

    first = noise(3, 7)
    np.testing.assert_array_equal(first.symbols, noise(3, 7).symbols)
    for other in (noise(3, 8), noise(4, 7), noise(7, 3)):
        assert (other.symbols != first.symbols).mean() > 0.99
    partly = noise(3, 7, erase_probability=0.3)
    assert 0.1 < partly.erased.mean() < 0.5
    kept = ~partly.erased
    np.testing.assert_array_equal(partly.symbols[kept], first.symbols[kept])


def test_pictures_do_not_depend_on_what_was_sent_before():
    link = IdealLink(5.0, seed=2)
    link.transfer(transmission(), 0)
    after = link.transfer(transmission(), 1)
    alone = IdealLink(5.0, seed=2).transfer(transmission(), 1)
    np.testing.assert_array_equal(after.sections[0].symbols, alone.sections[0].symbols)


def test_asked_fragments_are_erased():
    reception = IdealLink(10.0, SHORT, erase=(1, 4, 1000)).transfer(transmission(), 0)
    assert np.flatnonzero(~reception.fragments).tolist() == [1, 4]
    section, side = reception.sections
    assert section.erased.mean() == pytest.approx(2 / reception.fragments.size, rel=0.05)
    assert not section.symbols[section.erased].any()
    assert side.ok


def test_erasures_come_as_often_as_asked():
    link = IdealLink(10.0, SHORT, seed=5, erase_probability=0.2)
    lost = [~link.transfer(transmission(5000), i).fragments for i in range(100)]
    share = np.mean(lost)
    assert abs(share - 0.2) < 4 * np.sqrt(0.16 / np.size(lost))
    assert link.stats.frames_lost == np.sum(lost)


def test_snr_of_one_picture_can_differ():
    reception = IdealLink(0.0).transfer(transmission(), 0, snr_db=17.0)
    assert reception.snr_db == pytest.approx(17.0, abs=1e-4)


def test_a_picture_meets_the_noise_chosen_before_it_was_sent():
    with IdealLink(0.0) as link:
        for number, snr_db in enumerate((3.0, 12.5)):
            link.set_snr_db(snr_db)
            link.send(number, transmission(), ChannelState())
        assert [round(link.receive().snr_db, 3) for _ in range(2)] == [3.0, 12.5]
        with pytest.raises(ValueError, match="snr_db is nan"):
            link.set_snr_db(float("nan"))


def analog(k, streams=1):
    x = np.random.default_rng(k).standard_normal((streams, k, 2), np.float32)
    section = AnalogSection(x.view(np.complex64)[..., 0] * np.float32(np.sqrt(0.5)))
    return Transmission((section,), 256, 256, CodecLabel(1))


def gains(link, pictures, k=1):
    """Noise variance of single paths over that of the symbols, of one symbol a picture."""
    unit = 10 ** (-link.snr_db / 10)
    sections = [link.transfer(analog(k), i).sections[0] for i in range(pictures)]
    return unit / np.array([section.noise_var[0, 0] for section in sections])


@pytest.mark.parametrize("spreading", ["none", "dft"])
@pytest.mark.parametrize("antennas", [(1, 1), (1, 2), (2, 2)])
def test_symbols_have_the_noise_that_they_are_said_to_have(antennas, spreading):
    tx, rx = antennas
    numerology = replace(WIDE, tx_antennas=tx, rx_antennas=rx, spreading=spreading)
    link = IdealLink(12.0, numerology, multipath=tdl_channel("tdl-c", 3e-7, 50.0))
    sent = analog(30_000, streams=tx)
    received = link.transfer(sent, 0).sections[0]
    noise = received.symbols - sent.sections[0].symbols
    scaled = (noise / np.sqrt(received.noise_var)).ravel().astype(np.complex128)
    assert np.mean(np.abs(scaled) ** 2) == pytest.approx(1, abs=5 / np.sqrt(scaled.size))
    assert abs(np.mean(scaled**2)) < 5 * np.sqrt(2 / scaled.size)
    # Unbiased: what is left says nothing of the symbol.
    leaning = np.mean(scaled * sent.sections[0].symbols.ravel().conj())
    assert abs(leaning) < 5 / np.sqrt(scaled.size)
    if spreading == "dft":  # all symbols of an OFDM symbol share their noise
        width = numerology.data_carriers_per_symbol
        assert np.unique(link_order(received.noise_var, numerology)[0, :width]).size == 1


def link_order(values, numerology):
    """Values ``[streams, k]`` of a section in the order of sending."""
    k = values.shape[1]
    places = AnalogSection((np.arange(k)[None] + 0j).astype(np.complex64))
    frames = fragment(Transmission((places,), 256, 256, CodecLabel(1)), 0, replace(numerology))
    order = np.concatenate([frame.payload[0].real for frame in frames]).astype(int)
    return values[:, order]


@pytest.mark.parametrize("rx", [1, 2])
def test_rayleigh_fading_is_distributed_as_it_should(rx):
    link = IdealLink(7.0, replace(NARROW, rx_antennas=rx), seed=3, multipath=flat_channel())
    power = gains(link, 200)
    assert stats.kstest(power, stats.gamma(rx).cdf).pvalue > 1e-3
    assert power[0] == pytest.approx(gains(link, 1)[0])


@pytest.mark.parametrize(
    ("multipath", "numerology"),
    [
        (flat_channel(20.0, 3.0), NARROW),
        (tdl_channel("tdl-a", 1e-7, 50.0), WIDE),
        (tdl_channel("tdl-c", 3e-7), replace(WIDE, rx_antennas=2)),
    ],
)
def test_the_realisation_is_that_of_the_waveforms_channel(multipath, numerology):
    """Symbol for symbol, the waveform's receiver announces nearly the same noise."""
    picture, seed, snr_db = 3, 12, 20.0
    k = 2 * numerology.fragment_capacity
    link = IdealLink(snr_db, numerology, seed, multipath=multipath)
    known = link.transfer(analog(k), picture)

    sender, receiver = Modulator(numerology), Receiver(numerology)
    channel = SampleChannel(ChannelConfig(snr_db, multipath=multipath), numerology, [seed, picture])
    samples = [sender.frame(frame) for frame in fragment(analog(k), picture, numerology)]
    samples.append(np.zeros((1, lookahead_samples(numerology)), np.complex64))
    heard = [channel.process(np.concatenate(samples, axis=1)), channel.flush()]
    frames = receiver.push(np.concatenate(heard, axis=1)) + receiver.flush()
    assert len(frames) == known.fragments.size == 2
    by_number = {frame.header.fragment: frame for frame in frames}
    estimated = assemble(frames[0].header.picture, 2, by_number)

    ours, theirs = (10 * np.log10(r.sections[0].noise_var[0]) for r in (known, estimated))
    assert np.std(ours) > 0.5
    assert np.corrcoef(ours, theirs)[0, 1] > 0.98
    assert np.median(theirs - ours) == pytest.approx(0, abs=0.4)
    # Phase and timing of the receiver are its own: the shape of the channel is compared.
    truth, estimate = np.abs(known.csi), np.abs(estimated.csi)
    assert np.mean((truth - estimate) ** 2) < 0.01 * np.mean(truth**2)


def test_a_precoder_goes_by_the_csi_and_so_does_the_combiner():
    numerology = replace(WIDE, tx_antennas=2, rx_antennas=2)
    scheme, multipath = SvdScheme(2, 2), tdl_channel("tdl-a", 1e-7)
    sent = analog(2000, streams=2)
    csi = IdealLink(15.0, numerology, multipath=multipath).transfer(sent, 4).csi
    link = IdealLink(
        15.0,
        numerology,
        multipath=multipath,
        precoder=SvdPrecoder(scheme),
        combiner=SvdCombiner(scheme),
    )
    state = ChannelState(csi=csi, csi_id=7)
    link.send(4, sent, state)
    received = link.receive().sections[0]
    gain = np.linalg.svd(csi[numerology.data_rows], compute_uv=False) ** 2
    width = numerology.data_carriers_per_symbol
    announced = link_order(received.noise_var, numerology)[:, :width].T
    np.testing.assert_allclose(announced, 10**-1.5 / gain, rtol=1e-3)
    noise = received.symbols - sent.sections[0].symbols
    assert np.mean(np.abs(noise) ** 2 / received.noise_var) == pytest.approx(1, abs=0.1)


def test_frames_say_their_snr_and_the_true_channel():
    link = IdealLink(10.0, SHORT, multipath=flat_channel(5.0))
    reception = link.transfer(transmission(), 0)
    gain = np.abs(reception.csi).mean() ** 2
    assert reception.csi.shape == (100, 1, 1)
    assert reception.frame_snr_db[-1] == pytest.approx(10 + 10 * np.log10(gain), abs=0.2)
    assert np.std(reception.frame_snr_db) > 0.1
    straight = IdealLink(10.0, SHORT).transfer(transmission(), 0)
    assert straight.csi is None
    np.testing.assert_allclose(straight.frame_snr_db, 10.0, atol=1e-5)


def test_a_trace_of_other_antennas_is_refused_at_once():
    with pytest.raises(ValueError, match="trace is of 1 receive and 1 transmit antennas"):
        IdealLink(numerology=replace(NARROW, rx_antennas=2), multipath=generate("tdl-a", 0, 0, 1))


def bound(n_bits, uses):
    bits = np.random.default_rng(n_bits).integers(0, 2, n_bits).astype(np.uint8)
    return Transmission((CapacitySection(bits, uses),), 160, 160, CodecLabel(1))


@pytest.mark.parametrize("snr_db", [-4.0, 3.0, 10.0])
@pytest.mark.parametrize("erase", [(), (0, 2)])
def test_an_ideal_code_carries_what_the_channel_can_and_not_a_bit_more(snr_db, erase):
    uses = 5000
    link = IdealLink(snr_db, SHORT, erase=erase)
    symbols = AnalogSection(np.ones((1, uses), np.complex64))
    (analog,) = link.transfer(replace(bound(1, 1), sections=(symbols,)), 0).sections
    arrived = uses - int(analog.erased.sum())
    assert arrived < uses or not erase
    limit = int(arrived * np.log2(1 + 10 ** (snr_db / 10)))

    sent = bound(limit, uses)
    (received,) = link.transfer(sent, 1).sections
    assert received.ok
    assert received.valid_bits == limit
    np.testing.assert_array_equal(received.bits, sent.sections[0].bits)
    (received,) = link.transfer(bound(limit + 1, uses), 2).sections
    assert not received.ok
    assert received.valid_bits == 0
    assert received.bits.shape == (limit + 1,)
    assert link.stats.samples == 3 * uses


def test_is_a_link():
    sent = transmission()
    with IdealLink(10.0, SHORT) as link:
        assert isinstance(link, SimulatedLink)
        link.send(5, sent, ChannelState())
        link.send(70_000, sent, ChannelState())
        pictures = [link.receive().header.picture for _ in range(2)]
        assert pictures == [5, 70_000 % 65_536]
        with pytest.raises(RuntimeError, match="send one first"):
            link.receive()
        stats_after = link.stats
        frames = 2 * len(fragment(sent, 0, SHORT))
        assert stats_after.frames_sent == stats_after.frames_received == frames
        assert stats_after.samples == 2 * channel_uses(sent)
        assert stats_after.seconds > 0
    with pytest.raises(RuntimeError, match="closed"):
        link.send(6, sent, ChannelState())
    link.close()


def test_a_picture_of_which_nothing_arrives_is_lost():
    link = IdealLink(10.0, SHORT, erase_probability=1.0)
    reception = link.transfer(transmission(), 0)
    assert not reception.fragments.any()
    assert reception.sections[0].erased.all()
    assert not reception.sections[1].ok
    assert reception.snr_db == float("-inf")
    link.send(1, transmission(), ChannelState())
    assert link.receive() is None


def test_what_does_not_fit_is_refused_when_it_is_sent():
    section = AnalogSection(np.full((1, 9), np.nan, np.complex64))
    with IdealLink() as link:
        with pytest.raises(ValueError, match="not finite"):
            link.send(0, Transmission((section,), 8, 8, CodecLabel(1)), ChannelState())
        with pytest.raises(RuntimeError, match="send one first"):
            link.receive()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr_db": float("nan")}, "snr_db is nan"),
        ({"snr_db": float("inf")}, "snr_db is inf"),
        ({"erase_probability": 1.5}, "erase_probability is 1.5"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        IdealLink(**options)
