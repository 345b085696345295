# SPDX-License-Identifier: GPL-3.0-or-later
"""Feedback into a transmitter's flowgraph."""

from __future__ import annotations

from gnuradio.semcom.curve_keys import keys_or_none
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.feedback_socket import FeedbackListener
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import feedback_to_pmt

from semcom_phy.channel_knowledge import FeedbackCounters
from semcom_phy.csi_feedback import Feedback


class FeedbackSource(GuardedBlock):
    """Hears feedback over ZMQ from :class:`gnuradio.semcom.FeedbackSink`.

    Message ports: ``feedback`` out, for an :class:`~gnuradio.semcom.Encoder` and a
    :class:`~gnuradio.semcom.Framer`. Only what is news comes out, see
    :class:`gnuradio.semcom.feedback_order.FeedbackOrder`; all else is counted.

    Args:
        endpoint: to listen at.
        keys: folder of the transmitter's keys, see :mod:`gnuradio.semcom.curve_keys`; empty on
            one machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or keys that cannot be read.

    Attributes:
        endpoint: as bound, while the flowgraph runs.
        counters: of what was no news.
        heard: messages so far, whatever they were.
    """

    def __init__(self, endpoint: str = "tcp://127.0.0.1:5557", keys: str = "") -> None:
        super().__init__("semcom_feedback_source")
        self._keys = keys_or_none(keys)
        require_endpoint(endpoint, self._keys is not None)
        self.endpoint = endpoint
        self.counters = FeedbackCounters()
        self._listener: FeedbackListener | None = None
        self.publishes("feedback")

    @property
    def heard(self) -> int:
        return 0 if self._listener is None else self._listener.heard

    def open(self) -> None:
        self._listener = FeedbackListener(
            self.endpoint, self._deliver, self.counters, keys=self._keys
        )
        self.endpoint = self._listener.endpoint

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()

    def _deliver(self, report: Feedback) -> None:
        self.publish("feedback", feedback_to_pmt(report))
