# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver inside GNU Radio: beside gr-digital's, beside the least it could do, by the clock.

Frames are whole pictures of as many symbols as a frame carries, with silence between them.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.bare_receiver import receive_bare
from benchmarks.bursts import gaussian, random_frames, stream, with_noise
from benchmarks.peer import PEERS, run_peer
from benchmarks.result import Result
from benchmarks.timing import measure, one_core
from semcom_phy.exchange import ComplexArray, Reception
from semcom_phy.numerology import NARROW, WIDE, Numerology

if TYPE_CHECKING:
    from benchmarks.flowgraph import Run

SNR_DB = 25.0
FRAMES = 150
LONG = replace(WIDE, name="wide, 512 symbols a frame", fragment_symbols=512)
"""As `--numerology FILE` has it: a frame's opening weighs less in longer ones."""

LONG_FRAMES = 40
GAP = 1000
"""Samples of silence between frames, for ours and for the peer, which loses packets without."""

PEER_PACKETS = {96: 1000, 500: 500, 2000: 200}
"""Bytes of gr-digital's packets, and how many of them are sent."""

LARGEST_DIFFERENCE = 0.01
"""Of the shares of frames that arrive: with more, speeds are not compared."""

NOISE_SAMPLES = 4_000_000


@dataclass(frozen=True, eq=False)
class _Capture:
    """Samples ``[n]`` of frames, and what they carry."""

    samples: ComplexArray
    payloads: ComplexArray


def _capture(numerology: Numerology, frames: int, gap: int) -> _Capture:
    rng = np.random.default_rng(1)
    sent = random_frames(frames, numerology.fragment_capacity, rng)
    samples = with_noise(stream(sent, numerology, gap), SNR_DB, rng)[0]
    return _Capture(samples, np.stack([frame.payload[0] for frame in sent]))


def _net_cpu_s(runs: Sequence[Run], sources: Sequence[Run]) -> float:
    """Median CPU seconds without those of the source."""
    return statistics.median(run.cpu_s for run in runs) - statistics.median(
        run.cpu_s for run in sources
    )


def _arrived(receptions: Sequence[Reception]) -> int:
    return len({reception.header.picture for reception in receptions})


def _rate(samples: float, cpu_s: float) -> float:
    return samples / cpu_s / 1e6


def _peer_command(job: str, size: int) -> list[str]:
    command = [sys.executable, str(PEERS / "gr_digital_ofdm.py"), job]
    return [*command, "--bytes", str(size), "--packets", str(PEER_PACKETS[size])]


def receiver(repeats: int) -> Result:
    """Million samples per CPU second, and gr-digital's ``ofdm_rx``; each with its best frames.

    Each on its own waveform in white noise at 25 dB. Repetitions alternate; the source is measured
    apart and taken off both alike.

    Raises:
        PeerMissing: there is no GNU Radio.
        RuntimeError: not as many frames arrive here as there.
    """
    # Other benchmarks run without GNU Radio.
    from benchmarks.flowgraph import run_receiver, run_source

    captures = {
        numerology: _capture(numerology, frames, GAP)
        for numerology, frames in ((NARROW, FRAMES), (WIDE, FRAMES), (LONG, LONG_FRAMES))
    }
    runs: dict[Numerology, list[Run]] = {numerology: [] for numerology in captures}
    sources: dict[Numerology, list[Run]] = {numerology: [] for numerology in captures}
    least = 1.0
    printed: dict[int, list[dict[str, Any]]] = {size: [] for size in PEER_PACKETS}
    with one_core():
        for numerology, capture in captures.items():
            run_receiver(capture.samples, numerology)
        for _ in range(repeats):
            for numerology, capture in captures.items():
                run, receptions = run_receiver(capture.samples, numerology)
                runs[numerology].append(run)
                least = min(least, _arrived(receptions) / len(capture.payloads))
                sources[numerology].append(run_source(capture.samples))
            for size in PEER_PACKETS:
                arguments = ["--snr", str(SNR_DB), "--gap", str(GAP)]
                printed[size].append(run_peer([*_peer_command("receive", size), *arguments]))
    ours = {
        numerology.name: _rate(
            capture.samples.size, _net_cpu_s(runs[numerology], sources[numerology])
        )
        for numerology, capture in captures.items()
    }
    rates = {size: _peer_rate(found) for size, found in printed.items()}
    best = max(rates, key=lambda size: rates[size])
    theirs = min(found["arrived"] / found["packets"] for found in printed[best])
    if abs(least - theirs) > LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"{least:.1%} of our frames arrived and {theirs:.1%} of gr-digital's: speeds at unlike "
            "rates of detection are not compared"
        )
    return Result(
        name="receiver",
        ours=max(ours.values()),
        unit="MS per CPU s",
        peer=f"GNU Radio {printed[best][0]['release']} gr-digital ofdm_rx",
        theirs=rates[best],
        details={
            "arrived": least,
            "peer arrived": theirs,
            "peer packet bytes": best,
            **ours,
            **{f"peer at {size} bytes": value for size, value in rates.items()},
        },
    )


