# SPDX-License-Identifier: GPL-3.0-or-later
"""The digital pipe: bits to symbols and noisy symbols back to bits.

A section's bits get a CRC, are cut into code blocks as TS 38.212 does (clauses 5.1 and 5.2.2),
coded, interleaved, scrambled and mapped. :data:`MCS` names what a section can be sent with; a
channel code joins by fulfilling :class:`ChannelCode` and being named in that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from semcom_phy import qam
from semcom_phy.convolutional import (
    UMTS_1_2,
    UMTS_1_3,
    ConvolutionalCode,
    WordCheck,
    match_rate,
    recover_rate,
)
from semcom_phy.crc import CRC24A, CRC24B, attach, check
from semcom_phy.exchange import BitArray, BoolArray, ComplexArray, FloatArray, ReceivedDigital
from semcom_phy.interleaving import scrambling_bits


class ChannelCode(Protocol):
    """A block code with its own rate matching and bit interleaving."""

    @property
    def max_block(self) -> int:
        """Longest block in bits, CRC included."""
        ...

    def coded_length(self, n_bits: int) -> int:
        """Bits to send for a block of ``n_bits`` at this code's rate."""
        ...

    def encode(self, blocks: BitArray, length: int) -> BitArray:
        """``[blocks, n]`` bits to ``[blocks, length]`` coded bits, ``length`` near nominal."""
        ...

    def decode(self, llr: FloatArray, n_bits: int, holds: WordCheck) -> BitArray:
        """``[blocks, length]`` ratios ``log p(0)/p(1)`` to ``[blocks, n_bits]`` bits.

        ``holds`` tells which words ``[..., n_bits]`` pass the CRC of their block; a decoder may
        use it to stop or to choose.
        """
        ...


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

    @property
    def max_block(self) -> int:
        """Bounds the decoder's memory, a KiB a bit; the tails cost 0.2 %."""
        return 4096

    def coded_length(self, n_bits: int) -> int:
        """Bits to send for a block of ``n_bits``, tail and repetitions included."""
        return int(np.ceil(self.repetition * self.mother.coded_length(n_bits)))

    def encode(self, blocks: BitArray, length: int) -> BitArray:
        """``[blocks, n]`` bits to ``[blocks, length]`` coded and interleaved bits."""
        return match_rate(self.mother.encode(blocks), length)

    def decode(self, llr: FloatArray, n_bits: int, holds: WordCheck) -> BitArray:
        """``[blocks, length]`` ratios to ``[blocks, n_bits]`` bits, see :class:`ChannelCode`."""
        rows = recover_rate(llr, self.mother.coded_length(n_bits))
        return np.stack([self.mother.decode_checked(row, holds, self.paths) for row in rows])


@dataclass(frozen=True)
class ModulationCoding:
    """A row of the table of modulation and coding schemes.

    Attributes:
        name: short and unique.
        bits_per_symbol: modulation order ``Q_m``: 1, 2, 4, 6 or 8.
        code: the channel code.
        rate: its nominal rate, information bits for each coded bit.
        description: what it is for.
    """

    name: str
    bits_per_symbol: int
    code: ChannelCode
    rate: float
    description: str

    @property
    def efficiency(self) -> float:
        """Information bits a symbol, CRC and tails aside."""
        return self.rate * self.bits_per_symbol


MCS: tuple[ModulationCoding, ...] = (
    ModulationCoding(
        "side-information",
        2,
        RateMatchedConvolutional(UMTS_1_3, 3.0),
        1 / 9,
        "QPSK, TS 25.212 rate 1/3, every bit three times: outlives an analogue payload",
    ),
    ModulationCoding(
        "qpsk-conv-1/3", 2, RateMatchedConvolutional(UMTS_1_3), 1 / 3, "QPSK, TS 25.212 rate 1/3"
    ),
    ModulationCoding(
        "qpsk-conv-1/2", 2, RateMatchedConvolutional(UMTS_1_2), 1 / 2, "QPSK, TS 25.212 rate 1/2"
    ),
)
"""Modulation and coding schemes by the index that a section and the frame header carry. Indices
are part of the format on the air: rows are appended, never moved.

Of sections of 1000 bits, one in 1000 is lost over Gaussian noise at an Es/N0 of -4.2 dB
(side information), 0.5 dB (rate 1/3) and 2.5 dB (rate 1/2).
"""


@dataclass(frozen=True)
class _Layout:
    """How a section's bits are cut: ``blocks`` of ``block`` bits, ``filler`` zeros at the end."""

    blocks: int
    block: int
    filler: int
    coded: int


def _scheme(mcs: int) -> ModulationCoding:
    if not 0 <= mcs < len(MCS):
        raise ValueError(f"MCS {mcs} is not in the table; it has 0 to {len(MCS) - 1}")
    return MCS[mcs]


