# SPDX-License-Identifier: GPL-3.0-or-later
"""Medians of repeated runs, in CPU seconds and by the clock."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class Timing(Generic[Value]):
    """How long a function took.

    Attributes:
        cpu_s: median processor time of all threads of the process, in seconds.
        wall_s: median time by the clock, in seconds.
        value: what the last run returned.
    """

    cpu_s: float
    wall_s: float
    value: Value


def measure(function: Callable[[], Value], repeats: int) -> Timing[Value]:
    """Time a function after one unmeasured run, in which caches fill and code is compiled.

    Args:
        function: run ``repeats + 1`` times.
        repeats: runs that count, at least 1.

    Raises:
        ValueError: fewer than one repeat.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} repeats cannot be timed: ask for at least 1")
    value = function()
    cpu, wall = [], []
    for _ in range(repeats):
        cpu_begin, wall_begin = time.process_time(), time.perf_counter()
        value = function()
        cpu.append(time.process_time() - cpu_begin)
        wall.append(time.perf_counter() - wall_begin)
    return Timing(statistics.median(cpu), statistics.median(wall), value)


@contextmanager
def one_core() -> Iterator[None]:
    """Pin this thread, and the programs and threads it starts, to one core, where that works."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
