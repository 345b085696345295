# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as a stream of numbered pieces, so that none is lost, doubled or torn.

Messages are cut into pieces, which are numbered from 1 between any two sessions. The receiver takes
them in order and says how far it got; the sender goes back to there when it hears nothing for a
while ("go back N"), and keeps a message until the receiver has dealt with it. Small pieces let
signs of life through between those of a large picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import NamedTuple

from ota_runner.control_messages import require_sizes

PIECE = 1 << 16
"""Bytes of a piece at most."""

WINDOW = 64
"""Pieces on their way at most."""

_LARGEST_KEPT = 1 << 28


class Piece(NamedTuple):
    """A part of a message on the wire.

    Attributes:
        number: in its stream, from 1.
        sizes: of the message's parts in bytes, in its first piece.
        data: some of the parts, one after the other.
    """

    number: int
    sizes: tuple[int, ...] | None
    data: bytes


class _Kept(NamedTuple):
    sizes: tuple[int, ...] | None
    data: bytes


class Outbox:
    """What was sent and may have to be sent again.

    Attributes:
        resent: pieces that were.
    """

    def __init__(self) -> None:
        self.resent = 0
        self._kept: list[_Kept] = []
        self._bytes = 0
        self._first = 1  # number of the first piece kept
        self._received = 0
        self._next = 1
        self._furthest = 0
        self._begun = False

    def put(self, parts: Sequence[bytes]) -> bool:
        """Add a message, by its parts; False where too much is kept already."""
        payload = b"".join(parts)
        if self._kept and self._bytes + len(payload) > _LARGEST_KEPT:
            return False
        sizes: tuple[int, ...] | None = tuple(len(part) for part in parts)
        for begin in range(0, len(payload), PIECE):
            self._kept.append(_Kept(sizes, payload[begin : begin + PIECE]))
            sizes = None
        self._bytes += len(payload)
        return True

    def due(self) -> Iterator[Piece]:
        """Pieces to be sent now; each counts as sent when the next one is asked for."""
        while self._next <= self._last and self._next - self._received <= WINDOW:
            kept = self._kept[self._next - self._first]
            yield Piece(self._next, kept.sizes, kept.data)
            self.resent += self._next <= self._furthest
            self._furthest = max(self._furthest, self._next)
            self._next += 1

    @property
    def _last(self) -> int:
        return self._first + len(self._kept) - 1

    @property
    def all_received(self) -> bool:
        """Whether all has arrived."""
        return self._received == self._last

    @property
    def under_way(self) -> bool:
        """Whether some was sent that has not arrived, as far as is known."""
        return self._next > self._received + 1

    def confirm(self, received: int, done: int) -> bool:
        """Take note of how far the receiver got; whether that is further than before.

        Args:
            received: number of the last piece that it has.
            done: of the last one of a message that it has dealt with.
        """
        if not done <= received <= self._furthest:
            return False
        progress = received > self._received
        self._received = max(self._received, received)
        self._next = max(self._next, self._received + 1)
        count = max(0, done - self._first + 1)
        self._bytes -= sum(len(kept.data) for kept in islice(self._kept, count))
        del self._kept[:count]
        self._first += count
        return progress

    def go_back(self) -> None:
        """Send anew what has not arrived."""
        self._next = self._received + 1

    def begin(self) -> None:
        """Begin the stream to another receiver: what waited for the one before is forgotten."""
        if self._begun:
            self._kept.clear()
            self._bytes = 0
        self._begun = True
        self._first, self._received, self._next, self._furthest = 1, 0, 1, 0


class Inbox:
    """Puts pieces together.

    Args:
        duplicates: to count from.

    Attributes:
        received: number of the last piece taken.
        duplicates: pieces that came again.
    """

    def __init__(self, duplicates: int = 0) -> None:
        self.received = 0
        self.duplicates = duplicates
        self._sizes: tuple[int, ...] = ()
        self._data = bytearray()

    def take(self, piece: Piece) -> list[bytes] | None:
        """Take a piece; the parts of a message that it makes whole.

        Raises:
            ValueError: a piece of no message; it counts as taken, what it was part of is dropped.
        """
        if piece.number != self.received + 1:
            self.duplicates += piece.number <= self.received
            return None
        self.received = piece.number
        begins = piece.sizes is not None
        if begins == bool(self._sizes):
            self._reset()
            raise ValueError("a piece that neither begins a message nor goes on with one")
        if piece.sizes is not None:
            require_sizes(piece.sizes)
            self._sizes = piece.sizes
        self._data += piece.data
        missing = sum(self._sizes) - len(self._data)
        if missing > 0:
            return None
        sizes, data = self._sizes, bytes(self._data)
        self._reset()
        return whole(sizes, data)

    def _reset(self) -> None:
        self._sizes, self._data = (), bytearray()


def whole(sizes: Sequence[int], data: bytes) -> list[bytes]:
    """Cut the data of a message into its parts.

    Args:
        sizes: of the parts in bytes.
        data: one after the other.

    Raises:
        ValueError: they are not as long together.
    """
    if sum(sizes) != len(data):
        raise ValueError(f"{len(data)} bytes for parts of {', '.join(map(str, sizes))}")
    ends = list(accumulate(sizes))
    return [data[end - size : end] for size, end in zip(sizes, ends, strict=True)]
