# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutional codes of 3GPP TS 25.212, clause 4.2.3.1, with a soft list Viterbi decoder.

Short blocks (the frame header, side information) are protected by these: at a few hundred bits
a constraint length of 9 is within a few tenths of a dB of any code, and its decoder is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.interleaving import permutation

WordCheck: TypeAlias = Callable[[BitArray], BoolArray]

_UNREACHED = np.float32(-1e30)
_NO_PATH = np.float32(1e29)
_CERTAIN = np.float32(1e6)


@njit(cache=True, nogil=True)
def _encode(bits: NDArray[np.uint8], outputs: NDArray[np.uint8], rate: int) -> NDArray[np.uint8]:
    blocks, n = bits.shape
    coded = np.empty((blocks, n * rate), np.uint8)
    half = outputs.shape[0] >> 1
    for block in range(blocks):
        state = 0
        for i in range(n):
            bit = int(bits[block, i])
            word = int(outputs[state, bit])
            for j in range(rate):
                coded[block, i * rate + j] = (word >> (rate - 1 - j)) & 1
            state = (state >> 1) | (bit * half)
    return coded


@njit(cache=True, nogil=True)
def _forward(
    llr: NDArray[np.float32], outputs: NDArray[np.uint8], rate: int
) -> NDArray[np.float32]:
    """Add, compare, select: by how much each state's first branch beats its second.

    Branches into states ``t`` and ``t + half`` leave states ``2t`` and ``2t + 1``. As every
    generator has its first and its last tap, the four outputs are one word and its complement.
    """
    steps = llr.size // rate
    states = outputs.shape[0]
    half = states >> 1
    sign = np.empty((rate, half), np.float32)
    for t in range(half):
        for j in range(rate):
            sign[j, t] = 1 - 2 * ((outputs[2 * t, 0] >> (rate - 1 - j)) & 1)
    margins = np.empty((steps, states), np.float32)
    branch = np.empty(half, np.float32)
    old = np.full(states, _UNREACHED, np.float32)
    old[0] = 0.0
    even = np.empty(half, np.float32)
    odd = np.empty(half, np.float32)
    for i in range(steps):
        branch[:] = 0.0
        for j in range(rate):
            # Whatever arrived, the trellis sees numbers: what is none says nothing.
            value = llr[i * rate + j]
            if not abs(value) <= _CERTAIN:
                value = np.sign(value) * _CERTAIN if abs(value) > _CERTAIN else np.float32(0.0)
            for t in range(half):
                branch[t] += value * sign[j, t]
        # Only differences matter; taking one away keeps float32 exact enough.
        base = old[0]
        for t in range(half):
            even[t] = old[2 * t] - base
            odd[t] = old[2 * t + 1] - base
        for t in range(half):
            first, second = even[t] + branch[t], odd[t] - branch[t]
            margins[i, t] = first - second
            old[t] = max(first, second)
            first, second = even[t] - branch[t], odd[t] + branch[t]
            margins[i, t + half] = first - second
            old[t + half] = max(first, second)
    return margins


@njit(cache=True, nogil=True)
def _trace(margins: NDArray[np.float32], path: NDArray[np.int16], last: int) -> None:
    """Follow the survivors back from ``path[last]``, the state after ``last`` steps."""
    states = margins.shape[1]
    for i in range(last - 1, -1, -1):
        state = np.int64(path[i + 1])
        path[i] = (2 * state) % states + (margins[i, state] < 0.0)


@njit(cache=True, nogil=True)
def _smallest(values: NDArray[np.float32], wanted: int) -> np.float32:
    """The ``wanted``-smallest value; of NumPy's partition the compilation would take seconds."""
    best = np.full(wanted, np.float32(np.inf))
    for value in values:
        if value < best[-1]:
            place = wanted - 1
            while place > 0 and best[place - 1] > value:
                best[place] = best[place - 1]
                place -= 1
            best[place] = value
    return best[-1]


