# SPDX-License-Identifier: GPL-3.0-or-later
"""What a radio did while pictures were sent: what went wrong, and how much was transmitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from semcom_phy.link import LinkStats

_Count = Annotated[int, Field(ge=0)]


class RadioEventCounts(BaseModel):
    """How often what went wrong in a radio, as in :class:`gnuradio.semcom.radios.RadioEvents`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    underflow: _Count = 0
    overflow: _Count = 0
    late: _Count = 0
    lost_device: _Count = 0


class RadioRecord(RadioEventCounts):
    """What a radio did from the sending of a picture until it was known what became of it.

    Attributes:
        seconds: on the radio's sample clock; 0 where that is not known.
    """

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


def radio_record(before: LinkStats, after: LinkStats) -> RadioRecord | None:
    """What a link's radio did in the meantime; None where it has none."""
    if before.radio_events is None or after.radio_events is None:
        return None
    counts = {kind: count - before.radio_events[kind] for kind, count in after.radio_events.items()}
    return RadioRecord(**counts, seconds=after.radio_s - before.radio_s)


def all_radio_events(records: Iterable[RadioRecord | None]) -> RadioEventCounts | None:
    """What went wrong over all pictures; None where there was no radio."""
    known = [record for record in records if record is not None]
    if not known:
        return None
    kinds = RadioEventCounts.model_fields
    return RadioEventCounts(**{kind: sum(getattr(r, kind) for r in known) for kind in kinds})


def transmit_duty(
    pictures: Iterable[tuple[RadioRecord | None, int | None]], sample_rate: float | None
) -> float | None:
    """Share of a radio's time in which frames were transmitted, while pictures were being sent.

    Args:
        pictures: of each what the radio did, and the samples sent per antenna.
        sample_rate: samples per second, None where there is no waveform.

    Returns:
        Samples of frames, guards counted, over all samples of the radio's stream; None where that
        is not known.
    """
    known = [(radio.seconds, samples) for radio, samples in pictures if radio and samples]
    seconds = sum(second for second, _ in known)
    if not sample_rate or not seconds:
        return None
    return sum(samples for _, samples in known) / (seconds * sample_rate)
