# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.digital import mcs_index
from semcom_phy.exchange import (
    AnalogSection,
    CapacitySection,
    CodecLabel,
    DigitalSection,
    PictureHeader,
    ReceivedAnalog,
    ReceivedDigital,
    SectionEntry,
    Transmission,
)
from semcom_phy.fragments import (
    MAX_CHANNEL_USES,
    Assembler,
    ReceivedFrame,
    air_samples,
    assemble,
    channel_uses,
    fragment,
    fragment_count,
    payload_symbols,
)
from semcom_phy.header import FrameHeader, encode_header
from semcom_phy.numerology import NARROW, WIDE

SHORT = replace(NARROW, name="short", fragment_symbols=4)
SHORT_2X2 = replace(SHORT, name="short-2x2", tx_antennas=2, rx_antennas=2)


def analog(k, streams=1, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((streams, k, 2), np.float32).view(np.complex64)[..., 0]
    return AnalogSection(x * np.float32(np.sqrt(0.5)))


def bits(n, mcs=0, seed=0):
    return DigitalSection(np.random.default_rng(seed).integers(0, 2, n).astype(np.uint8), mcs)


def picture(*sections, height=128, width=160):
    return Transmission(sections, height, width, CodecLabel(5, 1, 0xABCDEF01, 4))


def as_received(frames, numerology=SHORT, start=0, noise_var=0.1):
    """Frames as a receiver on a noiseless channel would hand them over, back to back."""
    received = []
    for frame in frames:
        size = frame.payload.shape
        noise = np.full(size, noise_var, np.float32)
        csi = np.full((100, 1, 1), len(received), np.complex64)
        received.append(
            ReceivedFrame(
                frame.header,
                frame.payload,
                noise,
                csi,
                snr_db=10.0 + frame.header.fragment,
                cfo_hz=-5.0 * frame.header.fragment,
                start_sample=start,
                sample_rate=1e6,
            )
        )
        start += numerology.frame_samples(size[1])
    return received


def collect(assembler, frames):
    return [reception for frame in frames for reception in assembler.add(frame)]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_whatever_arrives_is_put_where_it_belongs(data):
    streams = data.draw(st.integers(1, 2))
    numerology = SHORT if streams == 1 else SHORT_2X2
    rows = data.draw(st.sampled_from([1, streams]))
    sections = data.draw(
        st.lists(
            st.integers(0, 1500).map(lambda k: analog(k, rows, k))
            | st.tuples(st.integers(1, 300), st.sampled_from([0, 1, 2, 3, 25, 40, 47])).map(
                lambda a: bits(*a)
            ),
            max_size=3,
        )
    )
    transmission = picture(analog(data.draw(st.integers(1, 3000)), rows), *sections)
    transmission = replace(transmission, streams=streams)
    frames = as_received(fragment(transmission, 70_000, numerology, csi_id=3), numerology)
    count = len(frames)
    lost = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    arriving = [frame for index, frame in enumerate(frames) if index not in lost]
    arriving = data.draw(st.permutations(arriving))
    # Duplicates are harmless at any place but after the end, which closes the picture.
    arriving[-1:-1] = data.draw(st.lists(st.sampled_from(arriving[:-1] or [None]), max_size=3))
    arriving = [frame for frame in arriving if frame is not None]

    assembler = Assembler(numerology)
    receptions = collect(assembler, arriving) + assembler.flush()

    assert len(receptions) == 1
    (reception,) = receptions
    assert assembler.counts.duplicates == len(arriving) - (count - len(lost))
    assert (assembler.counts.late, assembler.counts.inconsistent) == (0, 0)
    assert reception.header.picture == 70_000 % 65_536
    assert (reception.header.height, reception.header.width) == (128, 160)
    assert reception.header.label == transmission.label
    assert np.flatnonzero(~reception.fragments).tolist() == sorted(lost)
    assert reception.noise_var == pytest.approx(0.1)
    latest = max(arriving, key=lambda frame: frame.start_sample)
    assert reception.csi is latest.csi
    assert reception.stream_time_s == latest.start_sample / 1e6
    snr_db, cfo_hz = np.full((2, count), np.nan)
    for frame in arriving:
        snr_db[frame.header.fragment], cfo_hz[frame.header.fragment] = frame.snr_db, frame.cfo_hz
    np.testing.assert_allclose(reception.frame_snr_db, snr_db)
    np.testing.assert_allclose(reception.frame_cfo_hz, cfo_hz)
    for sent, received in zip(transmission.sections, reception.sections, strict=True):
        if isinstance(sent, DigitalSection):
            assert isinstance(received, ReceivedDigital)
            assert received.bits.shape == sent.bits.shape
            assert not received.ok or (received.bits == sent.bits).all()
            assert received.ok or lost
        else:
            assert isinstance(received, ReceivedAnalog)
            expected = np.where(received.erased, 0, sent.symbols)
            np.testing.assert_array_equal(received.symbols, expected)
            np.testing.assert_array_equal(np.isinf(received.noise_var), received.erased)
            assert lost or not received.erased.any()
    carried = sum(frame.payload.shape[1] for i, frame in enumerate(frames) if i in lost)
    erased = sum(s.erased[0].sum() for s in reception.sections if isinstance(s, ReceivedAnalog))
    assert erased <= carried * (streams // rows)


def test_frames_are_few_and_balanced():
    transmission = picture(analog(3 * SHORT.fragment_capacity + 1))
    frames = fragment(transmission, 0, SHORT)
    lengths = [frame.payload.shape[1] for frame in frames]
    assert len(frames) == 4
    assert max(lengths) - min(lengths) <= 1
    assert sum(lengths) == channel_uses(transmission)
    assert lengths == [payload_symbols(frame.header, SHORT) for frame in frames]
    assert len(fragment(picture(analog(3 * SHORT.fragment_capacity)), 0, SHORT)) == 3


def test_a_lost_frame_is_a_faint_erasure_everywhere():
    transmission = picture(analog(20_000), bits(800))
    frames = as_received(fragment(transmission, 0, SHORT))
    assembler = Assembler(SHORT)
    del frames[20]
    (reception,) = collect(assembler, frames) + assembler.flush()
    section, side = reception.sections
    share = section.erased.reshape(20, 1000).mean(axis=1)
    assert (np.abs(share - 1 / reception.fragments.size) < 0.025).all()
    assert side.ok


def test_digital_sections_outlive_half_of_the_frames():
    transmission = picture(analog(20_000), bits(800))
    frames = as_received(fragment(transmission, 0, SHORT))
    assembler = Assembler(SHORT)
    (reception,) = collect(assembler, frames[::2]) + assembler.flush()
    assert reception.sections[1].ok
    np.testing.assert_array_equal(reception.sections[1].bits, transmission.sections[1].bits)


def test_power_is_left_alone_and_digital_symbols_have_unit_power():
    transmission = picture(analog(5000, seed=3), bits(999, 1))
    payload = np.concatenate([f.payload for f in fragment(transmission, 0, SHORT)], axis=1)
    x = transmission.sections[0].symbols
    energy = np.sum(np.abs(x) ** 2) + channel_uses(transmission) - x.shape[1]
    assert np.sum(np.abs(payload) ** 2) == pytest.approx(energy, rel=1e-5)


def test_bits_are_spread_over_all_streams():
    transmission = picture(analog(100, 2), bits(501))
    assert channel_uses(transmission) == 100 + -(-channel_uses(picture(bits(501))) // 2)
    frames = as_received(fragment(transmission, 0, SHORT_2X2), SHORT_2X2)
    # One stream gone altogether: the code makes up for it.
    for frame in frames:
        frame.noise_var[1] = np.inf
    (reception,) = collect(Assembler(SHORT_2X2), frames)
    assert reception.sections[1].ok
    assert reception.sections[0].erased[1].all()
    assert not reception.sections[0].erased[0].any()


def test_symbols_of_one_stream_take_turns_on_two():
    transmission = replace(picture(analog(4001), bits(501), analog(4)), streams=2)
    coded = channel_uses(picture(bits(501)))
    assert channel_uses(transmission) == 2001 + -(-coded // 2) + 2
    frames = fragment(transmission, 0, SHORT_2X2)
    assert all(frame.payload.shape[0] == 2 for frame in frames)
    received = as_received(frames, SHORT_2X2)
    for frame in received:
        frame.noise_var[1] = np.inf
    (reception,) = collect(Assembler(SHORT_2X2), received)
    first, digital, last = reception.sections
    np.testing.assert_array_equal(first.symbols[0, ::2], transmission.sections[0].symbols[0, ::2])
    assert first.symbols.shape == (1, 4001)
    assert last.symbols.shape == (1, 4)
    for section in (first, last):
        assert section.erased[0, 1::2].all()
        assert not section.erased[0, ::2].any()
    assert digital.ok


def test_a_codec_with_streams_of_its_own_keeps_them():
    own = picture(analog(90, 2), bits(30))
    for streams in (1, 2):
        spread = fragment(replace(own, streams=streams), 0, SHORT_2X2)
        for frame, expected in zip(spread, fragment(own, 0, SHORT_2X2), strict=True):
            assert frame.header == expected.header
            np.testing.assert_array_equal(frame.payload, expected.payload)


@pytest.mark.parametrize("name", ["nr-qpsk-1/2", "nr-16qam-434/1024", "wlan-qpsk-3/4"])
def test_a_lost_frame_hits_all_code_blocks_alike(name):
    mcs = mcs_index(name)
    transmission = picture(bits(40_000, mcs))
    frames = as_received(fragment(transmission, 0, SHORT), noise_var=0.01)
    assert len(frames) > 20
    # A block all of whose bits travelled in the frames lost could not be made up for.
    kept = [frame for index, frame in enumerate(frames) if index % 8 != 3]
    assembler = Assembler(SHORT)
    (reception,) = collect(assembler, kept) + assembler.flush()
    assert reception.fragments.sum() == len(kept)
    assert reception.sections[0].ok
    np.testing.assert_array_equal(reception.sections[0].bits, transmission.sections[0].bits)


def test_a_newer_picture_completes_the_one_before():
    first = as_received(fragment(picture(analog(2000)), 65_535, SHORT))
    second = as_received(fragment(picture(analog(2000)), 65_536, SHORT), start=10_000)
    assembler = Assembler(SHORT)
    assert collect(assembler, first[:3]) == []
    (reception,) = assembler.add(second[0])
    assert reception.header.picture == 65_535
    assert reception.fragments.sum() == 3
    # What of the first comes now is too late, and does not disturb the second.
    assert assembler.add(first[3]) == []
    assert assembler.counts.late == 1
    (reception,) = collect(assembler, second[1:])
    assert reception.header.picture == 0
    assert reception.fragments.all()


def test_a_frame_can_complete_two_pictures():
    assembler = Assembler(SHORT)
    collect(assembler, as_received(fragment(picture(analog(2000)), 1, SHORT))[:1])
    (single,) = as_received(fragment(picture(analog(50)), 2, SHORT), start=20_000)
    assert [reception.header.picture for reception in assembler.add(single)] == [1, 2]


def test_expires_when_its_last_frame_should_have_ended():
    transmission = picture(analog(2000))
    frames = as_received(fragment(transmission, 0, SHORT), start=5000)
    end = 5000 + air_samples(transmission, SHORT)
    for index in (0, 2, len(frames) - 1):
        assembler = Assembler(SHORT)
        assembler.add(frames[index])
        assert assembler.expire(end - 1) == []
        (reception,) = assembler.expire(end)
        assert reception.fragments.tolist() == [i == index for i in range(len(frames))]
        assert assembler.expire(end) == []


def test_what_has_arrived_so_far_can_be_looked_at():
    frames = as_received(fragment(picture(analog(20_000)), 0, SHORT))
    assembler = Assembler(SHORT)
    assert assembler.so_far() is None
    for index, frame in enumerate(frames[:-1]):
        assert assembler.add(frame) == []
        reception = assembler.so_far()
        assert reception.fragments.tolist() == [i <= index for i in range(len(frames))]
        (section,) = reception.sections
        assert section.erased.mean() == pytest.approx(1 - (index + 1) / len(frames), abs=0.01)
    (whole,) = assembler.add(frames[-1])
    assert whole.fragments.all()
    assert assembler.so_far() is None


def test_duplicates_after_the_end_open_nothing():
    frames = as_received(fragment(picture(analog(2000)), 4, SHORT))
    assembler = Assembler(SHORT)
    assert len(collect(assembler, frames)) == 1
    assert collect(assembler, frames) == []
    assert assembler.flush() == []
    assert assembler.counts.duplicates == len(frames)


def test_another_picture_under_the_same_number_is_dropped():
    frames = as_received(fragment(picture(analog(2000)), 4, SHORT))
    foreign = as_received(fragment(picture(analog(2000), height=99), 4, SHORT))
    assembler = Assembler(SHORT)
    mixed = [frames[0], foreign[1], *frames[1:]]
    (reception,) = collect(assembler, mixed)
    assert reception.header.height == 128
    assert reception.fragments.all()
    assert assembler.counts.inconsistent == 1


def test_a_restarted_sender_is_heard_again():
    transmission = picture(analog(2000))
    run = as_received(fragment(transmission, 3, SHORT))
    again = as_received(fragment(transmission, 0, SHORT), start=1_000_000)
    same_number = as_received(fragment(transmission, 0, SHORT), start=2_000_000)
    receptions = collect(Assembler(SHORT), run + again + same_number)
    assert [reception.header.picture for reception in receptions] == [3, 0, 0]


def test_another_run_does_not_fill_up_a_picture_that_was_cut_off():
    transmission = picture(analog(2000))
    run = as_received(fragment(transmission, 0, SHORT))
    again = as_received(fragment(transmission, 0, SHORT), start=1_000_000)
    assembler = Assembler(SHORT)
    receptions = collect(assembler, run[:3] + again[3:]) + assembler.flush()
    count = len(run)
    assert [np.flatnonzero(r.fragments).tolist() for r in receptions] == [
        [0, 1, 2],
        list(range(3, count)),
    ]


def longest_of(*sections):
    """The first frame of a picture as large as a header can tell of; its payload is real."""
    header = PictureHeader(0, 1 << 14, 1 << 14, CodecLabel(1), sections)
    frame_header = FrameHeader(header, 0, fragment_count(header, WIDE))
    symbols = np.ones((1, payload_symbols(frame_header, WIDE)), np.complex64)
    noise = np.ones(symbols.shape, np.float32)
    return ReceivedFrame(frame_header, symbols, noise, None, 0.0, 0.0, 0, 2e7)


def peak_memory(action):
    """What ``action`` takes at its height, in bytes, and what it gives."""
    tracemalloc.start()
    try:
        result = action()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("digital", [False, True])
def test_nothing_is_set_aside_on_the_word_of_a_header(digital):
    mcs = mcs_index("nr-256qam-682.5/1024") if digital else 0
    frame = longest_of(SectionEntry(digital, (1 << 24) - 1, mcs))
    assembler = Assembler(WIDE)
    peak, receptions = peak_memory(lambda: assembler.add(frame) + assembler.expire(1 << 40))
    assert receptions == []
    assert peak < 1e5
    assert assembler.counts.faint == 1


def test_bits_that_were_not_heard_cost_no_more_than_themselves():
    frame = longest_of(SectionEntry(True, 1 << 22, mcs_index("nr-256qam-682.5/1024")))
    header = frame.header
    peak, reception = peak_memory(lambda: assemble(header.picture, header.fragments, {0: frame}))
    (section,) = reception.sections
    assert not section.ok
    assert section.bits.size == 1 << 22
    # The bits, three times over on their way, and for each symbol 12 bytes and its place.
    uses = payload_symbols(header, WIDE) * header.fragments
    assert peak < 3.2 * section.bits.size + 21 * uses


def test_a_picture_is_lost_when_next_to_nothing_arrived():
    frames = as_received(fragment(picture(analog(200 * SHORT.fragment_capacity)), 0, SHORT))
    for count, lost in ((3, True), (4, False)):
        assembler = Assembler(SHORT)
        receptions = collect(assembler, frames[:count]) + assembler.flush()
        assert (receptions == []) == lost
        assert assembler.counts.faint == (count if lost else 0)


def test_frames_that_fit_no_picture_here_are_dropped():
    (frame, *_) = as_received(fragment(picture(analog(2000)), 0, SHORT))
    assembler = Assembler(SHORT, max_channel_uses=2000)
    other_numerology = as_received(fragment(picture(analog(2000)), 0, WIDE), WIDE)
    too_long = as_received(fragment(picture(analog(2001)), 0, SHORT))
    short_payload = replace(frame, payload=frame.payload[:, 1:])
    short_noise = replace(frame, noise_var=frame.noise_var[:, 1:])
    for bad in (other_numerology[0], too_long[0], short_payload, short_noise):
        assert assembler.add(bad) == []
    assert assembler.counts.inconsistent == 4
    assert assembler.flush() == []


def test_a_picture_longer_than_receivers_accept_is_refused_by_the_sender():
    half = AnalogSection(np.broadcast_to(np.complex64(1), (1, MAX_CHANNEL_USES // 2)))
    longer = AnalogSection(np.broadcast_to(np.complex64(1), (1, MAX_CHANNEL_USES // 2 + 1)))
    assert channel_uses(picture(half, half, height=4096, width=4096)) == MAX_CHANNEL_USES
    with pytest.raises(ValueError, match="lower bandwidth ratio"):
        fragment(picture(half, longer, height=4096, width=4096), 0, WIDE)


def test_symbols_that_are_no_numbers_are_erased():
    (frame,) = as_received(fragment(picture(analog(100)), 0, SHORT))
    frame.payload[0, 0] = np.nan
    frame.payload[0, 1] = np.inf
    frame.noise_var[0, 2] = np.nan
    frame.noise_var[0, 3] = -1
    (reception,) = Assembler(SHORT).add(frame)
    (section,) = reception.sections
    assert section.erased.sum() == 4
    assert np.isfinite(section.symbols).all()
    assert reception.noise_var == pytest.approx(0.1)


def test_samples_on_the_air_are_the_sum_of_the_frames():
    transmission = picture(analog(2000), bits(100))
    total = sum(SHORT.frame_samples(f.payload.shape[1]) for f in fragment(transmission, 0, SHORT))
    assert air_samples(transmission, SHORT) == total


def test_a_bound_counts_with_what_it_claims():
    bound = CapacitySection(np.ones(999, np.uint8), 77)
    assert channel_uses(picture(analog(2000), bound)) == 2077


def test_headers_of_all_frames_can_be_sent():
    for frame in fragment(picture(analog(2000), bits(100)), 9, SHORT, csi_id=255):
        encode_header(frame.header)


def test_frames_of_another_numerology_are_told():
    frame = fragment(picture(analog(2000)), 0, WIDE)[0]
    with pytest.raises(ValueError, match="sender and receiver differ in numerology"):
        payload_symbols(frame.header, SHORT)


@pytest.mark.parametrize(
    ("transmission", "message"),
    [
        (picture(analog(10, 2)), "2 streams need as many transmit antennas"),
        (picture(analog(10), analog(10, 2)), "as many streams"),
        (picture(AnalogSection(np.ones(10, np.complex64))), r"must be \[streams, k\]"),
        (picture(AnalogSection(np.full((1, 9), np.nan, np.complex64))), "not finite"),
        (picture(), "sections"),
        (picture(*5 * [bits(8)]), "sections"),
        (picture(analog(10), height=20_000), "height"),
        (picture(bits(8, 77)), "mcs"),
        (picture(analog(10), CapacitySection(np.ones(9, np.uint8), 9)), "use --radio ideal"),
        (picture(DigitalSection(np.full(8, 2, np.uint8))), "0 or 1"),
        (picture(analog(100_000), height=2, width=2), "length"),
    ],
)
def test_what_cannot_be_sent_is_refused(transmission, message):
    with pytest.raises(ValueError, match=message):
        fragment(transmission, 0, SHORT)


def test_more_frames_than_a_header_can_count_are_refused():
    tiny = replace(SHORT, fragment_symbols=1)
    with pytest.raises(ValueError, match="fragments is 4097"):
        fragment(picture(analog(4096 * tiny.fragment_capacity + 1), height=512), 0, tiny)
