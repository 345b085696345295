# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel codes of the digital pipe, all with the same face.

A code says how a section is cut into blocks for it, how many bits each block takes on the air,
and encodes and decodes all blocks of a section at once, rate matching and bit interleaving
included.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

import numpy as np

from semcom_phy.convolutional import ConvolutionalCode, match_rate, recover_rate
from semcom_phy.crc import CRC16, CRC24A, CRC24B
from semcom_phy.exchange import BitArray, BoolArray, FloatArray
from semcom_phy.ldpc import (
    LDPC5G,
    LDPC80211,
    WLAN_1944_3_4,
    bit_deinterleave,
    bit_interleave,
)
from semcom_phy.ldpc.base_graphs import select_base_graph
from semcom_phy.segmentation import Check, Segmentation

LDPC_ITERATIONS = 50
"""Iterations of the LDPC decoders. A block that has become a code word takes no more, so that these
are worth 0.1 dB over 20 and cost nothing where blocks arrive."""

_FEWEST_PARITY_BITS = 24

_UNCODED_BLOCK = 8192
"""Bits of a block that is sent as it is, its CRC included: the CRC takes 0.3 %."""


class ChannelCode(Protocol):
    """A block code with its own segmentation, rate matching and bit interleaving."""

    def segmentation(self, n_bits: int) -> Segmentation:
        """How a section of ``n_bits`` is cut.

        Raises:
            ValueError: no bits.
        """
        ...

    def coded_length(self, block: int) -> int:
        """Bits to send at least for a block of so many, never fewer for a longer block."""
        ...

    def encode(self, section: Segmentation, words: BitArray, length: int) -> BitArray:
        """Blocks ``[blocks, block]`` to ``[blocks, length]``, ``length`` at least nominal."""
        ...

    def decode(self, section: Segmentation, llr: FloatArray) -> tuple[BitArray, BoolArray]:
        """Ratios ``log p(0)/p(1)``, ``[blocks, length]``, to blocks and which of them hold.

        Any of a section's blocks, but not none; each with ratios other than 0.
        """
        ...


@dataclass(frozen=True)
class Uncoded:
    """No code but the CRCs, for bits that stand a few errors, or whose reader wants the ratios."""

    def segmentation(self, n_bits: int) -> Segmentation:
        return Segmentation(n_bits, Check(CRC24A), Check(CRC24B), _UNCODED_BLOCK)

    def coded_length(self, block: int) -> int:
        return block

    def encode(self, section: Segmentation, words: BitArray, length: int) -> BitArray:
        return words[:, np.arange(length) % section.block]

    def decode(self, section: Segmentation, llr: FloatArray) -> tuple[BitArray, BoolArray]:
        words = (llr[:, : section.block] < 0).astype(np.uint8)
        return words, section.holds(words)


@dataclass(frozen=True)
class RateMatchedConvolutional:
    """A convolutional code with every coded bit sent ``repetition`` times.

    Attributes:
        mother: the code.
        repetition: copies of each coded bit; below 1 the code is punctured.
        paths: most likely words among which the CRC chooses. Each one tried lets a wrong word
            pass with probability ``2**-24``.
    """

    mother: ConvolutionalCode
    repetition: float = 1.0
    paths: int = 16

    def segmentation(self, n_bits: int) -> Segmentation:
        # Blocks of 4096 bound the decoder's memory, a KiB a bit; their tails cost 0.2 %.
        return Segmentation(n_bits, Check(CRC24A), Check(CRC24B, ones_prepended=False), 4096)

    def coded_length(self, block: int) -> int:
        return int(np.ceil(self.repetition * self.mother.coded_length(block)))

    def encode(self, section: Segmentation, words: BitArray, length: int) -> BitArray:
        return match_rate(self.mother.encode(words), length)

    def decode(self, section: Segmentation, llr: FloatArray) -> tuple[BitArray, BoolArray]:
        rows = recover_rate(llr, self.mother.coded_length(section.block))
        words = [self.mother.decode_checked(row, section.holds, self.paths) for row in rows]
        blocks = np.stack(words)
        return blocks, section.holds(blocks)


@dataclass(frozen=True)
class NewRadioLDPC:
    """LDPC coding of the shared channels of 5G New Radio: 3GPP TS 38.212, clause 7.2.

    Base graph and section check follow from size and rate (clauses 7.2.1 and 7.2.2), blocks are
    rate-matched from redundancy version 0 without a limited buffer (5.4.2.1) and interleaved
    (5.4.2.2). Departures: those of :mod:`semcom_phy.segmentation`; blocks of equal length where
    the standard lets them differ by a symbol; and never fewer than 24 parity bits, without which
    some blocks of less than 300 bits are lost at the highest rates, however little the noise.

    Attributes:
        rate: ``R``.
        bits_per_symbol: ``Q_m``.
    """

    rate: Fraction
    bits_per_symbol: int

    def segmentation(self, n_bits: int) -> Segmentation:
        section_check = Check(CRC24A if n_bits > 3824 else CRC16)
        max_block = 8448 if select_base_graph(n_bits, float(self.rate)) == 1 else 3840
        return Segmentation(n_bits, section_check, Check(CRC24B), max_block)

    def coded_length(self, block: int) -> int:
        nominal = -(-block * self.rate.denominator // self.rate.numerator)
        return max(nominal, block + _FEWEST_PARITY_BITS)

    def encode(self, section: Segmentation, words: BitArray, length: int) -> BitArray:
        return bit_interleave(self._code(section, length).encode(words), self.bits_per_symbol)

    def decode(self, section: Segmentation, llr: FloatArray) -> tuple[BitArray, BoolArray]:
        code = self._code(section, llr.shape[1])
        words = code.decode(bit_deinterleave(llr, self.bits_per_symbol), LDPC_ITERATIONS)
        return words, section.holds(words)

    def _code(self, section: Segmentation, length: int) -> LDPC5G:
        base_graph = select_base_graph(section.n_bits, float(self.rate))
        return _new_radio_code(section.block, length, base_graph)


@lru_cache(maxsize=32)
def _new_radio_code(block: int, length: int, base_graph: int) -> LDPC5G:
    return LDPC5G(block, length, base_graph)


@dataclass(frozen=True)
class WirelessLANLDPC:
    """The LDPC code of IEEE 802.11n of length 1944 and rate 3/4.

    A block shorter than the code's 1458 bits is filled up with zeros that are not sent, all 486
    parity bits are, and the block's first bits come again where it must fill whole symbols
    (shortening and repetition, IEEE Std 802.11-2020 clause 19.3.11.7.5). Its other lengths and
    puncturing are left out: sections of less than some thousand bits cost more than rate 3/4.
    """

    def segmentation(self, n_bits: int) -> Segmentation:
        return Segmentation(n_bits, Check(CRC24A), Check(CRC24B), WLAN_1944_3_4.k)

    def coded_length(self, block: int) -> int:
        return block + WLAN_1944_3_4.n - WLAN_1944_3_4.k

    def encode(self, section: Segmentation, words: BitArray, length: int) -> BitArray:
        code = _wireless_lan_code(section.block)
        return code.encode(words)[:, np.arange(length) % code.n]

    def decode(self, section: Segmentation, llr: FloatArray) -> tuple[BitArray, BoolArray]:
        code = _wireless_lan_code(section.block)
        combined = llr[:, : code.n].copy()
        combined[:, : llr.shape[1] - code.n] += llr[:, code.n :]
        words = code.decode(combined, LDPC_ITERATIONS)
        return words, section.holds(words)


@lru_cache(maxsize=32)
def _wireless_lan_code(block: int) -> LDPC80211:
    return LDPC80211(block)
