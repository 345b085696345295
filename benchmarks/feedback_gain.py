# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks.feedback_gain SWEEP``: what feedback is worth, as a Markdown table.

Takes the folder of a sweep over ``seed`` with one scheme ``frozen at 10 dB``, such as
``docs/sweeps/feedback-walk.yaml``. Runs of a seed send the same pictures over the same channel, so
that they are compared run by run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from scipy.stats import t as student

from benchmarks.waveform.drawing import draw
from benchmarks.waveform.measurement import Measurement
from ota_runner.errors import UsageError
from ota_runner.past_runs import PastRun, find_runs

FROZEN = "frozen at 10 dB"


@dataclass(frozen=True)
class Gain:
    """What an encoder gains over the frozen one.

    Attributes:
        label: of the scheme.
        delay: pictures by which its feedback is late; None where it has none.
        psnr_db: mean PSNR over pictures and seeds.
        gain_db: of the mean PSNR of a run, mean over seeds.
        interval_db: half of that mean's 95 % interval, by Student's t over seeds.
        seeds: compared.
    """

    label: str
    delay: int | None
    psnr_db: float
    gain_db: float
    interval_db: float
    seeds: int


def find_gains(runs: Sequence[PastRun]) -> list[Gain]:
    """Compare the runs of every scheme of a sweep with those of the frozen one, seed by seed."""
    schemes: dict[str, dict[int, PastRun]] = defaultdict(dict)
    for run in runs:
        if run.swept is not None:
            schemes[run.swept.label][run.config["seed"]] = run
    frozen = schemes.get(FROZEN, {})
    return [_gain(label, by_seed, frozen) for label, by_seed in schemes.items()] if frozen else []


def _gain(label: str, runs: Mapping[int, PastRun], frozen: Mapping[int, PastRun]) -> Gain:
    seeds = sorted(runs.keys() & frozen.keys())
    psnrs = [_psnr_db(runs[seed]) for seed in seeds]
    gains = [psnr - _psnr_db(frozen[seed]) for psnr, seed in zip(psnrs, seeds, strict=True)]
    count = len(gains)
    spread = statistics.stdev(gains) if count > 1 else float("nan")
    quantile = float(student.ppf(0.975, count - 1)) if count > 1 else float("nan")
    config = next(iter(runs.values())).config
    return Gain(
        label,
        config["feedback_delay"],
        statistics.fmean(psnrs) if psnrs else float("nan"),
        statistics.fmean(gains) if gains else float("nan"),
        quantile * spread / sqrt(max(count, 1)),
        count,
    )


def _psnr_db(run: PastRun) -> float:
    """Mean over the pictures of a run; one that was lost would make runs unlike."""
    known = [record.psnr_db for record in run.records if record.psnr_db is not None]
    if len(known) < len(run.records):
        lost = len(run.records) - len(known)
        raise UsageError(f"{run.path}: {lost} pictures did not arrive, so that means are unlike")
    return statistics.fmean(known)


def table(gains: Sequence[Gain]) -> str:
    """A Markdown table, a row a scheme."""
    rows = [
        f"| encoder | mean PSNR (dB) | over {FROZEN} (dB) | seeds |",
        "| --- | --- | --- | --- |",
    ]
    for gain in gains:
        over = "" if gain.label == FROZEN else f"{gain.gain_db:+.2f} ± {gain.interval_db:.2f}"
        rows.append(f"| {gain.label} | {gain.psnr_db:.2f} | {over} | {gain.seeds} |")
    return "\n".join(rows)


def by_delay(gains: Sequence[Gain]) -> Measurement:
    """The gain over the delay."""
    late = sorted((gain for gain in gains if gain.delay is not None), key=lambda g: g.delay or 0)
    return Measurement(
        title="What feedback is worth on an SNR that walks",
        method="",
        x_label="pictures by which feedback is late",
        y_label=f"mean PSNR over that {FROZEN} (dB)",
        x=[float(gain.delay or 0) for gain in late],
        curves={
            "feedback": [gain.gain_db for gain in late],
            "95 % interval": [gain.gain_db - gain.interval_db for gain in late],
            "_to": [gain.gain_db + gain.interval_db for gain in late],
        },
        bounds=["95 % interval", "_to"],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, draw the figure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.feedback_gain",
        description="PSNR with feedback less that of an encoder that is always told 10 dB.",
    )
    parser.add_argument("sweep", type=Path, help="folder of a sweep over seeds")
    parser.add_argument("--figure", type=Path, help="SVG file to draw the gain over the delay into")
    given = parser.parse_args(arguments)
    try:
        runs, left_out = find_runs([given.sweep])
        gains = find_gains(runs)
    except UsageError as error:
        parser.error(str(error))
    for line in left_out:
        print(line, file=sys.stderr)
    if not gains:
        parser.error(f"no scheme is labelled {FROZEN!r}: see docs/sweeps/feedback-walk.yaml")
    print(table(gains))
    if given.figure is not None:
        given.figure.write_text(draw(by_delay(gains)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
