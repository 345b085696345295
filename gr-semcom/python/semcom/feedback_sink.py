# SPDX-License-Identifier: GPL-3.0-or-later
"""Feedback out of a receiver's flowgraph."""

from __future__ import annotations

from gnuradio.semcom.curve_keys import keys_or_none
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.feedback_socket import FeedbackSender
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, feedback_from_pmt, is_end_of_stream


class FeedbackSink(GuardedBlock):
    """Sends feedback over ZMQ to a :class:`gnuradio.semcom.FeedbackSource`.

    Message ports: ``feedback`` in, as a :class:`~gnuradio.semcom.receiver.Receiver` publishes it.
    What nobody takes is dropped; ``PMT_EOF`` ends the block.

    Args:
        endpoint: of the source.
        keys: folder of the receiver's keys, see :mod:`gnuradio.semcom.curve_keys`; empty on one
            machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or keys that cannot be read.

    Attributes:
        sent, dropped: reports so far.
        session: of the reports, 0 before the flowgraph runs.
        latest: number of the last report sent.
    """

    def __init__(self, endpoint: str = "tcp://127.0.0.1:5557", keys: str = "") -> None:
        super().__init__("semcom_feedback_sink")
        self._keys = keys_or_none(keys)
        require_endpoint(endpoint, self._keys is not None)
        self._endpoint = endpoint
        self._sender: FeedbackSender | None = None
        self.sent = 0
        self.dropped = 0
        self.session = 0
        self.latest = 0
        self.handle("feedback", self._on_feedback)

    def open(self) -> None:
        self._sender = FeedbackSender(self._endpoint, self._keys)
        self.session = self._sender.session

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()

    def _on_feedback(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.finish()
            return
        assert self._sender is not None
        self._sender.send(feedback_from_pmt(message))
        self.latest = self._sender.latest
        self.sent, self.dropped = self._sender.sent, self._sender.dropped
