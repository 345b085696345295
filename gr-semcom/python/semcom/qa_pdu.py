# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs carry everything there and back, and refuse what is not theirs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pmt
import pytest
from gnuradio.semcom.pdu import (
    Pmt,
    feedback_from_pmt,
    feedback_to_pmt,
    frame_from_pdu,
    frame_to_pdu,
    picture_from_pdu,
    picture_to_pdu,
    reception_from_pdu,
    reception_to_pdu,
    transmission_from_pdu,
    transmission_to_pdu,
    vector_from_pmt,
    vector_to_pmt,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import (
    AnalogSection,
    CapacitySection,
    ChannelState,
    CodecLabel,
    DigitalSection,
    PictureHeader,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    SectionEntry,
    Transmission,
)
from semcom_phy.fragments import ReceivedFrame
from semcom_phy.header import FrameHeader

labels = st.builds(
    CodecLabel,
    codec=st.integers(1, 255),
    preset=st.integers(0, 255),
    weights=st.integers(0, 2**32 - 1),
    rate=st.integers(0, 255),
)
sides = st.integers(1, 2**14)
counts = st.integers(0, 20)


complexes = hnp.arrays(
    np.complex64,
    st.tuples(st.integers(1, 2), counts),
    elements=st.complex_numbers(allow_nan=False, allow_infinity=False, max_magnitude=1e6, width=64),
)
bits = hnp.arrays(np.uint8, counts, elements=st.integers(0, 1))
notes = st.dictionaries(
    st.text(max_size=9), st.text(max_size=9) | st.floats(allow_nan=False), max_size=3
)
states = st.builds(
    ChannelState,
    snr_db=st.none() | st.floats(-30, 60),
    csi=st.none()
    | hnp.arrays(
        np.complex64,
        st.tuples(counts, st.integers(1, 2), st.integers(1, 2)),
        elements=st.complex_numbers(max_magnitude=100, width=64),
    ),
    csi_id=st.integers(0, 255),
    age_s=st.floats(0, 1e6),
)
sections = st.lists(
    st.builds(AnalogSection, complexes) | st.builds(DigitalSection, bits, mcs=st.integers(0, 30)),
    max_size=4,
).map(tuple)


@st.composite
def received_sections(draw: st.DrawFn) -> ReceivedAnalog | ReceivedDigital:
    if draw(st.booleans()):
        symbols = draw(complexes)
        noise = draw(hnp.arrays(np.float32, symbols.shape, elements=st.floats(0, width=32)))
        return ReceivedAnalog(symbols, noise, draw(hnp.arrays(np.bool_, symbols.shape)))
    values = draw(bits)
    llr = draw(st.none() | hnp.arrays(np.float32, values.shape, elements=st.floats(width=32)))
    return ReceivedDigital(values, draw(st.booleans()), draw(st.integers(0, values.size)), llr)


entries = st.builds(
    SectionEntry, st.booleans(), st.integers(0, 2**24), st.integers(0, 63), st.integers(1, 2)
)


def receptions_of(frames: int) -> st.SearchStrategy[Reception]:
    estimates = hnp.arrays(np.float32, frames, elements=st.floats(width=32))
    return st.builds(
        Reception,
        header=st.builds(
            PictureHeader,
            st.integers(0, 65535),
            sides,
            sides,
            labels,
            st.lists(entries, max_size=4).map(tuple),
        ),
        sections=st.lists(received_sections(), max_size=4).map(tuple),
        noise_var=st.floats(0, allow_infinity=True),
        fragments=hnp.arrays(np.bool_, frames),
        frame_snr_db=estimates,
        frame_cfo_hz=estimates,
        csi=states.map(lambda s: s.csi),
        stream_time_s=st.floats(0, 1e9),
    )


receptions = st.integers(1, 40).flatmap(receptions_of)


def same(a: Any, b: Any) -> bool:
    """Equal in every field, arrays in type, shape and to the last bit."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        fields = a.__dataclass_fields__
        return type(a) is type(b) and all(same(getattr(a, f), getattr(b, f)) for f in fields)
    return bool(a == b)


def by_wire(message: Any) -> Any:
    """As a message that left the process."""
    return pmt.deserialize_str(pmt.serialize_str(message))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**9), sections, sides, sides, labels, notes, states)
def test_transmissions_survive(
    picture: int,
    parts: tuple[AnalogSection | DigitalSection, ...],
    height: int,
    width: int,
    label: CodecLabel,
    notes: dict[str, str | float],
    state: ChannelState,
) -> None:
    sent = Transmission(parts, height, width, label, notes)
    pdu = transmission_to_pdu(picture, sent, state)
    assert same(transmission_from_pdu(pdu), (picture, sent, state))


@settings(deadline=None, max_examples=60)
@given(receptions)
def test_receptions_survive(reception: Reception) -> None:
    assert same(reception_from_pdu(reception_to_pdu(reception)), reception)


@settings(deadline=None, max_examples=40)
@given(states, st.none() | st.floats(0, 1e9), st.integers(0, 2**63 - 1))
def test_feedback_survives(state: ChannelState, stream_time_s: float | None, session: int) -> None:
    report = Feedback(state.snr_db, state.csi, state.csi_id, stream_time_s, session)
    assert same(feedback_from_pmt(by_wire(feedback_to_pmt(report))), report)


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.just(3), st.integers(1, 9), st.integers(1, 9)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_pictures_survive(pixels: np.ndarray) -> None:
    assert same(picture_from_pdu(by_wire(picture_to_pdu(7, pixels))), (7, pixels))


def test_pdus_are_pdus_of_gnu_radio() -> None:
    assert pmt.is_pdu(transmission_to_pdu(0, SENT, ChannelState()))
    assert pmt.is_pdu(picture_to_pdu(0, np.zeros((3, 2, 2), np.float32)))


def test_large_vectors_are_copied() -> None:
    values = np.random.default_rng(1).standard_normal(200_000).astype(np.float32)
    vector = vector_to_pmt(values)
    expected = values.copy()
    values[:] = 0
    copied = vector_from_pmt(vector, np.float32)
    assert np.array_equal(copied, expected)
    copied[:] = 1
    assert np.array_equal(vector_from_pmt(vector, np.float32), expected)
    assert pmt.f32vector_ref(vector, 123) == expected[123]


def test_a_transposed_array_is_sent_in_its_own_order() -> None:
    symbols = np.arange(6, dtype=np.complex64).reshape(3, 2).T
    sent = Transmission((AnalogSection(symbols),), 1, 1, CodecLabel(1))
    _, received, _ = transmission_from_pdu(transmission_to_pdu(0, sent, ChannelState()))
    section = received.sections[0]
    assert isinstance(section, AnalogSection)
    assert np.array_equal(section.symbols, symbols)


SENT = Transmission((AnalogSection(np.ones((1, 3), np.complex64)),), 2, 2, CodecLabel(1))
GOOD = transmission_to_pdu(1, SENT, ChannelState())
KEYS = ["picture", "height", "width", "label", "sections", "csi_id", "age_s"]


@pytest.mark.parametrize(
    "message",
    [
        pmt.PMT_NIL,
        pmt.PMT_T,
        pmt.from_long(3),
        pmt.intern("text"),
        pmt.make_dict(),
        pmt.cons(pmt.make_dict(), pmt.make_c32vector(3, 0)),
        pmt.cons(pmt.car(GOOD), pmt.make_c32vector(2, 0)),
        pmt.cons(pmt.car(GOOD), pmt.make_c32vector(4, 0)),
        pmt.cons(pmt.car(GOOD), pmt.make_f32vector(3, 0)),
        *(
            pmt.cons(pmt.dict_add(pmt.car(GOOD), pmt.intern(key), pmt.intern("x")), pmt.cdr(GOOD))
            for key in KEYS
        ),
        *(pmt.cons(pmt.dict_delete(pmt.car(GOOD), pmt.intern(k)), pmt.cdr(GOOD)) for k in KEYS),
        pmt.cons(pmt.dict_add(pmt.car(GOOD), pmt.intern("csi"), pmt.make_dict()), pmt.cdr(GOOD)),
        pmt.cons(pmt.dict_add(pmt.car(GOOD), pmt.intern("snr_db"), pmt.intern("x")), pmt.cdr(GOOD)),
        pmt.cons(pmt.dict_add(pmt.car(GOOD), pmt.intern("notes"), pmt.intern("x")), pmt.cdr(GOOD)),
        *(
            pmt.cons(
                pmt.dict_add(pmt.car(GOOD), pmt.intern("notes"), pmt.to_pmt(notes)), pmt.cdr(GOOD)
            )
            for notes in ({"x": [1]}, {1: "x"})
        ),
    ],
)
@pytest.mark.parametrize("read", [transmission_from_pdu, reception_from_pdu, picture_from_pdu])
def test_foreign_messages_are_one_clear_error(read: Any, message: Any) -> None:
    with pytest.raises(ValueError, match=r"PDU|PMT"):
        read(message)


def test_a_bound_is_no_message() -> None:
    bound = Transmission((CapacitySection(np.ones(9, np.uint8), 9),), 2, 2, CodecLabel(1))
    with pytest.raises(ValueError, match="is a bound: use --radio ideal"):
        transmission_to_pdu(0, bound, ChannelState())


def test_a_large_vector_of_another_type_is_not_spelt_out() -> None:
    vector = vector_to_pmt(np.zeros(1_000_000, np.float32))
    with pytest.raises(ValueError, match="complex64, not 1000000 elements of another type"):
        vector_from_pmt(vector, np.complex64)
    with pytest.raises(ValueError, match="complex64, not something that is no uniform vector"):
        vector_from_pmt(pmt.PMT_T, np.complex64)


def damaged(entry: Pmt) -> Iterator[Pmt]:
    """The entry with one value in it replaced, for each value, however deep."""
    yield pmt.intern("x")
    if pmt.is_dict(entry):
        for i in range(pmt.length(pmt.dict_keys(entry))):
            key = pmt.nth(i, pmt.dict_keys(entry))
            for value in damaged(pmt.dict_ref(entry, key, pmt.PMT_NIL)):
                yield pmt.dict_add(entry, key, value)
    elif pmt.is_vector(entry):
        values = [pmt.vector_ref(entry, i) for i in range(pmt.length(entry))]
        for which, value in enumerate(values):
            for bad in damaged(value):
                vector = pmt.make_vector(len(values), pmt.PMT_NIL)
                for position, other in enumerate(values):
                    pmt.vector_set(vector, position, bad if position == which else other)
                yield vector


def incomplete(meta: Pmt) -> Iterator[Pmt]:
    """The metadata without one entry, for each entry."""
    for i in range(pmt.length(pmt.dict_keys(meta))):
        yield pmt.dict_delete(meta, pmt.nth(i, pmt.dict_keys(meta)))


SECTIONS = (SectionEntry(True, 3), SectionEntry(False, 2))


def test_a_damaged_reception_is_one_clear_error() -> None:
    header = PictureHeader(0, 1, 1, CodecLabel(1), SECTIONS)
    parts = (
        ReceivedDigital(np.ones(3, np.uint8), True, 3, np.ones(3, np.float32)),
        ReceivedAnalog(
            np.ones((1, 2), np.complex64), np.ones((1, 2), np.float32), np.ones((1, 2), bool)
        ),
    )
    good = reception_to_pdu(Reception(header, parts, 0.1))
    assert same(reception_from_pdu(good), Reception(header, parts, 0.1))
    bad = [*damaged(pmt.car(good)), *incomplete(pmt.car(good))]
    assert len(bad) > 40
    for meta in bad:
        with pytest.raises(ValueError, match=r"PDU|PMT"):
            reception_from_pdu(pmt.cons(meta, pmt.cdr(good)))


def test_a_frame_passes_without_its_channel() -> None:
    header = FrameHeader(PictureHeader(7, 1, 1, CodecLabel(1), SECTIONS), 2, 5, 9)
    payload = np.arange(6).reshape(2, 3).astype(np.complex64)
    noise_var = np.arange(6).reshape(2, 3).astype(np.float32)
    frame = ReceivedFrame(header, payload, noise_var, None, 6.5, -3.25, 123_456_789_001, 20e6)
    assert same(frame_from_pdu(frame_to_pdu(frame)), frame)


def test_a_damaged_frame_is_one_clear_error() -> None:
    header = FrameHeader(PictureHeader(7, 1, 1, CodecLabel(1), SECTIONS))
    frame = ReceivedFrame(
        header, np.ones((1, 3), np.complex64), np.ones((1, 3), np.float32), None, 6.0, 0.0, 0, 1e6
    )
    good = frame_to_pdu(frame)
    of_the_report_alone = {"picture", "noise_var"}
    meta = pmt.car(good)
    for key in of_the_report_alone:
        meta = pmt.dict_delete(meta, pmt.intern(key))
    assert same(frame_from_pdu(pmt.cons(meta, pmt.cdr(good))), frame)
    bad = [*damaged(meta), *incomplete(meta)]
    assert len(bad) > 30
    for changed in bad:
        with pytest.raises(ValueError, match=r"PDU|PMT"):
            frame_from_pdu(pmt.cons(changed, pmt.cdr(good)))


@pytest.mark.parametrize("valid_bits", [-1, 4])
def test_no_more_bits_are_valid_than_there_are(valid_bits: int) -> None:
    header = PictureHeader(0, 1, 1, CodecLabel(1), (SectionEntry(True, 3),))
    part = ReceivedDigital(np.ones(3, np.uint8), False, valid_bits)
    with pytest.raises(ValueError, match=f"PDU: {valid_bits} of 3 bits cannot be valid"):
        reception_from_pdu(reception_to_pdu(Reception(header, (part,), 0.1)))


def test_each_frame_has_its_estimates() -> None:
    header = PictureHeader(0, 1, 1, CodecLabel(1), ())
    reception = Reception(header, (), 0.1, frame_cfo_hz=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="'frame_cfo_hz' has 2 values for 1 frames"):
        reception_from_pdu(reception_to_pdu(reception))


@pytest.mark.parametrize("message", [pmt.PMT_T, pmt.intern("10"), pmt.from_complex(1j)])
def test_foreign_feedback_is_one_clear_error(message: Any) -> None:
    with pytest.raises(ValueError, match="feedback"):
        feedback_from_pmt(message)


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        picture_to_pdu(0, np.zeros((4, 4), np.float32))


def test_unknown_elements_are_refused() -> None:
    with pytest.raises(ValueError, match="float64"):
        vector_to_pmt(np.zeros(3))