def _peer_rate(printed: Sequence[dict[str, Any]]) -> float:
    net = statistics.median(found["cpu_s"] - found["source_cpu_s"] for found in printed)
    return _rate(printed[0]["samples"], net)


def receiver_bound(repeats: int) -> Result:
    """Million samples per CPU second beside :mod:`benchmarks.bare_receiver`, on the same samples.

    Raises:
        RuntimeError: one of the two does not receive all frames well.
    """
    # Other benchmarks run without GNU Radio.
    from benchmarks.flowgraph import run_receiver, run_source

    capture = _capture(LONG, LONG_FRAMES, GAP)
    with one_core():
        bare = measure(lambda: receive_bare(capture.samples, LONG.fragment_symbols, LONG), repeats)
        runs = [run_receiver(capture.samples, LONG) for _ in range(repeats + 1)][1:]
        sources = [run_source(capture.samples) for _ in range(repeats)]
    arrived = min(_arrived(receptions) for _, receptions in runs)
    found = bare.value[0].size
    if arrived < LONG_FRAMES or found != LONG_FRAMES:
        raise RuntimeError(
            f"{arrived} of {LONG_FRAMES} frames arrived, the bare receiver found {found}: there is "
            "nothing to compare"
        )
    return Result(
        name="receiver_bound",
        ours=_rate(capture.samples.size, _net_cpu_s([run for run, _ in runs], sources)),
        unit="MS per CPU s",
        peer="bare vectorised receiver of this bench",
        theirs=_rate(capture.samples.size, bare.cpu_s),
    )


def receiver_real_time(repeats: int) -> Result:
    """Million samples a second by the clock, on one core: the slowest of four cases.

    Narrow and wide waveform; noise alone, through which the search goes, and frames back to back.

    Raises:
        RuntimeError: frames were lost.
    """
    rng = np.random.default_rng(1)
    rates = {}
    with one_core():
        for numerology in (NARROW, WIDE):
            noise = gaussian((NOISE_SAMPLES,), rng)
            rates[f"{numerology.name}, noise"] = _clock_rate(noise, numerology, repeats, 0)
            samples = _capture(numerology, FRAMES, 0).samples
            rates[f"{numerology.name}, frames"] = _clock_rate(samples, numerology, repeats, FRAMES)
    return Result("receiver_real_time", min(rates.values()), "MS/s by the clock", details=rates)


def _clock_rate(samples: ComplexArray, numerology: Numerology, repeats: int, frames: int) -> float:
    from benchmarks.flowgraph import run_receiver

    runs = [run_receiver(samples, numerology) for _ in range(repeats + 1)][1:]
    arrived = min(_arrived(receptions) for _, receptions in runs)
    if arrived < frames:
        raise RuntimeError(f"{arrived} of {frames} {numerology.name} frames arrived at 25 dB")
    return samples.size / statistics.median(run.wall_s for run, _ in runs) / 1e6
