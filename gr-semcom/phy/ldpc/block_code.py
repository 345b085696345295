# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of information bits to code bits and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from semcom_phy.exchange import BitArray, BoolArray
from semcom_phy.ldpc import decoder
from semcom_phy.ldpc.quasi_cyclic import QuasiCyclicCode


class BlockCode:
    """A quasi-cyclic LDPC code, shortened and with the bits of each word that are sent.

    Attributes:
        k: information bits of a block.
        n: code bits of a block.

    Args:
        code: the mother code.
        k: the first so many information bits carry information; the others are zero.
        sent: ``[n]``, places in a word of the mother code of the bits sent, in order. A place
            may come more than once.
    """

    def __init__(self, code: QuasiCyclicCode, k: int, sent: NDArray[np.int64]) -> None:
        self.k, self.n = k, sent.size
        self._code = code
        self._sent = sent

    def encode(self, bits: ArrayLike) -> BitArray:
        """Encode blocks: ``[..., k]`` bits to ``[..., n]``.

        Raises:
            ValueError: blocks of another length.
        """
        array = np.asarray(bits, dtype=np.uint8)
        if array.shape[-1:] != (self.k,):
            raise ValueError(
                f"blocks of shape {list(array.shape)}; this code takes [..., {self.k}]"
            )
        blocks = array.reshape(-1, self.k)
        padded = np.pad(blocks, ((0, 0), (0, self._code.n_information - self.k)))
        return self._code.encode(padded)[:, self._sent].reshape(*array.shape[:-1], self.n)

    def decode(self, llr: ArrayLike, iterations: int = 20) -> BitArray:
        """Decode blocks: ``[..., n]`` log-likelihood ratios to ``[..., k]`` bits.

        See :meth:`decode_checked`.
        """
        array = np.asarray(llr)
        bits, _, _ = self.decode_checked(array.reshape(-1, array.shape[-1]), iterations)
        return bits.reshape(*array.shape[:-1], self.k)

    def decode_checked(
        self, llr: ArrayLike, iterations: int = 20, *, early_stop: bool = True
    ) -> tuple[BitArray, BoolArray, NDArray[np.int64]]:
        """Decode blocks and tell which became code words.

        Args:
            llr: ``[blocks, n]`` log-likelihood ratios ``log p(0)/p(1)``; 0 and what is no number
                count as erased.
            iterations: the most to do, at least 1.
            early_stop: a block that is a code word is finished.

        Returns:
            Bits ``[blocks, k]``; ``[blocks]``, whether all parity checks hold and no bit is
            undecided; ``[blocks]``, iterations done.

        Raises:
            ValueError: blocks of another length, or fewer than one iteration.
        """
        with np.errstate(over="ignore"):  # beyond float32 is as good as infinite
            array = np.asarray(llr, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.n:
            raise ValueError(
                f"ratios of shape {list(array.shape)}; this code takes [..., {self.n}]"
            )
        if iterations < 1:
            raise ValueError(f"{iterations} iterations decode nothing: ask for at least 1")
        return decoder.decode(self._code, array, self._sent, self.k, iterations, early_stop)
