# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether runs can be compared: what of them is not alike beside the scheme."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ota_runner.config import RunConfig
from ota_runner.past_runs import PastRun
from semcom_models.codecs.registry import CBR_TOLERANCE

_THE_SCHEMES_OWN = {"scheme", "preset", "weights", "encoder_snr", "feedback_delay"}
_OF_NO_CONSEQUENCE = {"output", "record_iq"}
_COMPARED_BY_WHAT_THEY_ARE = {"images", "count", "snr_trace", "cbr"}

_SHOWN = 3
"""Names that a line gives before it counts the rest."""


def find_differences(curves: Mapping[str, Sequence[PastRun]], along: Collection[str]) -> list[str]:
    """Options, channels and pictures that are not the same in all runs.

    Args:
        curves: label to runs.
        along: options that are the axis of the comparison.

    Returns:
        A line on each, as in ``seed: 0 (linear, adjscc), 1 (jpeg+ldpc)``.
    """
    runs = [(label, run) for label, members in curves.items() for run in members]
    several_radios = len({run.manifest.radio for _, run in runs}) > 1
    facts = [(label, _facts(run, with_channel=not several_radios)) for label, run in runs]
    names = dict.fromkeys(name for _, fact in facts for name in fact if name not in along)
    lines = [_line(name, [(label, fact.get(name)) for label, fact in facts]) for name in names]
    lines.append(_bandwidth(runs) if "cbr" not in along else None)
    lines.append(_pictures(runs))
    return [line for line in lines if line is not None]


def common_facts(curves: Mapping[str, Sequence[PastRun]], along: Collection[str]) -> dict[str, str]:
    """What is the same in all runs of :func:`find_differences`: name to value as written."""
    runs = [run for members in curves.values() for run in members]
    facts = [_facts(run, with_channel=True) | {"pictures": len(run.records)} for run in runs]
    first, *others = facts
    return {
        name: str(value)
        for name, value in first.items()
        if value is not None
        and name not in along
        and all(other.get(name) == value for other in others)
    }


def _facts(run: PastRun, with_channel: bool) -> dict[str, Any]:
    """What a scheme does not choose: options of every run, and the radio's of its channel."""
    ignored = _THE_SCHEMES_OWN | _OF_NO_CONSEQUENCE | _COMPARED_BY_WHAT_THEY_ARE
    facts = {name: run.config.get(name) for name in RunConfig.model_fields if name not in ignored}
    facts["snr_trace"] = _trace(run)
    if with_channel:
        facts |= {k: v for k, v in run.manifest.channel.items() if k not in ("snr_db", "seed")}
    return facts


def _trace(run: PastRun) -> str | None:
    """A name for the trace that a run followed: as asked for, and a checksum of its values."""
    if run.manifest.snr_trace_db is None:
        return None
    values = json.dumps(run.manifest.snr_trace_db).encode()
    return f"{Path(str(run.config.get('snr_trace'))).name} {zlib.crc32(values):08x}"


def _line(name: str, values: Sequence[tuple[str, Any]]) -> str | None:
    """A line on a fact, or None where it is the same everywhere."""
    holders: dict[str, list[str]] = {}
    for label, value in values:
        holders.setdefault(json.dumps(value, sort_keys=True, default=str), []).append(label)
    if len(holders) == 1:
        return None
    told = (f"{value.strip(chr(34))} ({_some(labels)})" for value, labels in holders.items())
    return f"{name}: {', '.join(told)}"


def _bandwidth(runs: Sequence[tuple[str, PastRun]]) -> str | None:
    """A line on the CBR asked for, or used where none was."""
    cbrs = [(label, run.cbr) for label, run in runs if run.cbr is not None]
    if not cbrs or max(c for _, c in cbrs) <= (1 + CBR_TOLERANCE) * min(c for _, c in cbrs):
        return None
    return _line("cbr", [(label, round(cbr, 4)) for label, cbr in cbrs])


def _pictures(runs: Sequence[tuple[str, PastRun]]) -> str | None:
    """A line on the pictures, by the hash of what was sent."""
    holders: dict[tuple[str, ...], list[str]] = {}
    for label, run in runs:
        sent = tuple(record.sha256 or record.name for record in run.records)
        holders.setdefault(sent, []).append(label)
    if len(holders) == 1:
        return None
    told = (f"{len(sent)} ({_some(labels)})" for sent, labels in holders.items())
    return f"pictures, which are not the same: {', '.join(told)}"


def _some(labels: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(labels))
    rest = len(distinct) - _SHOWN
    return ", ".join(distinct[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
