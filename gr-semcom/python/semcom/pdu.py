# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures, transmissions and receptions as GNU Radio PDUs.

Every message is a PDU, ``pmt.cons(metadata, uniform vector)``:

* picture: ``f32vector`` of ``[3, H, W]`` pixels in [0, 1]; metadata ``picture``, ``height``,
  ``width``;
* frame, as received: ``c32vector`` of the payload ``[streams, k]``, row by row; the metadata are
  those of :func:`frame_report`, and what else an assembler asks of a frame: ``noise``, an
  ``f32vector`` as long, ``header`` of the picture, ``sample_rate``;
* transmission and reception: ``c32vector`` with the symbols of all analogue sections one after
  the other, row by row; the metadata hold the header, the sections (bits of digital ones
  included) and, for a transmission, the encoder's notes and the
  :class:`~semcom_phy.exchange.ChannelState`.

Real PMT types only, nothing pickled: any block can read, forward or make these messages. The end
of a stream of PDUs is ``pmt.PMT_EOF`` on the same port, so that it cannot overtake them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pmt
from numpy.typing import NDArray

from semcom_phy.capacity import waveform_sections
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    ComplexArray,
    DigitalSection,
    FloatArray,
    PictureHeader,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    SectionEntry,
    Transmission,
)
from semcom_phy.fragments import ReceivedFrame
from semcom_phy.header import FrameHeader

Pmt: TypeAlias = Any
"""A polymorphic type of GNU Radio; its Python binding has no static type."""

_VECTORS: dict[str, tuple[Callable[[int, int], Pmt], Callable[[Pmt], bool]]] = {
    "c8": (pmt.make_c32vector, pmt.is_c32vector),
    "f4": (pmt.make_f32vector, pmt.is_f32vector),
    "u1": (pmt.make_u8vector, pmt.is_u8vector),
    "i8": (pmt.make_s64vector, pmt.is_s64vector),
}

_BEYOND_REPORT = ("noise", "header", "sample_rate")
"""What the PDU of a frame tells beside the report on it."""

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


def end_of_stream() -> Pmt:
    """The message that ends a stream of PDUs."""
    return pmt.PMT_EOF


def is_end_of_stream(message: Pmt) -> bool:
    """Whether ``message`` ends a stream of PDUs."""
    return bool(pmt.is_eof_object(message))


