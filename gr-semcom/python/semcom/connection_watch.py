# SPDX-License-Identifier: GPL-3.0-or-later
"""Why two ZMQ sockets do not come together: what the library's monitor tells, in words."""

from __future__ import annotations

import contextlib
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

_TURNED_AWAY = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = (
    _TURNED_AWAY
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_CONNECTED
    | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED
)

_REFUSALS = 3  # one may be a program that just ends
_AGAIN_S = 1.0

_NO_KEYS = "somebody called who has keys, which we have not, or is another program"


class ConnectionWatch:
    """Watches a socket; to be used in the socket's thread.

    A socket that was turned away would never call again; here it does, since whoever turned it away
    may be started anew with the right key.

    Args:
        socket: before it is bound or connected.
        endpoint: of it.
        calls: it connects, rather than being bound.
        has_keys: it speaks CURVE.

    Attributes:
        obstacle: what keeps the other end away, one line; None for nothing known.
    """

    def __init__(
        self, socket: zmq.Socket[bytes], endpoint: str, calls: bool, has_keys: bool
    ) -> None:
        self._socket, self._endpoint = socket, endpoint
        self._calls, self._has_keys = calls, has_keys
        self._monitor: zmq.Socket[bytes] = socket.get_monitor_socket(_EVENTS)
        self._shaken = False
        self._refusals = 0
        self._again_at = float("inf")
        self.obstacle: str | None = None

    @property
    def refusal(self) -> str | None:
        """The obstacle where it is there for good: what listens does not take us."""
        return self.obstacle if self._refusals >= _REFUSALS else None

    def update(self) -> None:
        """Take note of what happened."""
        self._hear()
        if time.monotonic() >= self._again_at:
            self._again_at = float("inf")
            with contextlib.suppress(zmq.ZMQError):  # it has been given up already
                self._socket.disconnect(self._endpoint)
            self._socket.connect(self._endpoint)

    def _hear(self) -> None:
        while self._monitor.poll(0):
            self.obstacle = self._judge(recv_monitor_message(self._monitor)["event"])

    def _judge(self, event: int) -> str | None:
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._shaken, self._refusals = True, 0
            return None
        if event & _TURNED_AWAY:
            if self._calls:
                self._again_at = time.monotonic() + _AGAIN_S
            self._refusals += _REFUSALS
            return self._not_taken()
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            self._refusals += 1
            return self._not_taken()
        if event == zmq.EVENT_CONNECT_RETRIED:
            # It also comes after a handshake that failed, which says more.
            return self.obstacle or f"nobody listens at {self._endpoint}"
        if event == zmq.EVENT_DISCONNECTED and self._calls:
            shaken, self._shaken = self._shaken, False
            return self.obstacle if shaken else self._not_taken()
        return self.obstacle

    def _not_taken(self) -> str:
        if not self._calls:
            return "somebody called without the right key" if self._has_keys else _NO_KEYS
        if not self._has_keys:
            return (
                f"what listens at {self._endpoint} does not take us without keys, or is another "
                "program: give --keys, or the right address"
            )
        return (
            f"what listens at {self._endpoint} does not take our key: the two folders of keys "
            "are not of one `ota_runner keys`, or it is another program"
        )

    def close(self) -> None:
        """Stop watching, before the socket is closed."""
        self._hear()  # the library would wait for room for its last word
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
