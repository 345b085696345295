# SPDX-License-Identifier: GPL-3.0-or-later
"""Feedback from a receiver to a transmitter over ZMQ: PUSH to PULL.

Beyond this machine both ends need keys. The transmitter binds, any number of times; the receiver
connects, before or after. Reports that nobody takes are dropped, since only the latest is of use.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import zmq
from gnuradio.semcom.curve_keys import CurveKeys
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.feedback_message import LARGEST_BYTES, NumberedFeedback, to_parts
from gnuradio.semcom.feedback_order import FeedbackOrder
from gnuradio.semcom.feedback_pace import FeedbackPace

from semcom_phy.channel_knowledge import FeedbackCounters
from semcom_phy.csi_feedback import Feedback

_WAITING = 64
_POLL_MS = 50


class FeedbackSender:
    """The receiver's end.

    Args:
        endpoint: of the transmitter, ``tcp://127.0.0.1:5557``.
        keys: of the receiver; None on one machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys.

    Attributes:
        sent, dropped: reports so far.
        session: of the receiver, drawn anew for each.
        latest: number of the last report sent.
    """

    def __init__(self, endpoint: str, keys: CurveKeys | None = None) -> None:
        require_endpoint(endpoint, keys is not None)
        self.sent = 0
        self.dropped = 0
        self.session = 1 + secrets.randbits(62)
        self.latest = 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, _WAITING)
        self._socket.setsockopt(zmq.LINGER, 0)
        if keys is not None:
            keys.connect(self._socket)
        self._socket.connect(endpoint)

    def send(self, report: Feedback) -> None:
        """Send a report, or drop it where nobody takes any."""
        number = 1 + self.sent + self.dropped
        parts = to_parts(NumberedFeedback(number, replace(report, session=self.session)))
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
            self.sent, self.latest = self.sent + 1, number
        except zmq.Again:
            self.dropped += 1

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self._context.destroy(linger=0)


class FeedbackListener:
    """The transmitter's end: a thread that hands on what is news.

    Args:
        endpoint: to bind; ``tcp://127.0.0.1:*`` takes a free port.
        deliver: called with each report, in the thread.
        counters: of what is no news; None for some of its own.
        clock: seconds that never go back.
        keys: of the transmitter; None on one machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys.
        OSError: it cannot be bound.

    Attributes:
        endpoint: as bound.
        counters: of what was no news.
        heard: messages that came so far, whatever they were.
    """

    def __init__(
        self,
        endpoint: str,
        deliver: Callable[[Feedback], object],
        counters: FeedbackCounters | None = None,
        clock: Callable[[], float] = time.monotonic,
        keys: CurveKeys | None = None,
    ) -> None:
        require_endpoint(endpoint, keys is not None)
        self.counters = counters or FeedbackCounters()
        self.heard = 0
        self._deliver = deliver
        self._order = FeedbackOrder(self.counters, clock)
        self._pace = FeedbackPace(clock)
        self._delivered = 0, 0
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.RCVHWM, _WAITING)
        self._socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_BYTES)
        self._authenticator = None if keys is None else keys.admit(self._context)
        if keys is not None:
            keys.bind(self._socket)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._free()
            raise OSError(f"cannot listen for feedback at {endpoint}: {error}") from error
        self.endpoint = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="feedback", daemon=True)
        self._thread.start()

    def latest(self, session: int) -> int:
        """The highest number delivered of a sender's reports, 0 for none."""
        sender, number = self._delivered
        return number if sender == session else 0

    def _listen(self) -> None:
        while not self._stopping.is_set():
            if not self._socket.poll(_POLL_MS):
                continue
            report = self._order.take(self._socket.recv_multipart())
            if report is not None:
                self._deliver(report)
                self._delivered = report.session, self._order.latest(report.session)
            self.heard += 1
            if pause_s := self._pace.take():
                # What floods us waits at its own end, and other senders are served in turn.
                self.counters.throttled += 1
                self._stopping.wait(pause_s)

    def close(self) -> None:
        """Stop listening; safe to call twice."""
        self._stopping.set()
        self._thread.join()
        self._free()

    def _free(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.destroy(linger=0)