@njit(cache=True, nogil=True)
def _best_paths(margins: NDArray[np.float32], count: int) -> NDArray[np.int16]:
    """The most likely paths in order, as states ``[found, steps + 1]``.

    Each further path is an earlier one that takes the losing branch into one more state.
    """
    steps, states = margins.shape
    paths = np.zeros((count, steps + 1), np.int16)
    _trace(margins, paths[0], steps)
    extra = np.empty(steps, np.float32)
    detours = [(np.float32(0.0), 0, 0)]
    detours.pop()
    loss = np.float32(0.0)
    last = steps
    found = 1
    while found < count:
        for i in range(last):
            extra[i] = abs(margins[i, paths[found - 1, i + 1]])
        worst = _smallest(extra[:last], min(count - found, last))
        for i in range(last):
            # Of each path, no more detours can matter than paths are still wanted.
            if extra[i] <= worst:
                heappush(detours, (loss + extra[i], found - 1, i))
        loss, parent, last = heappop(detours)
        if loss > _NO_PATH:
            break
        paths[found] = paths[parent]
        state = np.int64(paths[parent, last + 1])
        paths[found, last] = (2 * state) % states + (margins[last, state] >= 0.0)
        _trace(margins, paths[found], last)
        found += 1
    return paths[:found]


@njit(cache=True, nogil=True)
def _best_words(
    llr: NDArray[np.float32], outputs: NDArray[np.uint8], rate: int, tail: int, count: int
) -> NDArray[np.uint8]:
    """The bits ``[found, n]`` of the most likely paths; a state's highest bit came in last."""
    paths = _best_paths(_forward(llr, outputs, rate), count)
    words = np.empty((paths.shape[0], paths.shape[1] - 1 - tail), np.uint8)
    for path in range(words.shape[0]):
        for i in range(words.shape[1]):
            words[path, i] = paths[path, i + 1] >> (tail - 1)
    return words


@dataclass(frozen=True)
class ConvolutionalCode:
    """A feed-forward convolutional code, terminated by ``K - 1`` zero bits.

    Attributes:
        generators: octal numbers as written in the standards, one for each output.
        constraint_length: ``K``.
    """

    generators: tuple[int, ...]
    constraint_length: int

    def __post_init__(self) -> None:
        if not 2 <= self.constraint_length <= 15 or not 1 <= len(self.generators) <= 8:
            raise ValueError(
                f"constraint length {self.constraint_length} and {len(self.generators)} "
                "generators; choose 2 to 15 and 1 to 8"
            )
        for generator in self.generators:
            ends = generator >> (self.constraint_length - 1), generator & 1
            if ends != (1, 1):
                raise ValueError(
                    f"generator {generator:o} (octal) does not have the first and the last of "
                    f"{self.constraint_length} taps"
                )

    @property
    def tail(self) -> int:
        """Zero bits that end a block."""
        return self.constraint_length - 1

    @cached_property
    def _outputs(self) -> NDArray[np.uint8]:
        """Output word for each state and input bit, first generator in the highest bit."""
        states = 1 << self.tail
        register = np.arange(states)[:, None] | (np.arange(2)[None, :] << self.tail)
        words = np.zeros((states, 2), np.uint8)
        for generator in self.generators:
            taps = register & generator
            parity = np.zeros_like(taps)
            for place in range(self.constraint_length):
                parity ^= (taps >> place) & 1
            words <<= 1
            words |= parity.astype(np.uint8)
        return words

    def coded_length(self, n_bits: int) -> int:
        """Coded bits of a block of ``n_bits``, tail included."""
        return (n_bits + self.tail) * len(self.generators)

    def encode(self, bits: ArrayLike) -> BitArray:
        """Encode blocks: ``[blocks, n]`` to ``[blocks, coded_length(n)]``.

        The outputs of the generators take turns, as in TS 25.212.
        """
        array = np.atleast_2d(np.asarray(bits, dtype=np.uint8))
        padded = np.zeros((array.shape[0], array.shape[1] + self.tail), np.uint8)
        padded[:, : array.shape[1]] = array
        return np.asarray(_encode(padded, self._outputs, len(self.generators)))

    def decode(self, llr: FloatArray) -> BitArray:
        """Most likely block (Viterbi).

        Args:
            llr: ``[coded_length(n)]`` log-likelihood ratios ``log p(0)/p(1)``.

        Returns:
            ``[n]`` bits.

        Raises:
            ValueError: a length that is none of a coded block.
        """
        return self.decode_list(llr, 1)[0]

    def decode_checked(self, llr: FloatArray, holds: WordCheck, count: int) -> BitArray:
        """The most likely block that passes a check, else the most likely one.

        Args:
            llr: ``[coded_length(n)]`` log-likelihood ratios ``log p(0)/p(1)``.
            holds: tells of words ``[m, n]`` which ``[m]`` pass, usually their CRC.
            count: how many of the most likely words may be tried.

        Returns:
            ``[n]`` bits.

        Raises:
            ValueError: a length that is none of a coded block.
        """
        best = self.decode_list(llr, 1)
        if count > 1 and not holds(best)[0]:
            words = self.decode_list(llr, count)
            return np.asarray(words[int(np.argmax(holds(words)))])
        return np.asarray(best[0])

    def decode_list(self, llr: FloatArray, count: int) -> BitArray:
        """The most likely blocks, the best first, for a CRC to choose from.

        The serial list Viterbi algorithm of Seshadri and Sundberg, "List Viterbi decoding
        algorithms with applications" (IEEE Trans. Commun. 42, 1994): one pass through the
        trellis, then a traceback for each block.

        Args:
            llr: ``[coded_length(n)]`` log-likelihood ratios ``log p(0)/p(1)``.
            count: how many.

        Returns:
            ``[found, n]`` bits, ``found <= count`` only where the code has no more words.

        Raises:
            ValueError: a length that is none of a coded block.
        """
        values = np.ascontiguousarray(llr, dtype=np.float32)
        rate = len(self.generators)
        if values.ndim != 1 or values.size % rate or values.size < rate * (self.tail + 1):
            raise ValueError(f"{list(values.shape)} is no shape of a block of this code")
        return np.asarray(_best_words(values, self._outputs, rate, self.tail, count))


