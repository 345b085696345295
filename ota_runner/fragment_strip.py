# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a picture as a strip: which arrived, and how well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ota_runner.console import number
from ota_runner.record import PictureRecord

_LEAST_SPAN_DB = 3.0
"""Strips of frames that are all alike make no cliffs of the last digit."""


@dataclass(frozen=True)
class Fragment:
    """A frame of a picture.

    Attributes:
        arrived: at the receiver.
        snr_db: Es/N0 as measured, None where it was not.
        height: of its bar, 0 to 1.
        title: what there is to say.
    """

    arrived: bool
    snr_db: float | None
    height: float
    title: str


@dataclass(frozen=True)
class Strip:
    """Frames of a picture, in the order of sending, and a line on them."""

    fragments: list[Fragment]
    caption: str


def strips(records: Sequence[PictureRecord]) -> dict[int, Strip]:
    """Strips by picture number, with bars that can be compared.

    Pictures of which it was not written down which frames were lost have none.
    """
    measured = [snr for r in records if r.frames for snr in r.frames.snr_db if snr is not None]
    low, high = (min(measured), max(measured)) if measured else (0.0, 0.0)
    slack = max(0.0, _LEAST_SPAN_DB - (high - low)) / 2
    found = ((record, _strip(record, low - slack, high + slack)) for record in records)
    return {record.picture: strip for record, strip in found if strip is not None}


def lost_fragments(record: PictureRecord) -> frozenset[int] | None:
    """Which frames of a picture did not arrive; None where that is not known."""
    if record.fragments_lost is not None:
        return frozenset(record.fragments_lost)
    if record.fragments_received == record.fragments_sent:
        return frozenset()
    if record.fragments_received == 0:
        return frozenset(range(record.fragments_sent))
    if record.frames is None or len(record.frames.snr_db) != record.fragments_sent:
        return None
    return frozenset(i for i, snr in enumerate(record.frames.snr_db) if snr is None)


def _strip(record: PictureRecord, low: float, high: float) -> Strip | None:
    lost = lost_fragments(record)
    if lost is None or not record.fragments_sent:
        return None
    snrs: Sequence[float | None] = record.frames.snr_db if record.frames else ()
    fragments = []
    for index in range(record.fragments_sent):
        snr = snrs[index] if index < len(snrs) else None
        arrived = index not in lost
        height = 1.0 if snr is None else 0.2 + 0.8 * (snr - low) / (high - low)
        what = ("arrived" if snr is None else f"{snr:.1f} dB") if arrived else "lost"
        title = f"frame {index + 1} of {record.fragments_sent}: {what}"
        fragments.append(Fragment(arrived, snr, height, title))
    return Strip(fragments, _caption(fragments, lost))


def _caption(fragments: Sequence[Fragment], lost: Iterable[int]) -> str:
    gone = _ranges(sorted(lost))
    count = len(fragments)
    if not gone:
        text = f"all {count} frames arrived"
    else:
        text = f"lost of {count} frames: {', '.join(gone)}"
    snrs = [f.snr_db for f in fragments if f.snr_db is not None]
    if snrs:
        text += f"; Es/N0 {number(min(snrs), 1)} to {number(max(snrs), 1)} dB"
    return text


def _ranges(indices: Sequence[int]) -> list[str]:
    """Numbers from 1, consecutive ones together, as in ``3`` and ``7 to 9``."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [f"{r[0] + 1}" if len(r) == 1 else f"{r[0] + 1} to {r[-1] + 1}" for r in runs]
