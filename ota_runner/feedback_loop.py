# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver's reports on the channel on their way to the transmitter, picture by picture."""

from __future__ import annotations

from collections import deque

from semcom_phy.csi_feedback import CsiReports, Feedback
from semcom_phy.exchange import ChannelState, Reception


class FeedbackLoop:
    """What the transmitter knows of the channel when it sends a picture.

    Args:
        reports: of the receiver; None where nothing is fed back.
        delay: pictures by which a report is late; with 0 it is there for the next one.
    """

    def __init__(self, reports: CsiReports | None = None, delay: int = 0) -> None:
        self._reports = reports
        self._on_the_way: deque[Feedback | None] = deque([None] * delay)
        self._known: Feedback | None = None

    def state(self, snr_db: float, stream_time_s: float) -> ChannelState:
        """For the next picture.

        Args:
            snr_db: that the encoder is told.
            stream_time_s: at which the picture is sent.
        """
        if self._known is None:
            return ChannelState(snr_db=snr_db)
        known = self._known.state(stream_time_s)
        return ChannelState(snr_db, known.csi, known.csi_id, known.age_s)

    def learn(self, reception: Reception | None) -> None:
        """A picture was received, or lost; a lost one leaves the last report in force."""
        if self._reports is None:
            return
        self._on_the_way.append(None if reception is None else self._reports.report(reception))
        self._known = self._on_the_way.popleft() or self._known
