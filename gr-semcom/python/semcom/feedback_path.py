# SPDX-License-Identifier: GPL-3.0-or-later
"""Feedback within one program, over the sockets that two programs use."""

from __future__ import annotations

import time

from gnuradio import gr
from gnuradio.semcom.feedback_sink import FeedbackSink
from gnuradio.semcom.feedback_socket import FeedbackListener
from gnuradio.semcom.guard import check
from gnuradio.semcom.receiver import Receiver

from semcom_phy.channel_knowledge import ChannelKnowledge

_SETTLE_S = 60.0
_POLL_S = 0.001


class FeedbackPath:
    """From a receiver's port ``feedback`` to what the transmitter knows.

    Args:
        receiver: whose reports it carries.
        known: learns them.

    Attributes:
        sink: the block at the receiver.
    """

    def __init__(self, receiver: Receiver, known: ChannelKnowledge) -> None:
        self._receiver = receiver
        self._listener = FeedbackListener("tcp://127.0.0.1:*", known.learn, known.counters)
        self.sink = FeedbackSink(self._listener.endpoint)

    def connect(self, flowgraph: gr.top_block) -> None:
        """Connect the receiver."""
        flowgraph.msg_connect(self._receiver, "feedback", self.sink, "feedback")

    def settle(self) -> None:
        """Wait until all that was fed back has come, however busy the machine is.

        That makes a simulation repeatable: feedback takes no stream time.

        Raises:
            TimeoutError: it does not come.
            Exception: what ended the flowgraph.
        """
        deadline = time.monotonic() + _SETTLE_S
        while not self._settled():
            check((self._receiver, self.sink))
            if time.monotonic() > deadline:
                raise TimeoutError(f"feedback did not arrive within {_SETTLE_S:g} s")
            time.sleep(_POLL_S)

    def _settled(self) -> bool:
        sink = self.sink
        handled = sink.sent + sink.dropped >= self._receiver.feedback_sent
        # What the transmitter did not take for news counts as come; judged is a thread later.
        return handled and self._listener.latest(sink.session) >= sink.latest

    def close(self) -> None:
        """Stop listening; safe to call twice."""
        self._listener.close()
