# SPDX-License-Identifier: GPL-3.0-or-later
"""The LDPC code of 5G New Radio: 3GPP TS 38.212, clauses 5.3.2 and 5.4.2.1."""

from __future__ import annotations

import numpy as np

from semcom_phy.ldpc import base_graphs
from semcom_phy.ldpc.block_code import BlockCode


class LDPC5G(BlockCode):
    """A rate-matched code block of TS 38.212, redundancy version 0, before bit interleaving.

    ``k`` bits are filled up with zeros that are not sent, encoded, the first ``2 Z`` bits left
    out, and ``n`` bits read from the circular buffer, again from its beginning where ``n`` is
    more than it holds.

    Attributes:
        k: information bits, after CRC attachment.
        n: code bits sent.
        base_graph: 1 or 2.
        lifting_size: ``Z``.

    Args:
        k: at least 1; at most 8448 with base graph 1 and 3840 with base graph 2.
        n: more than ``k``.
        base_graph: chosen by ``k`` and ``k / n`` (clauses 6.2.2 and 7.2.2) unless given; the
            standard chooses for a transport block, before it is split.

    Raises:
        ValueError: there is no such code.
    """

    def __init__(self, k: int, n: int, base_graph: int | None = None) -> None:
        if not 0 < k < n:
            raise ValueError(f"no code has {k} information bits in {n} code bits")
        if base_graph not in (None, 1, 2):
            raise ValueError(f"base graph {base_graph}: TS 38.212 has 1 and 2")
        self.base_graph = base_graph or base_graphs.select_base_graph(k, k / n)
        self.lifting_size = size = base_graphs.select_lifting_size(self.base_graph, k)
        information = base_graphs.INFORMATION_COLUMNS[self.base_graph] * size
        # Rows whose parity bits are not sent tell a decoder nothing.
        parity_sent = n - max(k - 2 * size, 0)
        rows = max(-(-parity_sent // size), base_graphs.CORE_ROWS)
        code = base_graphs.code(self.base_graph, size, min(rows, base_graphs.ROWS[self.base_graph]))
        buffer = np.arange(2 * size, code.n_columns * size)
        without_fillers = buffer[(buffer < k) | (buffer >= information)]
        super().__init__(code, k, np.resize(without_fillers, n))
