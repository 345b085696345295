# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks.waveform``: measure the waveform and draw ``docs/waveform.md`` anew."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.result import PeerMissing
from benchmarks.waveform.channel_estimate import channel_estimate
from benchmarks.waveform.detection import detection
from benchmarks.waveform.drawing import draw
from benchmarks.waveform.error_vector import error_vector
from benchmarks.waveform.fading_snr import fading_snr
from benchmarks.waveform.frame_length import frame_length
from benchmarks.waveform.measurement import Effort, Measurement
from benchmarks.waveform.offsets import carrier_offset, clock_offset
from benchmarks.waveform.page import put_section, section, write_csv
from benchmarks.waveform.peaks import peaks
from benchmarks.waveform.picture_loss import picture_loss
from benchmarks.waveform.snr_estimate import snr_estimate

MEASUREMENTS: dict[str, Callable[[Effort], Measurement]] = {
    measure.__name__: measure
    for measure in (
        detection,
        snr_estimate,
        channel_estimate,
        error_vector,
        fading_snr,
        carrier_offset,
        clock_offset,
        picture_loss,
        peaks,
        frame_length,
    )
}

DOCS = Path(__file__).parents[2] / "docs"
QUICK = 0.02
"""Share of the trials in a trial run."""


def _save(name: str, measurement: Measurement, folder: Path, page: Path | None) -> None:
    """Write figure and table, and the section of the page or a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(measurement, folder / f"{name}.csv")
    (folder / f"{name}.svg").write_text(draw(measurement))
    if page is None:
        text = section(name, measurement, f"{name}.svg")
        (folder / f"{name}.md").write_text(text + "\n")
    else:
        text = section(name, measurement, f"{folder.name}/{name}.svg")
        page.write_text(put_section(page.read_text(), name, text))


def main() -> int:
    """Run the measurements; 1 where one could not be made."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.waveform", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    parser.add_argument("--quick", action="store_true", help="few trials; needs --output")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="pictures to send")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write here and leave docs/ alone"
    )
    arguments = parser.parse_args()
    if arguments.quick and arguments.output is None:
        parser.error("--quick is too coarse for docs/: say where to write with --output")
    effort = Effort(QUICK if arguments.quick else 1.0, arguments.images)
    folder, page = arguments.output, None
    if folder is None:
        folder, page = DOCS / "waveform", DOCS / "waveform.md"

    failed = False
    for name in arguments.only:
        begin = time.perf_counter()
        try:
            measurement = MEASUREMENTS[name](effort)
            _save(name, measurement, folder, page)
        except PeerMissing as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            continue
        except (RuntimeError, ValueError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        print(f"{name} ({time.perf_counter() - begin:.0f} s)", flush=True)
        for goal in measurement.goals:
            print(f"  {goal.what}: {goal.value:.3g} {goal.unit} (limit {goal.limit:g})", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