def _layout(n_bits: int, scheme: ModulationCoding) -> _Layout:
    """Code block segmentation, TS 38.212 clause 5.2.2."""
    if n_bits < 1:
        raise ValueError(f"a digital section of {n_bits} bits; it needs at least one")
    transport = n_bits + CRC24A.length
    longest = scheme.code.max_block
    blocks = 1 if transport <= longest else -(-transport // (longest - CRC24B.length))
    payload = -(-transport // blocks)
    block = payload + (CRC24B.length if blocks > 1 else 0)
    # Each block fills whole symbols, so that blocks and symbols stay separable.
    order = scheme.bits_per_symbol
    coded = -(-scheme.code.coded_length(block) // order) * order
    return _Layout(blocks, block, blocks * payload - transport, coded)


def _transport_holds(words: BitArray) -> BoolArray:
    return check(words, CRC24A, ones_prepended=True)


def _segment_holds(words: BitArray) -> BoolArray:
    return check(words, CRC24B)


def symbol_count(n_bits: int, mcs: int) -> int:
    """Symbols that a section takes on the air.

    Args:
        n_bits: information bits, at least 1.
        mcs: index into :data:`MCS`.

    Raises:
        ValueError: no bits, or no such scheme.
    """
    scheme = _scheme(mcs)
    layout = _layout(n_bits, scheme)
    return layout.blocks * layout.coded // scheme.bits_per_symbol


def encode_bits(bits: ArrayLike, mcs: int) -> ComplexArray:
    """A section's bits as symbols.

    Args:
        bits: ``[n]`` of 0 and 1.
        mcs: index into :data:`MCS`.

    Returns:
        ``[symbol_count(n, mcs)]``, unit power on average over the constellation.

    Raises:
        ValueError: bits other than 0 and 1, none at all, or no such scheme.
    """
    scheme = _scheme(mcs)
    array = np.asarray(bits)
    if array.ndim != 1:
        raise ValueError(f"a section's bits have one dimension, not {array.ndim}")
    if ((array != 0) & (array != 1)).any():
        raise ValueError("a section's bits must be 0 or 1")
    layout = _layout(array.size, scheme)
    transport = attach(array.astype(np.uint8), CRC24A, ones_prepended=True)
    blocks = np.pad(transport, (0, layout.filler)).reshape(layout.blocks, -1)
    if layout.blocks > 1:
        blocks = attach(blocks, CRC24B)
    coded = scheme.code.encode(blocks, layout.coded).reshape(-1)
    return qam.map_bits(coded ^ scrambling_bits(coded.size), scheme.bits_per_symbol)


def decode_symbols(
    symbols: ComplexArray, noise_var: FloatArray | float, n_bits: int, mcs: int
) -> ReceivedDigital:
    """A section's bits from noisy symbols.

    Args:
        symbols: ``[symbol_count(n_bits, mcs)]``, unbiased.
        noise_var: complex noise variance, ``[k]`` or one for all; infinite where a symbol was
            lost, which then says nothing (ratio 0).
        n_bits: information bits of the section.
        mcs: index into :data:`MCS`.

    Returns:
        Hard decisions, whether every CRC holds, and up to where those of the code blocks do; no
        a-posteriori ratios.

    Raises:
        ValueError: a number of symbols that does not belong to such a section.
    """
    scheme = _scheme(mcs)
    layout = _layout(n_bits, scheme)
    expected = layout.blocks * layout.coded // scheme.bits_per_symbol
    if np.shape(symbols) != (expected,):
        raise ValueError(
            f"{n_bits} bits at MCS {mcs} take [{expected}] symbols, not {list(np.shape(symbols))}"
        )
    llr = qam.demap(symbols, noise_var, scheme.bits_per_symbol)
    signs = np.float32(1.0) - np.float32(2.0) * scrambling_bits(llr.size)
    holds = _segment_holds if layout.blocks > 1 else _transport_holds
    received = (llr * signs).reshape(layout.blocks, layout.coded)
    blocks = scheme.code.decode(received, layout.block, holds)
    held = holds(blocks)
    if layout.blocks > 1:
        blocks = blocks[:, : -CRC24B.length]
    transport = blocks.reshape(-1)[: n_bits + CRC24A.length]
    ok = bool(held.all() and _transport_holds(transport))
    if ok or held.all():
        # Where only the section's own CRC fails, a block deceived its: nobody knows which one.
        valid = n_bits if ok else 0
    else:
        valid = min(int(np.argmin(held)) * blocks.shape[1], n_bits)
    return ReceivedDigital(transport[:n_bits].copy(), ok, valid)
