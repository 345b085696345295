# SPDX-License-Identifier: GPL-3.0-or-later
"""The largest step of a ladder whose stream fits, in few encodings.

The logarithm of a stream's size grows nearly linearly with the quantiser of HEVC, the quality of
JPEG or a rate in octaves. The search extends the line through what it knows, and bisects where the
line misleads it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log2

INTERPOLATIONS = 6
"""Encodings after which the search bisects: the ladder is not as smooth as was thought."""


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
    below, above = -1, steps  # fits (or before the ladder); too large (or after it)
    best: bytes | None = None
    below_octaves = above_octaves = 0.0
    target = log2(max_bytes) if max_bytes > 0 else float("-inf")
    candidate = _between(likely_step, below, above)
    for encodings in range(1, steps + 1):
        stream = encode(candidate)
        octaves = log2(max(len(stream), 1))
        if len(stream) <= max_bytes:
            below, below_octaves, best = candidate, octaves, stream
        else:
            above, above_octaves = candidate, octaves
        if above - below == 1:
            break
        if encodings >= INTERPOLATIONS:
            candidate = (below + above) // 2
            continue
        slope, anchor, anchor_octaves = octaves_per_step, candidate, octaves
        if below >= 0 and above < steps:
            slope = max((above_octaves - below_octaves) / (above - below), octaves_per_step / 8)
            anchor, anchor_octaves = below, below_octaves
        candidate = _between(anchor + (target - anchor_octaves) / slope, below, above)
    return None if best is None else (below, best)


def _between(step: float, below: int, above: int) -> int:
    """A step strictly between two, the nearest to the one asked for from below."""
    return floor(min(max(step, below + 1), above - 1))
