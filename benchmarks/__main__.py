# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m benchmarks``: time the stages and write ``bench.json``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.codec import codec_kodak_s
from benchmarks.ldpc import ldpc_decoder_gr_fec, ldpc_decoder_sionna
from benchmarks.modem import modem_kodak_cpu_s
from benchmarks.receiver import receiver, receiver_bound, receiver_real_time
from benchmarks.result import PeerMissing, Result
from benchmarks.separate import bpg_ldpc_kodak_s
from benchmarks.transmitter import transmitter
from ota_runner.versions import machine, versions

BENCHMARKS: dict[str, Callable[[int], Result]] = {
    benchmark.__name__: benchmark
    for benchmark in (
        receiver,
        receiver_bound,
        receiver_real_time,
        transmitter,
        modem_kodak_cpu_s,
        codec_kodak_s,
        bpg_ldpc_kodak_s,
        ldpc_decoder_sionna,
        ldpc_decoder_gr_fec,
    )
}


def _line(result: Result) -> str:
    """A result for people."""
    if result.theirs is not None:
        beside = f"{result.ratio:.3g} times {result.peer}: {result.theirs:.3g}"
    else:
        shown = result.parts or result.details
        beside = ", ".join(
            f"{name} {value:.3g}" for name, value in shown.items() if not isinstance(value, str)
        )
    return f"{result.name:20} {result.ours:8.3f} {result.unit:6} ({beside})"


def main() -> int:
    """Run the benchmarks; one that fails is named and leaves the others alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    parser.add_argument("--output", type=Path, default=Path("bench.json"), metavar="FILE")
    parser.add_argument("--repeats", type=int, default=5, help="runs a median is taken of")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats is {arguments.repeats}, ask for at least 1")

    results, failed = [], False
    for name in arguments.only:
        try:
            result = BENCHMARKS[name](arguments.repeats)
        except (PeerMissing, ImportError) as error:
            print(f"{name} left out: {error}", file=sys.stderr)
            continue
        except (RuntimeError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
            continue
        print(_line(result), flush=True)
        results.append(result.to_json())

    document = {
        "format": 1,
        "machine": {**machine(), "versions": versions()},
        "repeats": arguments.repeats,
        "results": results,
    }
    try:
        arguments.output.write_text(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        print(f"cannot write {arguments.output}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"wrote {arguments.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
