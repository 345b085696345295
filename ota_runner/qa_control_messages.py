# SPDX-License-Identifier: GPL-3.0-or-later
"""What two hosts tell each other: what is a message, and what is none."""

import json
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom.feedback_message import NumberedFeedback, from_parts, to_parts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ota_runner.control_envelope import Envelope, open_envelope, seal
from ota_runner.control_messages import (
    LARGEST_TEXT,
    ChannelFeedback,
    End,
    Hello,
    Message,
    PictureNext,
    ReceivedBits,
    Refused,
    Report,
    SentSoFar,
    Stop,
    Trouble,
    Welcome,
    Well,
    pack,
    unpack,
)
from ota_runner.record import FrameRecords, Label
from semcom_phy.csi_feedback import Feedback

PNG = b"\x89PNG\r\n\x1a\nthe rest"
LABEL = Label(codec=1, preset=2, weights=0xDEADBEEF, rate=3)
COMPLETED = Report(
    run="r1",
    picture=4,
    status="completed",
    height=512,
    width=768,
    snr_estimated_db=11.5,
    fragments=7,
    fragments_lost=(2, 5),
    frames=FrameRecords(snr_db=(1.0, None), cfo_hz=(2.0, None), gain_db=(((1.0,),),)),
    digital=(ReceivedBits(section=0, bits=9, ok=True, valid_bits=9, sha256="0" * 64),),
    decode_s=0.25,
    events={"overflow": 1},
)
MESSAGES: list[Message] = [
    Hello(
        run="r1",
        version="0.1",
        scheme="adjscc",
        preset="default",
        label=LABEL,
        numerology={"fft": 128, "pilot_carriers": [1, 2]},
        settings={"precoder": None},
        pictures=24,
    ),
    PictureNext(run="r1", picture=0, name="kodim01.png"),
    SentSoFar(run="r1", picture=0, attempt=2, samples=10**12),
    End(run="r1", summary={"images": 24, "psnr_db": 30.5, "task": {}}),
    Stop(run="r1", reason="interrupted"),
    Welcome(run="r1", version="0.1", radio={"name": "zmq"}),
    Refused(run="r1", reason="no scheme 'adjscc'"),
    Report(run="r1", picture=3, status="lost"),
    Report(run="r1", picture=3, status="failed", reason="weights are missing"),
    Trouble(reason="the radio vanished"),
    Well(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.kind)
def test_messages_come_as_they_went(message: Message) -> None:
    assert unpack(pack(message)) == (message, ())


def test_a_report_brings_its_picture() -> None:
    assert unpack(pack(COMPLETED, [PNG])) == (COMPLETED, (PNG,))


def test_feedback_brings_its_channel() -> None:
    csi = np.array([1 + 2j, -3j], np.complex64).reshape(2, 1, 1)
    sent = NumberedFeedback(3, Feedback(5.0, csi, 7, 0.25, session=9))
    message, blobs = unpack(pack(ChannelFeedback(), to_parts(sent)))
    assert message == ChannelFeedback()
    came = from_parts(blobs)
    assert (came.number, came.report.csi_id) == (3, 7)
    assert came.report.csi is not None
    np.testing.assert_array_equal(came.report.csi, csi)


@pytest.mark.parametrize(
    ("message", "blobs", "problem"),
    [
        (COMPLETED, [], "with one PNG"),
        (COMPLETED, [b"GIF89a"], "with one PNG"),
        (COMPLETED, [PNG, PNG], "with one PNG"),
        (MESSAGES[7], [PNG], "report: nothing is expected behind it"),
        (Well(), [b""], "well: nothing is expected behind it"),
        (Well(), [b"", b"", b""], "4 parts"),
        (ChannelFeedback(), [], "0 parts"),
        (ChannelFeedback(), [b"{}", b""], "no feedback"),
        (End(run="r1", summary={"text": "x" * LARGEST_TEXT}), [], "too large"),
    ],
)
def test_what_does_not_belong_is_not_sent(
    message: Message, blobs: list[bytes], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        pack(message, blobs)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(COMPLETED.model_dump_json()) | fields).encode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "JSON"),
        (b"[]", "no message"),
        (b"{}", "kind"),
        (b'{"kind": "launch"}', "kind"),
        (b"[" * 10_000, "no message"),
        (changed(extra=1), "extra"),
        (changed(picture=-1), "picture"),
        (changed(picture="4"), "picture"),
        (changed(picture=2**40), "picture"),
        (changed(run=""), "run"),
        (changed(run="a\nb"), "run"),
        (changed(reason="x" * 2000), "reason"),
        (changed(reason="one\ntwo"), "reason"),
        (changed(snr_estimated_db=float("nan")), "snr_estimated_db"),
        (changed(fragments=10**6), "fragments"),
        (changed(decode_s=-1), "decode_s"),
        (changed(counters={"a": -1}), "counters"),
        (changed(counters={str(n): n for n in range(100)}), "counters"),
        (changed(digital=[{"section": 9}]), "digital"),
    ],
)
def test_what_is_no_message_is_told_on_one_line(text: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        unpack([text, PNG])
    assert "\n" not in str(caught.value)


def test_no_message_is_made_of_bad_values() -> None:
    with pytest.raises(ValidationError):
        Trouble(reason="two\nlines")


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_garbage_is_no_message(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(parts)
    with pytest.raises(ValueError, match=r"."):
        open_envelope(parts)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_is_another_message_or_none(at: int, value: int) -> None:
    [text] = pack(MESSAGES[0])
    damaged = bytearray(text)
    damaged[at % len(text)] = value
    try:
        message, _ = unpack([bytes(damaged)])
    except ValueError:
        return
    assert isinstance(message, Hello)


NUMBERS = st.integers(1, 2**63 - 1)


@given(
    st.builds(
        Envelope,
        session=NUMBERS,
        to=NUMBERS,
        received=NUMBERS,
        done=NUMBERS,
        number=st.none() | NUMBERS,
        sizes=st.none() | st.lists(NUMBERS, min_size=1, max_size=3).map(tuple),
        bye=st.booleans(),
    ),
    st.binary(max_size=50),
)
def test_envelopes_come_as_they_went(envelope: Envelope, data: bytes) -> None:
    assert open_envelope(seal(envelope, data)) == (envelope, data)


@pytest.mark.parametrize(
    "parts",
    [
        [b'{"format": 2, "session": 1}', b""],
        [b'{"session": 0}', b""],
        [b'{"session": 1, "number": 0}', b""],
        [b'{"session": 1, "sizes": []}', b""],
        [b'{"session": 1' + b" " * 2000 + b"}", b""],
        [b'{"session": 1}'],
        [b'{"session": 1}', b"", b""],
    ],
)
def test_no_envelope(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"."):
        open_envelope(parts)
