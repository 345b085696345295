# SPDX-License-Identifier: GPL-3.0-or-later
"""``--snr-trace``: an SNR for each picture, from a file, a model of fading or a random walk."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from ota_runner.config import FADING, GENERATED, SNR_RANGE_DB, WALK, RunConfig
from ota_runner.errors import UsageError
from semcom_phy.fading import clarke_fading

DEFAULT_DOPPLER = 0.05
"""Of ``--trace-doppler``: fading decorrelates, ``J0 = 0``, within eight pictures."""

DEFAULT_K_DB = 6.0
"""Of ``--trace-k``."""

DEFAULT_STEP_DB = 2.0
"""Of ``--trace-step``."""

WALK_RANGE_DB = (0.0, 20.0)
"""Between which SNRs a walk goes, the range that ADJSCC is trained for."""


def snr_trace(run: RunConfig, pictures: int) -> list[float] | None:
    """The SNR of every picture that a run sends.

    Args:
        run: its options.
        pictures: in its folder; a run of generated fading sends each of them once, or ``--count``.

    Returns:
        Es/N0 in dB, to a thousandth; None where it is ``--snr`` throughout.

    Raises:
        UsageError: a file that cannot be read, holds what is no SNR, or too few values.
    """
    if run.snr_trace is None:
        return None
    if run.snr_trace in FADING:
        return fading_trace(run, run.count or pictures)
    if run.snr_trace == WALK:
        return walk_trace(run, run.count or pictures)
    values = read_trace(Path(run.snr_trace))
    if run.count is not None and run.count > len(values):
        raise UsageError(
            f"--count {run.count}: {run.snr_trace} holds {len(values)} values, one a picture; "
            f"ask for {len(values)} pictures at most"
        )
    return values[: run.count]


def fading_trace(run: RunConfig, count: int) -> list[float]:
    """SNRs around ``--snr``, as a receiver in motion meets them, picture after picture.

    The instantaneous SNR is ``|h|^2`` times the mean, see
    :func:`semcom_phy.fading.clarke_fading`; fades below the range of ``--snr`` end at its edge.
    """
    doppler = DEFAULT_DOPPLER if run.trace_doppler is None else run.trace_doppler
    k_db = DEFAULT_K_DB if run.trace_k is None else run.trace_k
    k = 10 ** (k_db / 10) if run.snr_trace == "rician" else 0.0
    # Not [seed, picture, ...]: those draw the noise.
    gains = clarke_fading(count, doppler, np.random.default_rng([run.seed, 0, 2]), k)
    with np.errstate(divide="ignore"):
        snr_db = run.snr + 20 * np.log10(np.abs(gains))
    return [round(float(value), 3) for value in np.clip(snr_db, *SNR_RANGE_DB)]


def walk_trace(run: RunConfig, count: int) -> list[float]:
    """SNRs that walk between 0 and 20 dB, the first one ``--snr``, reflected at the ends."""
    low, high = WALK_RANGE_DB
    if not low <= run.snr <= high:
        raise UsageError(f"--snr {run.snr:g}: a walk begins within {low:g} to {high:g} dB")
    step = DEFAULT_STEP_DB if run.trace_step is None else run.trace_step
    steps = np.random.default_rng([run.seed, 0, 4]).normal(0.0, step, count)
    steps[:1] = 0.0
    span = high - low
    unfolded = (run.snr - low + np.cumsum(steps)) % (2 * span)
    folded = low + np.where(unfolded > span, 2 * span - unfolded, unfolded)
    return [round(float(value), 3) for value in folded]


def read_trace(path: Path) -> list[float]:
    """Read a trace: an SNR in dB on each line, after a heading if there is one.

    Raises:
        UsageError: unreadable, empty, or a line that holds no SNR; says which.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if any(row)]
    except OSError as error:
        raise UsageError(
            f"--snr-trace: cannot read {path} ({error.strerror}): name a file of one SNR in dB a "
            f"line, or {', '.join(GENERATED[:-1])} or {WALK}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--snr-trace: {path} is no text file: {error}") from error
    if rows and _is_heading(rows[0][1]):
        del rows[0]
    if not rows:
        raise UsageError(f"--snr-trace: {path} holds no values: write one SNR in dB a line")
    return [_snr(path, number, row) for number, row in rows]


def _is_heading(row: list[str]) -> bool:
    try:
        float(row[0])
    except ValueError:
        return len(row) == 1
    return False


def _snr(path: Path, number: int, row: list[str]) -> float:
    low, high = SNR_RANGE_DB
    text = ",".join(row)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UsageError(
            f"--snr-trace: line {number} of {path} is {text!r}: "
            f"write one SNR in dB, {low:g} to {high:g}"
        )
    return value
