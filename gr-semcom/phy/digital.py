# SPDX-License-Identifier: GPL-3.0-or-later
"""The digital pipe: bits to symbols and noisy symbols back to bits.

A section's bits get a CRC, are cut into code blocks, coded, interleaved, scrambled and mapped:
the chain of TS 38.212 clause 7.2 and TS 38.211 clause 7.3.1, but for the scrambling sequence,
which is :func:`semcom_phy.interleaving.scrambling_bits` for want of a terminal to derive it from.
:data:`MCS` names what a section can be sent with.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from semcom_phy import qam
from semcom_phy.channel_codes import ChannelCode, Uncoded
from semcom_phy.exchange import (
    BitArray,
    BoolArray,
    ComplexArray,
    FloatArray,
    ReceivedDigital,
)
from semcom_phy.interleaving import scrambling_bits
from semcom_phy.mcs_tables import (
    MCS,
    SIDE_INFORMATION,
    ModulationCoding,
    mcs_index,
    modulation_coding,
)
from semcom_phy.segmentation import Segmentation

__all__ = [
    "MCS",
    "SIDE_INFORMATION",
    "ModulationCoding",
    "decode_symbols",
    "encode_bits",
    "max_bits",
    "mcs_index",
    "symbol_count",
]


def symbol_count(n_bits: int, mcs: int) -> int:
    """Symbols that a section takes on the air.

    Args:
        n_bits: information bits, at least 1.
        mcs: index into :data:`MCS`.

    Raises:
        ValueError: no bits, or no such scheme.
    """
    scheme = modulation_coding(mcs)
    section = scheme.code.segmentation(n_bits)
    return section.blocks * scheme.block_symbols(section)


def max_bits(symbols: int, mcs: int) -> int:
    """The longest section that fits.

    Args:
        symbols: how many there are.
        mcs: index into :data:`MCS`.

    Returns:
        The largest ``n_bits`` of which :func:`symbol_count` is at most ``symbols``; 0 where not
        even one bit fits.

    Raises:
        ValueError: no such scheme.
    """
    scheme = modulation_coding(mcs)
    longest = int(symbols * scheme.efficiency) + 1
    while longest > 0:
        # Longer sections take more symbols, but in one block more they may take a few fewer.
        blocks = scheme.code.segmentation(longest).blocks
        sizes = range(1, longest + 1)
        shorter = bisect_left(sizes, blocks, key=lambda n: scheme.code.segmentation(n).blocks)
        sizes = sizes[shorter:]
        fitting = bisect_right(sizes, symbols, key=lambda n: symbol_count(n, mcs))
        if fitting:
            return sizes[fitting - 1]
        longest = shorter
    return 0


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
    scheme = modulation_coding(mcs)
    array = np.asarray(bits)
    if array.ndim != 1:
        raise ValueError(f"a section's bits have one dimension, not {array.ndim}")
    if ((array != 0) & (array != 1)).any():
        raise ValueError("a section's bits must be 0 or 1")
    section = scheme.code.segmentation(array.size)
    length = scheme.block_symbols(section) * scheme.bits_per_symbol
    words = section.split(array.astype(np.uint8))
    coded = scheme.code.encode(section, words, length).reshape(-1)
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
        Hard decisions, whether every CRC holds, and up to where those of the code blocks do; ratios
        of bits without a code.

    Raises:
        ValueError: a number of symbols that does not belong to such a section.
    """
    scheme = modulation_coding(mcs)
    section = scheme.code.segmentation(n_bits)
    expected = section.blocks * scheme.block_symbols(section)
    if np.shape(symbols) != (expected,):
        raise ValueError(
            f"{n_bits} bits at MCS {mcs} take [{expected}] symbols, not {list(np.shape(symbols))}"
        )
    noise = np.broadcast_to(noise_var, expected).reshape(section.blocks, -1)
    if isinstance(scheme.code, Uncoded):
        return _decide(scheme, section, _ratios(scheme, symbols, noise, np.full(len(noise), True)))
    words = np.zeros((section.blocks, section.block), np.uint8)
    held = np.zeros(section.blocks, np.bool_)
    # Before anything is set aside for them: sections are as long as a header says.
    bits = np.count_nonzero(np.isfinite(noise), axis=1) * scheme.bits_per_symbol
    heard = bits >= section.block
    if heard.any():
        llr = _ratios(scheme, symbols, noise, heard)
        words[heard], held[heard] = _decode_blocks(scheme.code, section, llr)
    return section.join(words, held)


def _ratios(
    scheme: ModulationCoding, symbols: ComplexArray, noise: FloatArray, heard: BoolArray
) -> FloatArray:
    """Ratios ``[heard blocks, bits]`` of the blocks heard, of noise ``[blocks, symbols]``."""
    received = symbols.reshape(noise.shape)[heard].ravel()
    llr = qam.demap(received, noise[heard].ravel(), scheme.bits_per_symbol)
    scrambling = scrambling_bits(noise.size * scheme.bits_per_symbol)
    flipped = scrambling.reshape(len(noise), -1)[heard].ravel()
    np.negative(llr, out=llr, where=flipped.view(np.bool_))
    return llr.reshape(-1, noise.shape[1] * scheme.bits_per_symbol)


def _decide(scheme: ModulationCoding, section: Segmentation, llr: FloatArray) -> ReceivedDigital:
    """Bits without a code: those that were not heard too, which the ratios tell."""
    received = section.join(*scheme.code.decode(section, llr))
    return replace(received, llr=llr[:, : section.payload].reshape(-1)[: section.n_bits])


def _decode_blocks(
    code: ChannelCode, section: Segmentation, llr: FloatArray
) -> tuple[BitArray, BoolArray]:
    """Blocks, and which of them hold.

    Fewer ratios than a block has bits leave it undetermined. Such blocks are not tried: a header
    that tells of a long section, of which nothing else arrives, would keep the decoder busy.
    """
    words = np.zeros((llr.shape[0], section.block), np.uint8)
    held = np.zeros(llr.shape[0], np.bool_)
    heard = np.count_nonzero(llr, axis=1) >= section.block
    if heard.any():
        words[heard], held[heard] = code.decode(section, llr[heard])
    return words, held
