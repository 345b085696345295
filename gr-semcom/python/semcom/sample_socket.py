# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples from a transmitter to a receiver over ZMQ: PUSH to PULL, so that they wait for room.

The receiver binds; the transmitter connects, before or after. Beyond this machine both need keys.
"""

from __future__ import annotations

import zmq
from gnuradio.semcom.connection_watch import ConnectionWatch
from gnuradio.semcom.curve_keys import CurveKeys
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.sample_message import LARGEST_BYTES, SampleMessage, from_parts, to_parts

_WAITING = 8
_POLL_MS = 50
_LINGER_MS = 1000
_SILENCE_MS = 3000
_NEVER_MS = 2**31 - 1


class SampleSender:
    """The transmitter's end.

    Args:
        endpoint: of the receiver.
        keys: of the transmitter; None on one machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or one that cannot be called.
    """

    def __init__(self, endpoint: str, keys: CurveKeys | None = None) -> None:
        require_endpoint(endpoint, keys is not None, calls=True)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.PUSH)
        self._socket.set_hwm(_WAITING)
        # Nothing is taken before the receiver is there, or by one that has fallen silent.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, _SILENCE_MS // 3)
        for option in (zmq.HEARTBEAT_TIMEOUT, zmq.HANDSHAKE_IVL, zmq.CONNECT_TIMEOUT):
            self._socket.setsockopt(option, _SILENCE_MS)
        self._watch = ConnectionWatch(self._socket, endpoint, True, keys is not None)
        if keys is not None:
            keys.connect(self._socket)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise ValueError(f"cannot call {endpoint}: {error}") from error

    @property
    def refusal(self) -> str | None:
        """Why the receiver does not take us, one line; None where it does, or is not there."""
        return self._watch.refusal

    def send(self, message: SampleMessage) -> bool:
        """Send samples; False, after a little while, where nobody takes them."""
        try:
            self._socket.send_multipart(to_parts(message), zmq.NOBLOCK, copy=False)
        except zmq.Again:
            self._socket.poll(_POLL_MS, zmq.POLLOUT)
            self._watch.update()
            return False
        return True

    def close(self) -> None:
        """Free the socket once what was sent has gone, or a second later."""
        self._watch.close()
        self._socket.close(linger=_LINGER_MS)
        self._context.term()


class SampleListener:
    """The receiver's end.

    Args:
        endpoint: to bind; ``tcp://127.0.0.1:*`` takes a free port.
        keys: of the receiver; None on one machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys.
        OSError: it cannot be bound.

    Attributes:
        endpoint: as bound.
    """

    def __init__(self, endpoint: str, keys: CurveKeys | None = None) -> None:
        require_endpoint(endpoint, keys is not None)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.PULL)
        self._socket.set_hwm(_WAITING)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_BYTES)
        # A full pipe is not read from, so that the sender's pings wait behind its samples: signs of
        # life of our own tell it that we are there. We cannot know whether it is.
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, _SILENCE_MS // 3)
        self._socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, _NEVER_MS)
        self._authenticator = None if keys is None else keys.admit(self._context)
        if keys is not None:
            keys.bind(self._socket)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise OSError(f"cannot listen for samples at {endpoint}: {error}") from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def take(self) -> SampleMessage | None:
        """The next samples; None, after a little while, where there are none.

        Raises:
            ValueError: something came that is no samples.
        """
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            self._socket.poll(_POLL_MS)
            return None
        return from_parts([frame.buffer for frame in frames])

    def close(self) -> None:
        """Free the socket."""
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.destroy(linger=0)
