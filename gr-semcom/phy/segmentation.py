# SPDX-License-Identifier: GPL-3.0-or-later
"""A section's bits to code blocks and back: 3GPP TS 38.212, clauses 5.2.2 and 7.2.1.

Two departures from the standard. Its transport block sizes divide evenly into blocks (TS 38.214,
clause 5.1.3.2); a section may have any number of bits, so zeros fill up its last block. And
checks can be computed as if ones stood before the word, which the standard does for control
information alone: a decoder makes zeros of what it has not heard, and zeros would pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semcom_phy import crc
from semcom_phy.crc import CRC
from semcom_phy.exchange import BitArray, BoolArray, ReceivedDigital


@dataclass(frozen=True)
class Check:
    """How a word is checked.

    Attributes:
        crc: with which polynomial.
        ones_prepended: computed as if ones stood before the word: zeros do not pass.
    """

    crc: CRC
    ones_prepended: bool = True

    def attach(self, words: BitArray) -> BitArray:
        """``[..., n]`` to ``[..., n + L]``."""
        return crc.attach(words, self.crc, ones_prepended=self.ones_prepended)

    def holds(self, words: BitArray) -> BoolArray:
        """Which of the words ``[..., n + L]`` pass."""
        return crc.check(words, self.crc, ones_prepended=self.ones_prepended)


@dataclass(frozen=True)
class Segmentation:
    """How a section is cut.

    Attributes:
        n_bits: information bits of the section, at least 1.
        section_check: over all of them.
        block_check: over each block, where there are several.
        max_block: longest block in bits, check included, ``K_cb``.

    Raises:
        ValueError: no bits.
    """

    n_bits: int
    section_check: Check
    block_check: Check
    max_block: int

    def __post_init__(self) -> None:
        if self.n_bits < 1:
            raise ValueError(f"a digital section of {self.n_bits} bits; it needs at least one")

    @property
    def _checked_bits(self) -> int:
        return self.n_bits + self.section_check.crc.length

    @property
    def blocks(self) -> int:
        """Code blocks, ``C``."""
        if self._checked_bits <= self.max_block:
            return 1
        return -(-self._checked_bits // (self.max_block - self.block_check.crc.length))

    @property
    def payload(self) -> int:
        """Bits of a block without its own check."""
        return -(-self._checked_bits // self.blocks)

    @property
    def block(self) -> int:
        """Bits of a block, ``K'``."""
        return self.payload + (self.block_check.crc.length if self.blocks > 1 else 0)

    def split(self, bits: BitArray) -> BitArray:
        """A section ``[n_bits]`` as blocks ``[blocks, block]``, checks attached."""
        checked = self.section_check.attach(bits)
        words = np.pad(checked, (0, self.blocks * self.payload - checked.size))
        words = words.reshape(self.blocks, self.payload)
        return self.block_check.attach(words) if self.blocks > 1 else words

    def holds(self, words: BitArray) -> BoolArray:
        """Which of the blocks ``[..., block]`` pass the check that each of them has."""
        return (self.block_check if self.blocks > 1 else self.section_check).holds(words)

    def join(self, words: BitArray, held: BoolArray) -> ReceivedDigital:
        """Blocks ``[blocks, block]`` as a section.

        Args:
            words: the blocks.
            held: ``[blocks]``, which of them can be relied on.

        Returns:
            The section. Where all blocks seem good and the whole is not, no bit is valid: a block
            deceived its check, nobody knows which one.
        """
        checked = words[:, : self.payload].reshape(-1)[: self._checked_bits]
        bits = checked[: self.n_bits].copy()
        if not held.all():
            return ReceivedDigital(
                bits, ok=False, valid_bits=min(int(np.argmin(held)) * self.payload, self.n_bits)
            )
        ok = bool(self.section_check.holds(checked))
        return ReceivedDigital(bits, ok, self.n_bits if ok else 0)
