# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the block error curves of all LDPC schemes.

``python -m semcom_phy.block_error_measurement`` makes the file that
:mod:`semcom_phy.block_error_curve` reads, anew after every change of codes, decoder or demapper.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from semcom_phy.awgn import send_bits
from semcom_phy.block_error_curve import (
    CURVES,
    Count,
    block_efficiency,
    fit,
    shannon_limit_db,
)
from semcom_phy.channel_codes import NewRadioLDPC, WirelessLANLDPC
from semcom_phy.mcs_tables import MCS, ModulationCoding

_SECTION_BITS = (24, 50, 100, 170, 292, 293, 600, 1434, 3824, 3825, 5800, 8424)
"""Sections of a single block. The base graph changes between neighbours that differ by one."""

_BATCH_BITS = 1 << 20
_MEASURED_BITS = 1_200_000
_MOST_BLOCKS = 1000
_SEARCH_BLOCKS = 40
_SEARCH_DB = 0.1
_TAIL = ((0.5, 0.5), (1.3, 0.75), (2.0, 1.0), (2.5, 1.75))
"""Standard deviations above the threshold, and shares of the blocks that are sent there."""


def count_lost(
    scheme: ModulationCoding, section_bits: int, snr_db: float, blocks: int, seed: int
) -> Count:
    """Send code blocks through the pipe's own coding, mapping, demapping and decoding.

    Args:
        scheme: with what.
        section_bits: of a section of a single block, whose blocks are sent.
        snr_db: Es/N0.
        blocks: how many.
        seed: of bits and noise.
    """
    section = scheme.code.segmentation(section_bits)
    order = scheme.bits_per_symbol
    length = scheme.block_symbols(section) * order
    rng = np.random.default_rng([seed, section.block])
    batch = max(1, _BATCH_BITS // length)
    lost = 0
    for begin in range(0, blocks, batch):
        words = rng.integers(0, 2, (min(batch, blocks - begin), section.block), np.uint8)
        llr = send_bits(scheme.code.encode(section, words, length), order, snr_db, rng)
        decoded, _ = scheme.code.decode(section, llr)
        lost += int((decoded != words).any(axis=1).sum())
    return Count(snr_db, blocks, lost)


def _search(scheme: ModulationCoding, section_bits: int, seed: int) -> list[Count]:
    """Find where every other block arrives: up from Shannon's limit, then by halves."""
    counts: list[Count] = []

    def mostly_lost(snr_db: float) -> bool:
        seed_here = seed + len(counts)
        counts.append(count_lost(scheme, section_bits, snr_db, _SEARCH_BLOCKS, seed_here))
        return counts[-1].lost > _SEARCH_BLOCKS / 2

    efficiency = block_efficiency(scheme, scheme.code.segmentation(section_bits))
    high = shannon_limit_db(efficiency) + 1.0
    while mostly_lost(high):
        high += 1.0
    low = high - 1.0
    while high - low > _SEARCH_DB:
        middle = (low + high) / 2
        if mostly_lost(middle):
            low = middle
        else:
            high = middle
    return counts


def measure(scheme: ModulationCoding, section_bits: int, seed: int) -> list[Count]:
    """Find where blocks begin to arrive, and count above, where few are lost.

    Args:
        scheme: with what.
        section_bits: of a section of a single block, whose blocks are sent.
        seed: of bits and noise.
    """
    counts = _search(scheme, section_bits, seed)
    blocks = min(_MEASURED_BITS // scheme.code.segmentation(section_bits).block, _MOST_BLOCKS)
    for deviations, share in _TAIL:
        threshold_db, spread_db = fit(counts)
        snr_db, number = threshold_db + deviations * spread_db, int(share * blocks)
        counts.append(count_lost(scheme, section_bits, snr_db, number, seed + len(counts)))
    return counts


def measured_sections() -> Iterator[tuple[ModulationCoding, int]]:
    """Schemes with sections of one block: the ends of each base graph's range, and some between."""
    for scheme in MCS:
        if not isinstance(scheme.code, NewRadioLDPC | WirelessLANLDPC):
            continue
        cut = scheme.code.segmentation
        single = [bits for bits in _SECTION_BITS if cut(bits).blocks == 1]
        for bits in single:
            if bits - 1 not in single or cut(bits - 1).max_block != cut(bits).max_block:
                yield scheme, bits


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m semcom_phy.block_error_measurement",
        description="Measure the block error curves of all LDPC schemes.",
    )
    parser.add_argument("--output", type=Path, default=CURVES, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["mcs", "section_bits", "threshold_db", "spread_db", "blocks", "lost"])
        for scheme, section_bits in measured_sections():
            counts = measure(scheme, section_bits, options.seed)
            threshold_db, spread_db = fit(counts)
            blocks, lost = sum(c.blocks for c in counts), sum(c.lost for c in counts)
            row = [scheme.name, section_bits, f"{threshold_db:.3f}", f"{spread_db:.3f}"]
            writer.writerow([*row, blocks, lost])
            file.flush()


if __name__ == "__main__":
    main()
