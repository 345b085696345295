# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts that leave a USRP whole, at times of its own clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import pmt
from gnuradio.semcom.radios.whole_bursts import Burst, WholeBursts

_LONGEST_LEAD_S = 0.5
_SOB, _EOB, _TIME = (pmt.intern(key) for key in ("tx_sob", "tx_eob", "tx_time"))


class BurstTimer(WholeBursts):
    """Gives every burst a time some way ahead of the device's, for a USRP sink.

    A slow host makes a burst late and not torn. The silence behind it becomes a distance in time.
    The output has ``tx_sob`` and ``tx_time`` on the first sample of each burst and ``tx_eob`` on
    its last, and no other tag.

    Args:
        antennas: streams in, and out.
        rate_hz: samples a second.
        now: the device's time in seconds; it may raise, which ends the flowgraph.
        lead_s: how far ahead of the device's time a burst is put.
        scale: that samples are multiplied by.

    Attributes:
        lead_s: it doubles when a burst was late, up to half a second.
        late: bursts that were; never more than have begun.

    Raises:
        ValueError: a rate or a lead out of range.
    """

    def __init__(
        self,
        antennas: int,
        rate_hz: float,
        now: Callable[[], float],
        lead_s: float = 0.02,
        scale: float = 1.0,
    ) -> None:
        super().__init__("semcom_burst_timer", antennas, scale)
        if not (rate_hz > 0 and 0 < lead_s <= _LONGEST_LEAD_S):
            raise ValueError(
                f"rate of {rate_hz} Hz, lead of {lead_s} s: choose a rate above 0 and a lead above "
                f"0, up to {_LONGEST_LEAD_S:g} s"
            )
        self._rate_hz, self._now = rate_hz, now
        self.lead_s = lead_s
        self.late = 0
        self._told = 0  # bursts that had begun when the lead last changed
        self._end_s = -math.inf  # of what is out, by the device's time

    @property
    def free_at_s(self) -> float:
        """The device's time at which the latest burst and the silence behind it are over."""
        return self._end_s + self._silence / self._rate_hz

    def was_late(self) -> None:
        """A burst was: put those that have not begun yet further ahead.

        Bursts are told of one by one, and several may be ahead; of those that had the same lead,
        only the first changes it.
        """
        self.late = min(self.late + 1, self.bursts)
        if self._told != self.bursts:
            self._told = self.bursts
            self.lead_s = min(2 * self.lead_s, _LONGEST_LEAD_S)

    def begin(self, burst: Burst, sample: int) -> None:
        after = self._end_s + burst.silence / self._rate_hz
        self._end_s = max(after, self._now() + self.lead_s)
        whole = math.floor(self._end_s)
        time = pmt.make_tuple(pmt.from_uint64(whole), pmt.from_double(self._end_s - whole))
        self.add_item_tag(0, sample, _SOB, pmt.PMT_T)
        self.add_item_tag(0, sample, _TIME, time)

    def sends(self, samples: int) -> None:
        self._end_s += samples / self._rate_hz

    def end(self, sample: int) -> None:
        self.add_item_tag(0, sample, _EOB, pmt.PMT_T)
