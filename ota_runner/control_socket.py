# SPDX-License-Identifier: GPL-3.0-or-later
"""The control connection between ``ota_runner tx`` and ``ota_runner rx``.

The receiver listens, the transmitter calls, in either order and as often as either is started::

    with ControlClient("tcp://192.168.1.20:5560", load_keys(Path("keys/tx"))) as control:
        match control.receive(timeout_s=5):
            case PeerBack(new_session=True):
                control.send(Hello(...))
            case Received(Welcome()):
                ...
            case None:
                print(control.obstacle)

Messages arrive once and in order while both programs live, however often the connection breaks.
They are kept until the other end has dealt with them, that is, asks for the next one. Where it is
started anew this end is told (:class:`PeerBack`); what is to be said again is for the two to know.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import ClassVar, Self, TypeAlias

import zmq
from gnuradio.semcom.connection_watch import ConnectionWatch
from gnuradio.semcom.curve_keys import CurveKeys
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.feedback_pace import FeedbackPace
from zmq.auth.thread import ThreadAuthenticator

from ota_runner.control_envelope import LARGEST_PART, Envelope, open_envelope, seal
from ota_runner.control_messages import Message, pack, unpack
from ota_runner.control_peer import Peer, PeerBack, PeerGone
from ota_runner.control_stream import WINDOW, Inbox, Outbox, Piece, whole

HEARTBEAT_S = 1.0
SILENCE_S = 3.0
"""A peer that says nothing for so long is gone."""

_LINGER_S = 1.0
_GOODBYE_MS = 200
_TICK_S = 0.05
_MOST_WAITING = 256
_LARGEST_WAITING = 1 << 28


@dataclass(frozen=True)
class Received:
    """A message that came.

    Attributes:
        message: validated.
        blobs: what stands behind it.
    """

    message: Message
    blobs: tuple[bytes, ...] = ()


ControlEvent: TypeAlias = Received | PeerBack | PeerGone


@dataclass
class ControlCounters:
    """What was no news.

    Attributes:
        unreadable: were no messages at all.
        foreign: of another program while the one listened to was there.
        dropped: feedback that nobody took.
        throttled: times that messages came faster than any peer sends them.
    """

    unreadable: int = 0
    foreign: int = 0
    dropped: int = 0
    throttled: int = 0


@dataclass(frozen=True)
class _Waiting:
    """An event that nobody has asked for, and up to which piece of whose stream it goes."""

    event: ControlEvent
    session: int = 0
    number: int = 0
    size: int = 0


class _ControlEnd(ABC):
    """Either end: a thread that owns the socket.

    Args:
        endpoint: of the receiver.
        keys: of this end; None for an endpoint on this machine.
        heartbeat_s: between signs of life.
        silence_s: after so long without any the peer is gone.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or one that cannot be called.
        OSError: it cannot be bound.

    Attributes:
        endpoint: as bound.
        counters: of what was no news.
    """

    _calls: ClassVar[bool]
    _socket: zmq.Socket[bytes]
    _watch: ConnectionWatch

    def __init__(
        self,
        endpoint: str,
        keys: CurveKeys | None = None,
        heartbeat_s: float = HEARTBEAT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        require_endpoint(endpoint, keys is not None, self._calls)
        self.endpoint = endpoint
        self.counters = ControlCounters()
        self._keys = keys
        self._heartbeat_s, self._silence_s = heartbeat_s, silence_s
        self._peer = Peer(silence_s)
        self._lock = threading.Lock()
        self._outbox, self._inbox = Outbox(), Inbox()
        self._loose: deque[list[bytes]] = deque(maxlen=WINDOW)
        self._events: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()
        self._waiting_bytes = 0
        self._taken = _Waiting(PeerGone(True))
        self._stream = self._done = 0  # whose pieces we take, and up to where they are dealt with
        self._told = 0, 0, 0
        self._route: bytes | None = None
        self._authenticator: ThreadAuthenticator | None = None
        self._pace = FeedbackPace()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._open()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._closing_at = float("inf")
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()

    @abstractmethod
    def _open(self) -> None:
        """Make ``_socket`` and ``_watch``."""

    @abstractmethod
    def _split(self, parts: list[bytes]) -> tuple[bytes | None, list[bytes]]:
        """From where something came, None where there is but one, and what came."""

    def _prepare(self, kind: int) -> zmq.Socket[bytes]:
        made: zmq.Socket[bytes] = self._context.socket(kind)
        silence_ms = round(1000 * self._silence_s)
        made.set_hwm(WINDOW)
        made.setsockopt(zmq.MAXMSGSIZE, LARGEST_PART)
        made.setsockopt(zmq.HEARTBEAT_IVL, round(1000 * self._heartbeat_s))
        made.setsockopt(zmq.HEARTBEAT_TIMEOUT, silence_ms)
        made.setsockopt(zmq.HANDSHAKE_IVL, silence_ms)
        made.setsockopt(zmq.CONNECT_TIMEOUT, silence_ms)
        made.setsockopt(zmq.RECONNECT_IVL_MAX, round(1000 * self._heartbeat_s))
        return made

    @property
    def session(self) -> int:
        """Of this end, drawn anew for each, and for each other end that it meets."""
        return self._peer.own

    @property
    def peer_alive(self) -> bool:
        """Whether the other end is there."""
        return self._peer.there

    @property
    def obstacle(self) -> str | None:
        """What keeps the other end away, such as a wrong key, one line; None for nothing known."""
        return self._watch.obstacle

    @property
    def refusal(self) -> str | None:
        """The obstacle where waiting is in vain: the other end does not take our key."""
        return self._watch.refusal

    @property
    def duplicates(self) -> int:
        """Pieces of messages that came again."""
        return self._inbox.duplicates

    @property
    def resent(self) -> int:
        """Pieces of messages that were sent again."""
        return self._outbox.resent

    def send(self, message: Message, *blobs: bytes) -> bool:
        """Send a message as soon as the other end is there; any thread may.

        Args:
            message: to send.
            blobs: what belongs behind it.

        Returns:
            False where it is dropped: feedback that nobody would take, or too much waits already.

        Raises:
            ValueError: binary parts that do not belong to it, or too large.
        """
        parts = pack(message, blobs)
        with self._lock:
            if message.numbered:
                kept = self._outbox.put(parts)
            elif kept := self._peer.there:
                self._loose.append(parts)
        self.counters.dropped += not kept
        self._wake()
        return kept

    def receive(self, timeout_s: float | None = None) -> ControlEvent | None:
        """What came next, or None; the event before counts as dealt with.

        Args:
            timeout_s: how long to wait; None for as long as it takes.
        """
        with self._lock:
            if self._taken.session == self._stream:
                self._done = max(self._done, self._taken.number)
        self._wake()
        try:
            taken = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        with self._lock:
            self._taken = taken
            self._waiting_bytes -= taken.size
        return taken.event

    def close(self) -> None:
        """Say goodbye once what was sent has arrived, or a second later; safe to call twice."""
        self._closing_at = min(self._closing_at, time.monotonic() + _LINGER_S)
        self._wake()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full, so that it is awake, or closed
            self._waker.send(b"\0")

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._woken, zmq.POLLIN)
        tick_ms = round(1000 * min(_TICK_S, self._heartbeat_s))
        beat_at = went_on_at = time.monotonic()
        while not self._finished():
            poller.poll(tick_ms)
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
            self._watch.update()
            went_on = self._hear_all()
            if gone := self._peer.miss():
                self._announce(gone)
            now = time.monotonic()
            with self._lock:
                if went_on or not self._outbox.under_way:
                    went_on_at = now
                elif now - went_on_at > self._heartbeat_s:
                    self._outbox.go_back()
                    went_on_at = now
                self._send_due()
            if now >= beat_at or self._told != self._state():
                beat_at = now + (self._heartbeat_s if self._say() else _TICK_S)
        self._end()

    def _finished(self) -> bool:
        if self._closing_at == float("inf"):
            return False
        arrived = not self._peer.there or self._outbox.all_received
        return arrived or time.monotonic() >= self._closing_at

    def _end(self) -> None:
        self._say(bye=True)
        self._free()
        self._woken.close()
        self._waker.close()

    def _free(self) -> None:
        self._watch.close()
        self._socket.close(linger=_GOODBYE_MS)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def _hear_all(self) -> bool:
        """Take what came; whether the peer has got any further with our stream."""
        went_on = False
        for _ in range(WINDOW):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            went_on |= self._hear(parts)
            if pause_s := self._pace.take():
                # What floods us waits at its own end.
                self.counters.throttled += 1
                time.sleep(pause_s)
        return went_on

    def _hear(self, parts: list[bytes]) -> bool:
        sender, wire = self._split(parts)
        try:
            envelope, data = open_envelope(wire)
        except ValueError:
            self.counters.unreadable += 1
            return False
        try:
            change = self._peer.hear(envelope)
        except ValueError:
            self.counters.foreign += 1
            return False
        self._route = sender
        if change is not None:
            self._announce(change)
        if envelope.bye:
            return False
        if self._peer.is_another:
            self._say(bye=True)  # or it would listen to the session that it may have heard already
            self._peer.begin_anew()
        if envelope.to != self.session:
            self._say()  # so that it learns who we are
            return False
        self._take(envelope, data)
        with self._lock:
            return self._outbox.confirm(envelope.received, envelope.done)

    def _announce(self, change: PeerBack | PeerGone) -> None:
        with self._lock:
            match change:
                case PeerBack(new_session=True):
                    self._outbox.begin()
                    self._inbox = Inbox(self._inbox.duplicates)
                    self._stream, self._done = self._peer.session, 0
                case PeerBack():
                    self._outbox.go_back()
        self._events.put(_Waiting(change))

    def _take(self, envelope: Envelope, data: bytes) -> None:
        """Take what an envelope of the peer holds."""
        if envelope.number is None and envelope.sizes is None:
            return
        if self._events.qsize() >= _MOST_WAITING or self._waiting_bytes >= _LARGEST_WAITING:
            return  # a piece comes again
        try:
            if envelope.number is not None:
                parts = self._inbox.take(Piece(envelope.number, envelope.sizes, data))
            else:
                parts = whole(envelope.sizes or (), data)
            if parts is None:
                return
            received = Received(*unpack(parts))
        except ValueError:
            self.counters.unreadable += 1
            return
        size = sum(len(part) for part in parts)
        with self._lock:
            self._waiting_bytes += size
        self._events.put(_Waiting(received, self._stream, envelope.number or 0, size))

    def _send_due(self) -> None:
        if not self._peer.there:
            return
        while self._loose:
            parts = self._loose.popleft()
            self._say(sizes=tuple(len(part) for part in parts), data=b"".join(parts))
        for piece in self._outbox.due():
            if not self._say(piece.number, piece.sizes, piece.data):
                break

    def _state(self) -> tuple[int, int, int]:
        """What the peer is to know of us."""
        session = self._peer.session
        if session != self._stream:  # we have not met yet
            return session, 0, 0
        return session, self._inbox.received, self._done

    def _say(
        self,
        number: int | None = None,
        sizes: tuple[int, ...] | None = None,
        data: bytes = b"",
        bye: bool = False,
    ) -> bool:
        """Send something on the wire; whether anybody takes it."""
        to, received, done = state = self._state()
        envelope = Envelope(
            session=self.session,
            to=to,
            received=received,
            done=done,
            number=number,
            sizes=sizes,
            bye=bye,
        )
        address = [] if self._route is None else [self._route]
        try:
            self._socket.send_multipart([*address, *seal(envelope, data)], zmq.NOBLOCK)
        except zmq.ZMQError:  # nobody is there, or takes it now
            return False
        self._told = state
        return True


class ControlServer(_ControlEnd):
    """The receiver's end: it listens.

    ``tcp://127.0.0.1:*`` takes a free port; with keys, ``tcp://*:5560`` listens to other hosts.
    """

    _calls = False

    def _open(self) -> None:
        self._socket = self._prepare(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._watch = ConnectionWatch(
            self._socket, self.endpoint, self._calls, self._keys is not None
        )
        if self._keys is not None:
            self._authenticator = self._keys.admit(self._context)
            self._keys.bind(self._socket)
        try:
            self._socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            self._free()
            raise OSError(f"cannot listen at {self.endpoint}: {error}") from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _split(self, parts: list[bytes]) -> tuple[bytes | None, list[bytes]]:
        return parts[0], parts[1:]


class ControlClient(_ControlEnd):
    """The transmitter's end: it calls, again and again until somebody answers."""

    _calls = True

    def _open(self) -> None:
        self._socket = self._prepare(zmq.DEALER)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._watch = ConnectionWatch(
            self._socket, self.endpoint, self._calls, self._keys is not None
        )
        if self._keys is not None:
            self._keys.connect(self._socket)
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self._free()
            raise ValueError(f"cannot call {self.endpoint}: {error}") from error

    def _split(self, parts: list[bytes]) -> tuple[bytes | None, list[bytes]]:
        return None, parts
