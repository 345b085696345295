# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of TJSCC: how a stream becomes symbols, and what the receiver must know of that.

All packets have one length, and those of one code rate follow each other, the most robust first.
How many of each rate there are travels as side information, with the mean colour of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from semcom_models.codecs.flat_picture import COLOUR_BITS
from semcom_models.codecs.unequal_protection import IndexArray
from semcom_phy.digital import symbol_count
from semcom_phy.exchange import BitArray, ComplexArray, ReceivedAnalog
from semcom_phy.qam import demap, map_bits
from semcom_phy.rcpc import RATES, decode_packets, encode_packets, payload_bits

PACKET_BITS = 1024
"""Coded bits of a packet, and a few more where the symbols leave some over."""

CONVOLUTIONAL_FROM_SNR_DB = {0: -np.inf, 1: 1.5, 2: 3.5}
"""Digital modes for the side information and the SNR from which each may be used, 1 dB above where
one of 1000 is lost."""

SIDE_INFORMATION_SHARE = 0.02
"""A less robust mode is considered only where side information would take more than this."""


@dataclass(frozen=True)
class Packets:
    """How the symbols of a picture are cut into packets.

    Attributes:
        count: packets, at least 1.
        length: coded bits of each.
    """

    count: int
    length: int

    @classmethod
    def of(cls, symbols: int) -> Packets:
        """The packets of so many complex symbols."""
        count = max(1, 2 * symbols // PACKET_BITS)
        return cls(count, 2 * symbols // count)

    @property
    def symbols(self) -> int:
        """Complex symbols that they take."""
        return -(-self.count * self.length // 2)

    @property
    def payloads(self) -> IndexArray:
        """Bits that a packet of each rate carries, ``[rates]``."""
        return np.array([payload_bits(self.length, rate) for rate in RATES])

    @property
    def side_bits(self) -> int:
        """Bits of the side information: the mean colour, and packets of all rates but the last."""
        return COLOUR_BITS + (len(RATES) - 1) * self.count.bit_length()

    def write_side(self, colour: BitArray, counts: IndexArray) -> BitArray:
        """The side information ``[side_bits]`` of packets of each rate, ``[rates]``."""
        places = np.arange(self.count.bit_length())[::-1]
        digits = (counts[:-1, np.newaxis] >> places) & 1
        return np.concatenate([colour, digits.reshape(-1).astype(np.uint8)])

    def read_side(self, bits: BitArray) -> IndexArray | None:
        """Packets of each rate, ``[rates]``; None where ``bits`` are no side information."""
        if bits.size != self.side_bits:
            return None
        places = np.arange(self.count.bit_length())[::-1]
        digits = bits[COLOUR_BITS:].reshape(len(RATES) - 1, -1).astype(np.int64)
        counts = (digits << places).sum(axis=1)
        last = self.count - int(counts.sum())
        return None if last < 0 else np.append(counts, last)

    def send(self, stream: bytes, counts: IndexArray) -> ComplexArray:
        """A stream, filled up with zeros, as ``[symbols]`` of unit power."""
        bits = np.unpackbits(np.frombuffer(stream, np.uint8))
        ends = np.cumsum(counts * self.payloads)
        bits = np.pad(bits, (0, int(ends[-1]) - bits.size))
        coded = [
            encode_packets(part.reshape(count, -1), self.length).reshape(-1)
            for part, count in zip(np.split(bits, ends[:-1]), counts.tolist(), strict=True)
            if count
        ]
        sent = np.concatenate(coded)
        return map_bits(np.pad(sent, (0, 2 * self.symbols - sent.size)), 2)

    def receive(self, section: ReceivedAnalog, counts: IndexArray) -> bytes:
        """The stream up to the first packet that was lost, in whole bytes."""
        llr = demap(section.symbols[0], section.noise_var[0], 2)[: self.count * self.length]
        payloads = np.repeat(self.payloads, counts).tolist()
        received = [np.zeros(0, np.uint8)]
        for row, payload in zip(llr.reshape(self.count, -1), payloads, strict=True):
            words, held = decode_packets(row[np.newaxis], payload)
            if not held[0]:
                break
            received.append(words[0])
        bits = np.concatenate(received)
        return np.packbits(bits[: bits.size // 8 * 8]).tobytes()


def packets_within(uses: int, snr_db: float) -> tuple[Packets, int] | None:
    """Packets that fit with their side information, and its MCS; None where nothing does.

    Args:
        uses: channel uses of the picture.
        snr_db: Es/N0 as the receiver reported it.
    """
    found = None
    for mcs, lowest_snr_db in CONVOLUTIONAL_FROM_SNR_DB.items():
        if found is not None and snr_db < lowest_snr_db:
            break
        # Fewer symbols for packets never need more side information.
        side = symbol_count(Packets.of(uses).side_bits, mcs)
        if side >= uses:
            continue
        found = Packets.of(uses - side), mcs
        if side <= SIDE_INFORMATION_SHARE * uses:
            break
    return found
