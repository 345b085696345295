# SPDX-License-Identifier: GPL-3.0-or-later
"""The LDPC base graphs of 3GPP TS 38.212, clause 5.3.2."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from semcom_phy.ldpc.quasi_cyclic import QuasiCyclicCode

LIFTING_SIZES = tuple(
    tuple(odd << power for power in range(9) if 2 <= odd << power <= 384)
    for odd in (2, 3, 5, 7, 9, 11, 13, 15)
)
"""Table 5.3.2-1: the lifting sizes ``Z`` of each set index ``i_LS``."""

INFORMATION_COLUMNS = {1: 22, 2: 10}
"""Systematic columns of each base graph."""

ROWS = {1: 46, 2: 42}
"""Rows, and so parity columns, of each base graph."""

CORE_ROWS = 4


@lru_cache(maxsize=2)
def _table(base_graph: int) -> np.ndarray:
    """``[entries, 10]``: row ``i``, column ``j``, ``V_ij`` of the eight sets."""
    path = Path(__file__).with_name(f"ts38212_bg{base_graph}.csv")
    return np.loadtxt(path, np.int64, delimiter=",")


def select_base_graph(k: int, rate: float) -> int:
    """Base graph for ``k`` information bits at a code rate (clauses 6.2.2 and 7.2.2)."""
    return 2 if k <= 292 or (k <= 3824 and rate <= 0.67) or rate <= 0.25 else 1


def used_columns(base_graph: int, k: int) -> int:
    """``K_b``, the systematic columns among which ``k`` bits are spread (clause 5.2.2)."""
    if base_graph == 1:
        return 22
    return 10 if k > 640 else 9 if k > 560 else 8 if k > 192 else 6


def select_lifting_size(base_graph: int, k: int) -> int:
    """The smallest ``Z`` with ``K_b Z >= k`` (clause 5.2.2).

    Raises:
        ValueError: more bits than the base graph's largest code has.
    """
    columns = used_columns(base_graph, k)
    fitting = [size for sizes in LIFTING_SIZES for size in sizes if columns * size >= k]
    if not fitting:
        raise ValueError(
            f"{k} information bits do not fit base graph {base_graph}, which has "
            f"{columns * 384}: split them into code blocks"
        )
    return min(fitting)


def code(base_graph: int, lifting_size: int, rows: int | None = None) -> QuasiCyclicCode:
    """The code of a base graph and a lifting size.

    Args:
        base_graph: 1 or 2.
        lifting_size: one of Table 5.3.2-1.
        rows: only the first so many rows and parity columns; all by default.
    """
    set_index = next(i for i, sizes in enumerate(LIFTING_SIZES) if lifting_size in sizes)
    table = _table(base_graph)
    if rows is not None:
        table = table[table[:, 0] < rows]
    return QuasiCyclicCode(
        rows=table[:, 0],
        columns=table[:, 1],
        shifts=table[:, 2 + set_index] % lifting_size,
        lifting_size=lifting_size,
        core_rows=CORE_ROWS,
    )