def vector_to_pmt(values: NDArray[Any]) -> Pmt:
    """A uniform vector of the values in C order.

    Args:
        values: array of complex64, float32, uint8 or int64, of any shape.

    Raises:
        ValueError: any other type of element.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    try:
        make, _ = _VECTORS[flat.dtype.str[1:]]
    except KeyError:
        raise ValueError(f"no PMT uniform vector for elements of {flat.dtype}") from None
    vector = make(flat.size, 0)
    if flat.size:
        # One copy: the binding's init_*vector converts element by element, 100 times slower.
        capsule = pmt.uniform_vector_writable_elements(vector, 0)
        ctypes.memmove(_capsule_pointer(capsule, None), flat.ctypes.data, flat.nbytes)
    return vector


def vector_from_pmt(vector: Pmt, dtype: type[np.generic]) -> NDArray[Any]:
    """The values of a uniform vector, ``[n]``, copied.

    Raises:
        ValueError: ``vector`` is no uniform vector of that type.
    """
    kind = np.dtype(dtype)
    _, is_kind = _VECTORS[kind.str[1:]]
    if not is_kind(vector):
        raise ValueError(f"expected a PMT vector of {kind}, not {_kind(vector)}")
    values = np.empty(pmt.length(vector), dtype)
    if values.size:
        capsule = pmt.uniform_vector_elements(vector, 0)
        ctypes.memmove(values.ctypes.data, _capsule_pointer(capsule, None), values.nbytes)
    return values


def _kind(value: Pmt) -> str:
    if pmt.is_uniform_vector(value):
        return f"{pmt.length(value)} elements of another type"
    return "something that is no uniform vector"


def picture_to_pdu(picture: int, pixels: FloatArray) -> Pmt:
    """PDU of a picture.

    Args:
        picture: its number in the run.
        pixels: ``[3, H, W]`` in [0, 1].

    Raises:
        ValueError: pixels of another shape.
    """
    if pixels.ndim != 3 or pixels.shape[0] != 3:
        raise ValueError(f"a picture is [3, H, W], not {list(pixels.shape)}")
    meta = _dict(
        picture=pmt.from_long(picture),
        height=pmt.from_long(pixels.shape[1]),
        width=pmt.from_long(pixels.shape[2]),
    )
    return pmt.cons(meta, vector_to_pmt(pixels.astype(np.float32, copy=False)))


def picture_from_pdu(pdu: Pmt) -> tuple[int, FloatArray]:
    """Number and pixels ``[3, H, W]`` of a picture's PDU.

    Raises:
        ValueError: the message is no such PDU.
    """
    meta, payload = _split(pdu, "picture")
    pixels = vector_from_pmt(payload, np.float32)
    height, width = _integer(meta, "height"), _integer(meta, "width")
    if height <= 0 or width <= 0 or pixels.size != 3 * height * width:
        raise ValueError(f"picture PDU: {pixels.size} values for {height}x{width} pixels")
    return _integer(meta, "picture"), pixels.reshape(3, height, width)


def transmission_to_pdu(picture: int, transmission: Transmission, state: ChannelState) -> Pmt:
    """PDU of an encoded picture, with what the transmitter knew of the channel.

    Raises:
        ValueError: a section that no waveform carries.
    """
    carried = waveform_sections(transmission)
    sections = [
        _dict(streams=pmt.from_long(s.streams), length=pmt.from_long(s.channel_uses))
        if isinstance(s, AnalogSection)
        else _dict(bits=vector_to_pmt(s.bits), mcs=pmt.from_long(s.mcs))
        for s in carried
    ]
    meta = _dict(
        picture=pmt.from_long(picture),
        height=pmt.from_long(transmission.height),
        width=pmt.from_long(transmission.width),
        label=_label_to_pmt(transmission.label),
        sections=_list(sections),
        streams=pmt.from_long(transmission.streams),
        csi_id=pmt.from_long(state.csi_id),
        age_s=pmt.from_double(state.age_s),
    )
    if transmission.notes:
        meta = _add(meta, "notes", _notes_to_pmt(transmission.notes))
    if state.snr_db is not None:
        meta = _add(meta, "snr_db", pmt.from_double(state.snr_db))
    if state.csi is not None:
        meta = _add(meta, "csi", _array_to_pmt(state.csi))
    analog = [s.symbols for s in carried if isinstance(s, AnalogSection)]
    return pmt.cons(meta, vector_to_pmt(_concatenate(analog, np.complex64)))


def transmission_from_pdu(pdu: Pmt) -> tuple[int, Transmission, ChannelState]:
    """Number, transmission and channel state of a transmission's PDU.

    Raises:
        ValueError: the message is no such PDU.
    """
    meta, payload = _split(pdu, "transmission")
    symbols = _Cut(vector_from_pmt(payload, np.complex64))
    sections: list[AnalogSection | DigitalSection] = []
    for entry in _vector(meta, "sections"):
        if pmt.dict_has_key(entry, pmt.intern("bits")):
            bits = vector_from_pmt(_ref(entry, "bits"), np.uint8)
            sections.append(DigitalSection(bits, _integer(entry, "mcs")))
        else:
            shape = (_integer(entry, "streams"), _integer(entry, "length"))
            sections.append(AnalogSection(symbols.take(shape)))
    symbols.finish()
    transmission = Transmission(
        tuple(sections),
        _integer(meta, "height"),
        _integer(meta, "width"),
        _label_from_pmt(_ref(meta, "label")),
        _optional(meta, "notes", _notes_from_pmt) or {},
        _optional(meta, "streams", pmt.to_long) or 1,
    )
    state = ChannelState(
        snr_db=_optional(meta, "snr_db", pmt.to_double),
        csi=_optional(meta, "csi", _array_from_pmt),
        csi_id=_integer(meta, "csi_id"),
        age_s=_real(meta, "age_s"),
    )
    return _integer(meta, "picture"), transmission, state


def reception_to_pdu(reception: Reception) -> Pmt:
    """PDU of a received picture."""
    meta = _dict(
        header=_header_to_pmt(reception.header),
        sections=_list([_received_to_pmt(s) for s in reception.sections]),
        noise_var=pmt.from_double(reception.noise_var),
        fragments=vector_to_pmt(reception.fragments.astype(np.uint8)),
        frame_snr_db=vector_to_pmt(reception.frame_snr_db),
        frame_cfo_hz=vector_to_pmt(reception.frame_cfo_hz),
        stream_time_s=pmt.from_double(reception.stream_time_s),
    )
    if reception.csi is not None:
        meta = _add(meta, "csi", _array_to_pmt(reception.csi))
    analog = [s.symbols for s in reception.sections if isinstance(s, ReceivedAnalog)]
    return pmt.cons(meta, vector_to_pmt(_concatenate(analog, np.complex64)))


def reception_from_pdu(pdu: Pmt) -> Reception:
    """The reception in a reception's PDU.

    Raises:
        ValueError: the message is no such PDU.
    """
    meta, payload = _split(pdu, "reception")
    symbols = _Cut(vector_from_pmt(payload, np.complex64))
    sections = tuple(_received_from_pmt(e, symbols) for e in _vector(meta, "sections"))
    symbols.finish()
    fragments = vector_from_pmt(_ref(meta, "fragments"), np.uint8).astype(bool)
    return Reception(
        header=_header_from_pmt(_ref(meta, "header")),
        sections=sections,
        noise_var=_real(meta, "noise_var"),
        fragments=fragments,
        frame_snr_db=_by_frame(meta, "frame_snr_db", fragments.size),
        frame_cfo_hz=_by_frame(meta, "frame_cfo_hz", fragments.size),
        csi=_optional(meta, "csi", _array_from_pmt),
        stream_time_s=_real(meta, "stream_time_s"),
    )


def frame_report(frame: ReceivedFrame) -> Pmt:
    """What was measured of a frame: a PMT dictionary.

    Keys ``picture``, ``fragment``, ``fragments``, ``streams``, ``csi_id`` as its header says;
    ``snr_db``, Es/N0 of the link; ``noise_var``, mean over the payload after equalisation;
    ``cfo_hz``; ``stream_time_s`` of its first sample.
    """
    header = frame.header
    heard = frame.noise_var[np.isfinite(frame.noise_var)]
    return _dict(
        picture=pmt.from_long(header.picture.picture),
        fragment=pmt.from_long(header.fragment),
        fragments=pmt.from_long(header.fragments),
        streams=pmt.from_long(frame.payload.shape[0]),
        csi_id=pmt.from_long(header.csi_id),
        snr_db=pmt.from_double(frame.snr_db),
        noise_var=pmt.from_double(float(heard.mean()) if heard.size else float("inf")),
        cfo_hz=pmt.from_double(frame.cfo_hz),
        stream_time_s=pmt.from_double(frame.stream_time_s),
    )


def frame_to_pdu(frame: ReceivedFrame) -> Pmt:
    """PDU of a received frame, but for its channel."""
    more = {
        "noise": vector_to_pmt(frame.noise_var),
        "header": _header_to_pmt(frame.header.picture),
        "sample_rate": pmt.from_double(frame.sample_rate),
    }
    meta = frame_report(frame)
    for key in _BEYOND_REPORT:
        meta = _add(meta, key, more[key])
    return pmt.cons(meta, vector_to_pmt(frame.payload))


def frame_symbols_from_pdu(pdu: Pmt) -> tuple[Pmt, ComplexArray]:
    """What was measured of a frame, a PMT dictionary, and its symbols, stream after stream.

    Raises:
        ValueError: the message is no such PDU.
    """
    report, payload = _split(pdu, "frame")
    for key in _BEYOND_REPORT:
        report = pmt.dict_delete(report, pmt.intern(key))
    return report, vector_from_pmt(payload, np.complex64)


def frame_from_pdu(pdu: Pmt) -> ReceivedFrame:
    """The frame in a frame's PDU; its channel is not told.

    Raises:
        ValueError: the message is no such PDU.
    """
    meta, payload = _split(pdu, "frame")
    symbols = vector_from_pmt(payload, np.complex64)
    noise_var = vector_from_pmt(_ref(meta, "noise"), np.float32)
    streams, sample_rate = _integer(meta, "streams"), _real(meta, "sample_rate")
    if streams < 1 or symbols.size % streams or noise_var.size != symbols.size:
        raise ValueError(f"frame PDU: {symbols.size} symbols do not make {streams} streams")
    header = FrameHeader(
        _header_from_pmt(_ref(meta, "header")),
        *(_integer(meta, key) for key in ("fragment", "fragments", "csi_id")),
    )
    return ReceivedFrame(
        header=header,
        payload=symbols.reshape(streams, -1),
        noise_var=noise_var.reshape(streams, -1),
        csi=None,
        snr_db=_real(meta, "snr_db"),
        cfo_hz=_real(meta, "cfo_hz"),
        start_sample=round(_real(meta, "stream_time_s") * sample_rate),
        sample_rate=sample_rate,
    )


def feedback_to_pmt(report: Feedback) -> Pmt:
    """What the receiver tells the transmitter: a PMT dictionary of what the report tells.

    Keys ``snr_db``, ``csi``, ``csi_id``, ``stream_time_s`` and ``session``, as in
    :class:`semcom_phy.csi_feedback.Feedback`.
    """
    message = pmt.make_dict()
    if report.csi_id:
        message = _add(message, "csi_id", pmt.from_long(report.csi_id))
    if report.csi is not None:
        message = _add(message, "csi", _array_to_pmt(report.csi))
    if report.session:
        message = _add(message, "session", pmt.from_long(report.session))
    for key in ("snr_db", "stream_time_s"):
        value = getattr(report, key)
        if value is not None:
            message = _add(message, key, pmt.from_double(value))
    return message


def feedback_from_pmt(message: Pmt) -> Feedback:
    """The report in a feedback message; also a bare number, the SNR in dB.

    Raises:
        ValueError: the message is neither.
    """
    if pmt.is_number(message) and not pmt.is_complex(message):
        return Feedback(snr_db=pmt.to_double(message))
    if not pmt.is_dict(message):
        raise ValueError("feedback is an SNR in dB or a dictionary with snr_db and csi")
    return Feedback(
        snr_db=_optional(message, "snr_db", pmt.to_double),
        csi=_optional(message, "csi", _array_from_pmt),
        csi_id=_optional(message, "csi_id", pmt.to_long) or 0,
        stream_time_s=_optional(message, "stream_time_s", pmt.to_double),
        session=_optional(message, "session", pmt.to_long) or 0,
    )


def learn_from_pmt(known: ChannelKnowledge, message: Pmt) -> None:
    """Take a feedback message; one that is none is counted among the implausible.

    The end of the feedback tells nothing: what is known stays in force until it is too old.
    """
    if is_end_of_stream(message):
        return
    try:
        report = feedback_from_pmt(message)
    except ValueError:
        report = Feedback()
    known.learn(report)


def _by_frame(meta: Pmt, key: str, frames: int) -> FloatArray:
    values = vector_from_pmt(_ref(meta, key), np.float32)
    if values.size != frames:
        raise ValueError(f"reception PDU: '{key}' has {values.size} values for {frames} frames")
    return values


def _received_to_pmt(section: ReceivedAnalog | ReceivedDigital) -> Pmt:
    if isinstance(section, ReceivedAnalog):
        streams, length = section.symbols.shape
        return _dict(
            streams=pmt.from_long(streams),
            length=pmt.from_long(length),
            noise_var=vector_to_pmt(section.noise_var),
            erased=vector_to_pmt(section.erased.astype(np.uint8)),
        )
    entry = _dict(
        bits=vector_to_pmt(section.bits),
        ok=pmt.from_bool(section.ok),
        valid_bits=pmt.from_long(section.valid_bits),
    )
    return entry if section.llr is None else _add(entry, "llr", vector_to_pmt(section.llr))


def _received_from_pmt(entry: Pmt, symbols: _Cut) -> ReceivedAnalog | ReceivedDigital:
    if pmt.dict_has_key(entry, pmt.intern("bits")):
        bits = vector_from_pmt(_ref(entry, "bits"), np.uint8)
        valid_bits = _integer(entry, "valid_bits")
        if not 0 <= valid_bits <= bits.size:
            raise ValueError(f"PDU: {valid_bits} of {bits.size} bits cannot be valid")
        return ReceivedDigital(
            bits=bits,
            ok=_boolean(entry, "ok"),
            valid_bits=valid_bits,
            llr=_optional(entry, "llr", lambda v: vector_from_pmt(v, np.float32)),
        )
    shape = (_integer(entry, "streams"), _integer(entry, "length"))
    noise_var = vector_from_pmt(_ref(entry, "noise_var"), np.float32)
    erased = vector_from_pmt(_ref(entry, "erased"), np.uint8).astype(bool)
    if noise_var.size != shape[0] * shape[1] or erased.size != noise_var.size:
        raise ValueError("reception PDU: noise_var or erased does not match the symbols")
    return ReceivedAnalog(symbols.take(shape), noise_var.reshape(shape), erased.reshape(shape))


class _Cut:
    """Cuts the sections off the symbols of a PDU, one after the other."""

    def __init__(self, symbols: ComplexArray) -> None:
        self._rest = symbols

    def take(self, shape: tuple[int, int]) -> ComplexArray:
        size = shape[0] * shape[1]
        if min(shape) < 0 or size > self._rest.size:
            raise ValueError(f"PDU: a section of {shape} does not fit its symbols")
        taken, self._rest = self._rest[:size].reshape(shape), self._rest[size:]
        return taken

    def finish(self) -> None:
        if self._rest.size:
            raise ValueError(f"PDU: {self._rest.size} symbols belong to no section")


def _header_to_pmt(header: PictureHeader) -> Pmt:
    table = [
        _dict(
            digital=pmt.from_bool(e.digital),
            length=pmt.from_long(e.length),
            mcs=pmt.from_long(e.mcs),
            streams=pmt.from_long(e.streams),
            in_turn=pmt.from_bool(e.in_turn),
        )
        for e in header.sections
    ]
    return _dict(
        picture=pmt.from_long(header.picture),
        height=pmt.from_long(header.height),
        width=pmt.from_long(header.width),
        label=_label_to_pmt(header.label),
        table=_list(table),
    )


def _header_from_pmt(entry: Pmt) -> PictureHeader:
    table = tuple(
        SectionEntry(
            digital=_boolean(e, "digital"),
            length=_integer(e, "length"),
            mcs=_integer(e, "mcs"),
            streams=_integer(e, "streams"),
            in_turn=_boolean(e, "in_turn"),
        )
        for e in _vector(entry, "table")
    )
    return PictureHeader(
        _integer(entry, "picture"),
        _integer(entry, "height"),
        _integer(entry, "width"),
        _label_from_pmt(_ref(entry, "label")),
        table,
    )


def _label_to_pmt(label: CodecLabel) -> Pmt:
    return _dict(
        codec=pmt.from_long(label.codec),
        preset=pmt.from_long(label.preset),
        weights=pmt.from_long(label.weights),
        rate=pmt.from_long(label.rate),
    )


def _label_from_pmt(entry: Pmt) -> CodecLabel:
    return CodecLabel(*(_integer(entry, key) for key in ("codec", "preset", "weights", "rate")))


def _notes_to_pmt(notes: Mapping[str, str | float]) -> Pmt:
    entries = pmt.make_dict()
    for key, value in notes.items():
        text = isinstance(value, str)
        entries = _add(entries, key, pmt.intern(value) if text else pmt.from_double(value))
    return entries


def _notes_from_pmt(entries: Pmt) -> dict[str, str | float]:
    notes = pmt.to_python(entries)
    if not isinstance(notes, dict) or not all(
        isinstance(key, str) and isinstance(value, str | float) for key, value in notes.items()
    ):
        raise ValueError("expected a dictionary of strings and numbers")
    return notes


def _array_to_pmt(values: ComplexArray) -> Pmt:
    shape = np.asarray(values.shape, np.int64)
    return _dict(shape=vector_to_pmt(shape), values=vector_to_pmt(values))


def _array_from_pmt(entry: Pmt) -> ComplexArray:
    shape = vector_from_pmt(_ref(entry, "shape"), np.int64)
    values = vector_from_pmt(_ref(entry, "values"), np.complex64)
    if (shape < 0).any() or int(np.prod(shape)) != values.size:
        raise ValueError(f"PDU: {values.size} values for an array of shape {shape.tolist()}")
    return values.reshape(shape)


def _concatenate(arrays: Iterable[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *(a.reshape(-1) for a in arrays)])


def _dict(**entries: Pmt) -> Pmt:
    result = pmt.make_dict()
    for key, value in entries.items():
        result = _add(result, key, value)
    return result


def _list(items: Sequence[Pmt]) -> Pmt:
    vector = pmt.make_vector(len(items), pmt.PMT_NIL)
    for index, item in enumerate(items):
        pmt.vector_set(vector, index, item)
    return vector


def _add(entries: Pmt, key: str, value: Pmt) -> Pmt:
    return pmt.dict_add(entries, pmt.intern(key), value)


def _split(pdu: Pmt, what: str) -> tuple[Pmt, Pmt]:
    if not pmt.is_pair(pdu) or not pmt.is_dict(pmt.car(pdu)):
        raise ValueError(f"not a {what} PDU: expected a pair of metadata and a vector")
    return pmt.car(pdu), pmt.cdr(pdu)


def _ref(entries: Pmt, key: str) -> Pmt:
    if not pmt.is_dict(entries):
        raise ValueError(f"PDU: expected a dictionary with '{key}'")
    value = pmt.dict_ref(entries, pmt.intern(key), pmt.PMT_NIL)
    if pmt.is_null(value):
        raise ValueError(f"PDU: '{key}' is missing")
    return value


def _optional(entries: Pmt, key: str, convert: Callable[[Pmt], Any]) -> Any:
    if not pmt.dict_has_key(entries, pmt.intern(key)):
        return None
    try:
        return convert(_ref(entries, key))
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"PDU: '{key}' makes no sense: {error}") from error


def _integer(entries: Pmt, key: str) -> int:
    value = _ref(entries, key)
    if not pmt.is_integer(value):
        raise ValueError(f"PDU: '{key}' is no integer")
    return int(pmt.to_long(value))


def _boolean(entries: Pmt, key: str) -> bool:
    value = _ref(entries, key)
    if not pmt.is_bool(value):
        raise ValueError(f"PDU: '{key}' is neither true nor false")
    return bool(pmt.to_bool(value))


def _real(entries: Pmt, key: str) -> float:
    value = _ref(entries, key)
    if not pmt.is_number(value) or pmt.is_complex(value):
        raise ValueError(f"PDU: '{key}' is no number")
    return float(pmt.to_double(value))


def _vector(entries: Pmt, key: str) -> list[Pmt]:
    value = _ref(entries, key)
    if not pmt.is_vector(value):
        raise ValueError(f"PDU: '{key}' is no vector")
    return [pmt.vector_ref(value, i) for i in range(pmt.length(value))]
