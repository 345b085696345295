# SPDX-License-Identifier: GPL-3.0-or-later
"""What the transmitter knows of the channel, from reports that may be late, lost or nonsense."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

from semcom_phy.csi_feedback import CSI_IDS, SNR_RANGE_DB, Feedback
from semcom_phy.exchange import ChannelState
from semcom_phy.numerology import Numerology

_STRONGEST_PATH = 10.0 ** (SNR_RANGE_DB[1] / 10) * 100
"""``|H|^2`` in units of the noise that no carrier exceeds: 20 dB above the largest mean."""


@dataclass
class FeedbackCounters:
    """What became of the reports that came to a transmitter.

    Attributes:
        used: taken as what is known of the channel.
        late: older than what was known: reordered, repeated or replayed.
        implausible: said what cannot be, such as 200 dB, NaN or a channel of another shape.
        expired: times that all known was too old to go by.
        unreadable: were no reports at all, see :mod:`gnuradio.semcom.feedback_message`.
        foreign: of another receiver while the one listened to was there.
        lost: missing between those that came.
        throttled: times that reports came faster than any receiver makes them.
    """

    used: int = 0
    late: int = 0
    implausible: int = 0
    expired: int = 0
    unreadable: int = 0
    foreign: int = 0
    lost: int = 0
    throttled: int = 0


class ChannelKnowledge:
    """The last good report, the default before there is one, and counts of all that was neither.

    Reports may come from any thread. Those of frames tell the channel, those of pictures the SNR;
    each kind counts by its stream time, so that one that was overtaken changes nothing.

    Args:
        snr_db: assumed where no report is in force; None for nothing.
        numerology: whose channels are known; None to take channels of any shape.
        delay: pictures by which reports are held back, in simulations.
        valid_pictures: so many pictures after the last report nothing is known any more.

    Raises:
        ValueError: an SNR or a number of pictures out of range.

    Attributes:
        counters: of the reports so far.
    """

    def __init__(
        self,
        snr_db: float | None = None,
        numerology: Numerology | None = None,
        delay: int = 0,
        valid_pictures: int = 20,
    ) -> None:
        if delay < 0 or valid_pictures < 1:
            raise ValueError(
                f"delay is {delay} and valid_pictures {valid_pictures}: at least 0 and 1"
            )
        self.counters = FeedbackCounters()
        self.delay = delay
        self._numerology = numerology
        self._valid_pictures = valid_pictures
        self._lock = threading.Lock()
        self._held: deque[list[Feedback]] = deque([] for _ in range(delay + 1))
        self._silent_pictures = 0
        self._session = 0
        self._newest: dict[str, float] = {}
        self._snr: Feedback | None = None
        self._csi: Feedback | None = None
        self.set_default_snr_db(snr_db)

    def set_default_snr_db(self, snr_db: float | None) -> None:
        """Assume another SNR where no report is in force.

        Raises:
            ValueError: an SNR out of range.
        """
        if snr_db is not None and not _can_be(snr_db):
            low, high = SNR_RANGE_DB
            raise ValueError(f"snr_db is {snr_db}, choose {low:g} to {high:g}")
        self._default_snr_db = None if snr_db is None else float(snr_db)

    def learn(self, report: Feedback) -> bool:
        """Take a report, if it is good; whether it was."""
        with self._lock:
            if not self._makes_sense(report):
                self.counters.implausible += 1
                return False
            if self._is_late(report):
                self.counters.late += 1
                return False
            self.counters.used += 1
            if self.delay:
                self._held[-1].append(report)
            else:
                self._apply([report])
            return True

    def picture_begins(self) -> None:
        """The next picture is about to be encoded: what was held back for so long counts now."""
        with self._lock:
            self._silent_pictures += 1
            self._held.append([])
            self._apply(self._held.popleft())
            known = self._snr is not None or self._csi is not None
            if known and self._silent_pictures > self._valid_pictures:
                self.counters.expired += 1
                self._snr = self._csi = None

    def state(self, stream_time_s: float | None = None) -> ChannelState:
        """What is known.

        Args:
            stream_time_s: now, on the sample clock of the reports; None where it is not known.
        """
        with self._lock:
            snr, csi = self._snr, self._csi
        snr_db = self._default_snr_db if snr is None else snr.snr_db
        times = [known.stream_time_s for known in (csi, snr) if known is not None]
        then = times[0] if times else None
        age_s = 0.0 if then is None or stream_time_s is None else max(0.0, stream_time_s - then)
        if csi is None:
            return ChannelState(snr_db, age_s=age_s)
        return ChannelState(snr_db, csi.csi, csi.csi_id, age_s)

    def _apply(self, reports: list[Feedback]) -> None:
        for report in reports:
            self._silent_pictures = 0
            if report.snr_db is not None:
                self._snr = report
            if report.csi is not None:
                self._csi = report

    def _makes_sense(self, report: Feedback) -> bool:
        """Whether a report says something, and nothing that cannot be."""
        if report.stream_time_s is not None and not 0 <= report.stream_time_s < math.inf:
            return False
        if report.snr_db is not None and not _can_be(report.snr_db):
            return False
        if report.csi is None:
            return report.snr_db is not None
        if report.csi.ndim != 3 or not 1 <= report.csi_id <= CSI_IDS:
            return False
        if self._numerology is not None and report.csi.shape != _shape(self._numerology):
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            strongest = float(np.max(np.abs(report.csi), initial=0.0))
        return strongest > 0 and strongest**2 <= _STRONGEST_PATH

    def _is_late(self, report: Feedback) -> bool:
        if report.session != self._session:
            self._session, self._newest = report.session, {}
        if report.stream_time_s is None:
            return False
        told = {"snr": report.snr_db is not None, "csi": report.csi is not None}
        kinds = [kind for kind, is_told in told.items() if is_told]
        if any(report.stream_time_s <= self._newest.get(kind, -1.0) for kind in kinds):
            return True
        self._newest |= dict.fromkeys(kinds, report.stream_time_s)
        return False


def _can_be(snr_db: float) -> bool:
    low, high = SNR_RANGE_DB
    return math.isfinite(snr_db) and low <= snr_db <= high


def _shape(numerology: Numerology) -> tuple[int, int, int]:
    return len(numerology.active_carriers), numerology.rx_antennas, numerology.tx_antennas
