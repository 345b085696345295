# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream of pieces over a connection that loses, repeats and forgets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ota_runner.control_envelope import Envelope
from ota_runner.control_peer import Peer, PeerBack, PeerGone
from ota_runner.control_stream import PIECE, WINDOW, Inbox, Outbox, Piece

MESSAGES = st.lists(
    st.lists(st.integers(0, 2 * PIECE + 7), min_size=1, max_size=3).filter(any),
    min_size=1,
    max_size=4,
)


def message(sizes: list[int], number: int) -> list[bytes]:
    return [bytes([number + index]) * size for index, size in enumerate(sizes)]


def sent(outbox: Outbox) -> list[Piece]:
    return list(outbox.due())


@settings(deadline=None)
@given(MESSAGES, st.randoms(use_true_random=False))
def test_whatever_the_wire_loses_messages_arrive_once_and_in_order(sizes, random) -> None:  # type: ignore[no-untyped-def]
    outbox, inbox = Outbox(), Inbox()
    messages = [message(each, number) for number, each in enumerate(sizes)]
    for each in messages:
        assert outbox.put(each)
    came: list[list[bytes]] = []
    again = 0
    while not outbox.all_received:
        for piece in sent(outbox):
            for _ in range(random.choice([0, 1, 1, 2])):
                again += piece.number <= inbox.received
                if (parts := inbox.take(piece)) is not None:
                    came.append(parts)
        outbox.confirm(inbox.received, 0)
        outbox.go_back()
    assert came == messages
    assert inbox.duplicates == again


def test_no_more_than_a_window_is_on_its_way() -> None:
    outbox = Outbox()
    outbox.put([bytes(PIECE * (WINDOW + 10))])
    assert len(sent(outbox)) == WINDOW
    assert sent(outbox) == []
    assert outbox.confirm(3, 0)
    assert [piece.number for piece in sent(outbox)] == [WINDOW + 1, WINDOW + 2, WINDOW + 3]
    assert outbox.resent == 0
    outbox.go_back()
    assert sent(outbox)[0].number == 4
    assert outbox.resent == WINDOW


def test_nothing_goes_to_another_session_but_what_is_put_then() -> None:
    outbox = Outbox()
    outbox.begin()
    for name in (b"a", b"b", b"c", b"d"):
        outbox.put([name])
    sent(outbox)
    outbox.confirm(received=3, done=1)
    outbox.begin()
    outbox.put([b"e"])
    assert sent(outbox) == [Piece(1, (1,), b"e")]


def test_what_waited_for_the_first_session_is_sent_to_it() -> None:
    outbox = Outbox()
    outbox.put([b"hello"])
    outbox.begin()
    assert [piece.data for piece in sent(outbox)] == [b"hello"]


def test_nobody_confirms_what_was_not_sent() -> None:
    outbox = Outbox()
    outbox.put([b"a"])
    assert not outbox.confirm(1, 1)
    sent(outbox)
    assert not outbox.confirm(0, 1)
    assert not outbox.all_received
    assert outbox.confirm(1, 1)


def test_too_much_is_not_kept() -> None:
    outbox = Outbox()
    picture = bytes(1 << 26)
    assert [outbox.put([picture]) for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(1, None, b"x")],
        [Piece(1, (10,), b"x"), Piece(2, (10,), b"x")],
        [Piece(1, (10**12,), b"x")],
        [Piece(1, (3, 10**9), b"x")],
        [Piece(1, (2,), b"xyz")],
    ],
)
def test_pieces_of_no_message_cost_nothing_but_themselves(pieces: list[Piece]) -> None:
    inbox = Inbox()
    *before, last = pieces
    for piece in before:
        assert inbox.take(piece) is None
    with pytest.raises(ValueError, match=r"."):
        inbox.take(last)
    assert inbox.take(Piece(len(pieces) + 1, (1,), b"a")) == [b"a"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_peer_at_a_time() -> None:
    clock = Clock()
    peer = Peer(silence_s=3.0, clock=clock)
    own = peer.own
    assert peer.hear(Envelope(session=7, to=0)) is None
    assert (peer.there, peer.session) == (False, 7)
    assert peer.hear(Envelope(session=7, to=own)) == PeerBack(new_session=True)
    assert peer.hear(Envelope(session=7, to=own)) is None
    for stranger in (8, own):
        with pytest.raises(ValueError, match="another"):
            peer.hear(Envelope(session=stranger, to=own))
    clock.now += 2.9
    assert peer.miss() is None
    clock.now += 0.2
    with pytest.raises(ValueError, match="another"):
        peer.hear(Envelope(session=8))  # not before the first one is missed
    assert peer.miss() == PeerGone(closed=False)
    assert peer.miss() is None
    assert (peer.there, peer.session) == (False, 0)
    assert peer.hear(Envelope(session=7, to=own)) == PeerBack(new_session=False)
    assert peer.hear(Envelope(session=7, to=own, bye=True)) == PeerGone(closed=True)


def test_a_session_of_ours_is_for_one_peer() -> None:
    peer = Peer(silence_s=3.0, clock=Clock())
    own = peer.own
    peer.hear(Envelope(session=7, to=own))
    peer.hear(Envelope(session=7, bye=True))
    assert not peer.is_another
    assert peer.hear(Envelope(session=8, to=own)) is None
    assert peer.is_another
    peer.begin_anew()
    assert peer.own != own
    assert peer.hear(Envelope(session=8, to=own)) is None
    assert not peer.is_another
    assert peer.hear(Envelope(session=8, to=peer.own)) == PeerBack(new_session=True)


def test_a_peer_that_hears_nothing_of_us_is_gone() -> None:
    clock = Clock()
    peer = Peer(silence_s=3.0, clock=clock)
    peer.hear(Envelope(session=7, to=peer.own))
    for _ in range(4):
        clock.now += 1.0
        peer.hear(Envelope(session=7, to=0))
    assert peer.miss() == PeerGone(closed=False)
    assert peer.session == 7
