# SPDX-License-Identifier: GPL-3.0-or-later
"""Quasi-cyclic LDPC codes with a dual-diagonal core, and their encoder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from semcom_phy.exchange import BitArray


class Graph(NamedTuple):
    """A base matrix as compiled functions take it.

    Attributes:
        row_starts: ``[rows + 1]``: entries of row ``r`` are ``row_starts[r]`` up to
            ``row_starts[r + 1]``.
        columns: column of each entry ``[entries]``.
        shifts: shift of each entry ``[entries]``.
    """

    row_starts: NDArray[np.int64]
    columns: NDArray[np.int64]
    shifts: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _add_rotated(total: NDArray[np.uint8], block: NDArray[np.uint8], shift: int) -> None:
    """``total[z] ^= block[(z + shift) mod Z]``."""
    before_wrap = block.size - shift
    for z in range(before_wrap):
        total[z] ^= block[z + shift]
    for z in range(before_wrap, block.size):
        total[z] ^= block[z - before_wrap]


@njit(cache=True, nogil=True)
def _encode(
    information: NDArray[np.uint8],
    graph: Graph,
    lifting_size: int,
    core_rows: int,
    first_parity_shift: int,
) -> NDArray[np.uint8]:
    row_starts, columns, shifts = graph
    words, n_information = information.shape
    rows = row_starts.size - 1
    first = n_information // lifting_size
    coded = np.zeros((words, first + rows, lifting_size), np.uint8)
    for word in range(words):
        blocks = coded[word]
        flat = blocks.reshape(-1)
        for i in range(n_information):
            flat[i] = information[word, i]
        # Summed over the core, the dual diagonal cancels: one copy of the first parity remains.
        total = np.zeros(lifting_size, np.uint8)
        for edge in range(row_starts[core_rows]):
            if columns[edge] < first:
                _add_rotated(total, blocks[columns[edge]], shifts[edge])
        _add_rotated(blocks[first], total, (lifting_size - first_parity_shift) % lifting_size)
        # Now each row has one unknown: in the core the next parity, below it its own.
        for row in range(rows):
            if row == core_rows - 1:
                continue
            unknown = first + row + (row < core_rows)
            for edge in range(row_starts[row], row_starts[row + 1]):
                if columns[edge] < unknown:
                    _add_rotated(blocks[unknown], blocks[columns[edge]], shifts[edge])
    return coded.reshape(words, (first + rows) * lifting_size)


@dataclass(frozen=True, eq=False)
class QuasiCyclicCode:
    """A systematic code whose parity-check matrix is made of cyclically shifted identities.

    Entry ``(row, column, shift)`` of the base matrix stands for a ``Z x Z`` identity matrix whose
    row ``z`` has its one in column ``(z + shift) mod Z``. Information columns come first. The
    parity columns of the first ``core_rows`` rows are a column of three entries, two of them
    with equal shifts, and a dual diagonal of shift 0; every further row has a parity column of
    its own. The codes of TS 38.212 and of IEEE 802.11n are built so, and encoded in linear time
    (Richardson and Urbanke, "Efficient encoding of low-density parity-check codes", IEEE Trans.
    Inform. Theory 47, 2001).

    Attributes:
        rows: row of each entry ``[entries]``, ascending.
        columns: column of each entry ``[entries]``, ascending within a row.
        shifts: shift of each entry ``[entries]``, ``0 <= shift < Z``.
        lifting_size: ``Z``.
        core_rows: rows of the dual diagonal.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    shifts: NDArray[np.int64]
    lifting_size: int
    core_rows: int

    @property
    def n_rows(self) -> int:
        """Rows of the base matrix."""
        return int(self.rows[-1]) + 1

    @property
    def n_columns(self) -> int:
        """Columns of the base matrix."""
        return int(self.columns.max()) + 1

    @property
    def n_information(self) -> int:
        """Information bits of a word."""
        return (self.n_columns - self.n_rows) * self.lifting_size

    @cached_property
    def graph(self) -> Graph:
        """The base matrix."""
        row_starts = np.searchsorted(self.rows, np.arange(self.n_rows + 1))
        return Graph(
            row_starts, np.ascontiguousarray(self.columns), np.ascontiguousarray(self.shifts)
        )

    @cached_property
    def _first_parity_shift(self) -> int:
        first = self.n_columns - self.n_rows
        of_first = self.shifts[(self.columns == first) & (self.rows < self.core_rows)]
        values, counts = np.unique(of_first, return_counts=True)
        return int(values[counts % 2 == 1][0])

    def encode(self, information: BitArray) -> BitArray:
        """Systematic encoding.

        Args:
            information: ``[words, n_information]``.

        Returns:
            ``[words, n_columns Z]``: the information, then the parity bits.
        """
        return np.asarray(
            _encode(
                np.ascontiguousarray(information, dtype=np.uint8),
                self.graph,
                self.lifting_size,
                self.core_rows,
                self._first_parity_shift,
            )
        )

    def parity_check_matrix(self) -> csr_array:
        """``H``, ``[n_rows Z, n_columns Z]``, sparse, of 0 and 1."""
        size = self.lifting_size
        z = np.arange(size)
        checks = self.rows[:, None] * size + z
        variables = self.columns[:, None] * size + (z + self.shifts[:, None]) % size
        ones = np.ones(checks.size, np.uint8)
        return csr_array(
            (ones, (checks.ravel(), variables.ravel())),
            shape=(self.n_rows * size, self.n_columns * size),
        )
