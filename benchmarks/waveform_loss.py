# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks.waveform_loss SWEEP``: what the waveform costs, as a Markdown table.

Takes the folder of a sweep whose axis ``radio`` has ``ideal`` and ``loopback``, such as
``docs/sweeps/waveform-loss.yaml``. Both send the same pictures over the same realisations of the
channel, so that their PSNRs are compared picture by picture.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from scipy.stats import t as student

from ota_runner.errors import UsageError
from ota_runner.past_runs import PastRun, find_runs

REFERENCE, MEASURED = "ideal", "loopback"


@dataclass(frozen=True)
class Loss:
    """What the waveform costs at one place of a sweep.

    Attributes:
        label: of the curve.
        place: the options that vary there, as written.
        pictures: that arrived over both.
        reference_db: mean PSNR of these over ``ideal``.
        difference_db: mean PSNR over the loopback less that.
        interval_db: half of that mean's 95 % interval, by Student's t over the pictures.
        frames_lost, frames_sent: over the loopback.
    """

    label: str
    place: str
    pictures: int
    reference_db: float
    difference_db: float
    interval_db: float
    frames_lost: int
    frames_sent: int


def find_losses(runs: Sequence[PastRun]) -> list[Loss]:
    """Pair the runs of a sweep that differ in nothing but the radio, in the sweep's order."""
    places: dict[tuple[str, str], dict[str, PastRun]] = defaultdict(dict)
    for run in runs:
        if run.swept is not None:
            axes = {name: value for name, value in run.swept.axes.items() if name != "radio"}
            place = ", ".join(f"{name} {value:g}" for name, value in axes.items())
            places[run.swept.label, place][run.manifest.radio] = run
    return [
        _loss(label, place, radios[REFERENCE], radios[MEASURED])
        for (label, place), radios in places.items()
        if {REFERENCE, MEASURED} <= radios.keys()
    ]


def _loss(label: str, place: str, reference: PastRun, measured: PastRun) -> Loss:
    known = {record.name: record.psnr_db for record in reference.records}
    pairs = [
        (record.psnr_db, psnr_db)
        for record in measured.records
        if record.psnr_db is not None and (psnr_db := known.get(record.name)) is not None
    ]
    differences = [ours - psnr_db for ours, psnr_db in pairs]
    count = len(pairs)
    spread = statistics.stdev(differences) if count > 1 else float("nan")
    quantile = float(student.ppf(0.975, count - 1)) if count > 1 else float("nan")
    sent = sum(record.fragments_sent for record in measured.records)
    return Loss(
        label,
        place,
        count,
        statistics.fmean(psnr_db for _, psnr_db in pairs) if pairs else float("nan"),
        statistics.fmean(differences) if pairs else float("nan"),
        quantile * spread / sqrt(max(count, 1)),
        sent - sum(record.fragments_received for record in measured.records),
        sent,
    )


def table(losses: Sequence[Loss]) -> str:
    """A Markdown table, a row a place."""
    rows = [
        "| scheme, channel | | pictures | ideal (dB) | loopback less ideal (dB) | frames lost |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for loss in losses:
        difference = f"{loss.difference_db:+.2f} ± {loss.interval_db:.2f}"
        lost = f"{loss.frames_lost} of {loss.frames_sent}"
        figures = [str(loss.pictures), f"{loss.reference_db:.2f}", difference, lost]
        rows.append(f"| {' | '.join([loss.label, loss.place, *figures])} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.waveform_loss",
        description="PSNR over the waveform less that of a receiver that knows the channel.",
    )
    parser.add_argument("sweep", type=Path, help="folder of a sweep over radio: [ideal, loopback]")
    try:
        runs, left_out = find_runs([parser.parse_args(arguments).sweep])
    except UsageError as error:
        parser.error(str(error))
    for line in left_out:
        print(line, file=sys.stderr)
    losses = find_losses(runs)
    if not losses:
        parser.error("no two runs differ in the radio alone: sweep over radio: [ideal, loopback]")
    print(table(losses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
