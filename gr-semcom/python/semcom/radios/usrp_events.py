# SPDX-License-Identifier: GPL-3.0-or-later
"""What a USRP says of the bursts that it was to send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pmt
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt

_EVENT_CODE, _CHANNEL = pmt.intern("event_code"), pmt.intern("channel")
_MEANS = {
    "burst_ack": "sent",
    "underflow": "underflow",
    "underflow_in_packet": "underflow",
    "seq_error": "underflow",
    "seq_error_in_burst": "underflow",
    "time_error": "late",
}


class UsrpEvents(GuardedBlock):
    """Counts the asynchronous messages of a USRP sink.

    A packet that was lost on its way to the device counts as an underflow, as it leaves the same
    hole in a burst. What concerns several channels comes once for each, and counts once.

    Message port ``events`` in, to be connected to the sink's ``async_msgs``.

    Args:
        on_late: called, in this block's thread, once for every burst that came after its time.
    """

    def __init__(self, on_late: Callable[[], None]) -> None:
        super().__init__("semcom_usrp_events")
        self._on_late = on_late
        self._counts: Counter[tuple[str, int]] = Counter()
        self.handle("events", self._on_event)

    @property
    def sent(self) -> int:
        """Bursts of which the device said that their last sample is sent."""
        return self._count("sent")

    @property
    def underflow(self) -> int:
        """Times that the device ran out of samples within a burst."""
        return self._count("underflow")

    def _count(self, kind: str) -> int:
        return max((n for (what, _), n in self._counts.copy().items() if what == kind), default=0)

    def _on_event(self, message: Pmt) -> None:
        event = pmt.cdr(message)
        channel = pmt.to_python(pmt.dict_ref(event, _CHANNEL, pmt.from_long(0)))
        codes = pmt.dict_ref(event, _EVENT_CODE, pmt.PMT_NIL)
        for index in range(pmt.length(codes)):
            code = pmt.symbol_to_string(pmt.nth(index, codes))
            if code not in _MEANS:
                continue
            late = self._count("late")
            self._counts[_MEANS[code], channel] += 1
            if self._count("late") > late:
                self._on_late()
