# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest step of a ladder whose stream fits, in few encodings.

The logarithm of a stream's size grows nearly linearly with the quantiser of HEVC, the quality of
JPEG or a rate in octaves. The search follows that line. Where it lands on the same side of the
budget again, the line has misled it: it doubles its stride, or bisects once it has a bracket.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log2


def largest_that_fits(
    encode: Callable[[int], bytes],
    steps: int,
    max_bytes: int,
    likely_step: float,
    octaves_per_step: float,
) -> tuple[int, bytes] | None:
    """Search a ladder for the last step whose stream has at most ``max_bytes``.

    Args:
        encode: gives the stream of a step, ``0 <= step < steps``.
        steps: of the ladder, ordered from small to large streams.
        max_bytes: of the stream.
        likely_step: where to begin; may lie outside the ladder.
        octaves_per_step: about how much log2 of the size grows with a step.

    Returns:
        The step and its stream, which fits while that of the next step does not; with sizes that
        grow with every step it is the last that fits. None if the first step does not fit.
    """
    below, above = -1, steps  # fits, or before the ladder; does not fit, or after it
    best: bytes | None = None
    octaves: dict[int, float] = {}
    target = log2(max_bytes) if max_bytes > 0 else float("-inf")
    candidate = _between(likely_step, below, above)
    fitted: list[bool] = []
    while above - below > 1:
        stream = encode(candidate)
        octaves[candidate] = log2(max(len(stream), 1))
        fitted.append(len(stream) <= max_bytes)
        if fitted[-1]:
            below, best = candidate, stream
        else:
            above = candidate
        one_sided = _run(fitted)
        if below in octaves and above in octaves:
            share = (target - octaves[below]) / (octaves[above] - octaves[below])
            share = share if one_sided == 1 else 0.5
            ahead = below + share * (above - below)
        else:
            distance = (target - octaves[candidate]) / octaves_per_step
            stride = max(abs(distance), 2 ** (one_sided - 1))
            ahead = candidate + (stride if fitted[-1] else -stride)
        candidate = _between(ahead, below, above)
    return None if best is None else (below, best)


def _between(step: float, below: int, above: int) -> int:
    """The step at or before the one asked for, but strictly between two."""
    return floor(min(max(step, below + 1), above - 1))


def _run(values: list[bool]) -> int:
    """How many of the last values are the same."""
    return next((n for n, value in enumerate(reversed(values)) if value != values[-1]), len(values))