UMTS_1_3 = ConvolutionalCode((0o557, 0o663, 0o711), 9)
"""Rate 1/3, constraint length 9, free distance 18 (TS 25.212, clause 4.2.3.1)."""

UMTS_1_2 = ConvolutionalCode((0o561, 0o753), 9)
"""Rate 1/2, constraint length 9, free distance 12 (TS 25.212, clause 4.2.3.1)."""


@lru_cache(maxsize=64)
def matching(mother: int, target: int) -> NDArray[np.int64]:
    """Which mother bit each of ``target`` sent bits is: evenly taken, then interleaved."""
    taken = np.arange(target, dtype=np.int64) * mother // target
    order = taken[permutation(target)]
    order.flags.writeable = False
    return order


def match_rate(coded: BitArray, length: int) -> BitArray:
    """Puncture or repeat coded bits evenly to ``length`` and interleave them.

    Args:
        coded: ``[blocks, n]``.
        length: bits to send for each block.

    Returns:
        ``[blocks, length]``. Neighbours of the code lie far apart, so that a symbol lost or a
        fade hits distant parts of the trellis.
    """
    return np.asarray(coded[:, matching(coded.shape[1], length)])


def recover_rate(llr: FloatArray, mother: int) -> FloatArray:
    """Undo :func:`match_rate` on log-likelihood ratios: copies are added, gaps are 0.

    Args:
        llr: ``[blocks, length]``.
        mother: coded bits of a block, ``n``.

    Returns:
        ``[blocks, n]``.
    """
    return combine_copies(llr, matching(mother, llr.shape[1]), mother)


def combine_copies(llr: FloatArray, order: NDArray[np.int64], mother: int) -> FloatArray:
    """Add up log-likelihood ratios of the same coded bit.

    Args:
        llr: ``[blocks, length]``.
        order: ``[length]``, which coded bit each of them is of.
        mother: coded bits of a block, ``n``.

    Returns:
        ``[blocks, n]``, 0 where there is none.
    """
    values = np.ascontiguousarray(llr, dtype=np.float32)
    return np.asarray(_add_copies(values, order, mother))


@njit(cache=True, nogil=True)
def _add_copies(
    llr: NDArray[np.float32], order: NDArray[np.int64], mother: int
) -> NDArray[np.float32]:
    combined = np.empty((llr.shape[0], mother), np.float32)
    total = np.empty(mother)
    for block in range(llr.shape[0]):
        total[:] = 0.0
        for i in range(order.size):
            total[order[i]] += llr[block, i]
        combined[block] = total
    return combined
