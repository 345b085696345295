# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run sends, and at which SNR: ``--images``, ``--count`` and ``--snr-trace``."""

from __future__ import annotations

from dataclasses import dataclass

from ota_runner.config import RunConfig
from ota_runner.errors import UsageError
from ota_runner.pictures import Picture, go_round, open_pictures
from ota_runner.radios import RadioChoice
from ota_runner.snr_trace import snr_trace


@dataclass(frozen=True)
class Schedule:
    """The pictures of a run in order.

    Attributes:
        pictures: numbered from 0.
        distinct: number of different ones among them.
        trace_db: SNR of each, None where it is the same throughout.
    """

    pictures: list[Picture]
    distinct: int
    trace_db: list[float] | None


def schedule(run: RunConfig, radio: RadioChoice) -> Schedule:
    """List what a run sends; nothing is loaded yet.

    Args:
        run: its options.
        radio: that it names.

    Raises:
        UsageError: no pictures, a bad trace, or a trace for a radio with a channel of its own.
    """
    if run.snr_trace is not None and not radio.simulated:
        raise UsageError(
            f"--snr-trace: the SNR of --radio {radio.name} cannot be set: "
            "use --radio loopback or ideal"
        )
    found = open_pictures(run.images)
    trace_db = snr_trace(run, len(found))
    count = (run.count or len(found)) if trace_db is None else len(trace_db)
    return Schedule(go_round(found, count), min(len(found), count), trace_db)
