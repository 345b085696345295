# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a code block is lost over white Gaussian noise, as measured.

A curve has two parameters. The block error rate is ``Q((snr_db - threshold_db) / spread_db)`` with
the tail ``Q`` of the normal distribution: the normal approximation for the best codes, linearised
in dB (Y. Polyanskiy, H. V. Poor, S. Verdú, "Channel coding rate in the finite blocklength regime",
IEEE Trans. Inf. Theory 56, 2010). The threshold is told by its distance from Shannon's limit at the
block's own efficiency, which changes little from one size to the next where the threshold itself
jumps with the rounding to whole symbols.

:mod:`semcom_phy.block_error_measurement` measures the curves of all LDPC schemes and makes the
file that is read here.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2, log10
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

from semcom_phy.mcs_tables import ModulationCoding, mcs_index, modulation_coding
from semcom_phy.segmentation import Segmentation

CURVES = Path(__file__).with_name("block_error_curves.csv")
"""The curves as measured."""


@dataclass(frozen=True)
class Count:
    """Code blocks sent at an Es/N0, and how many of them were lost."""

    snr_db: float
    blocks: int
    lost: int


@dataclass(frozen=True)
class BlockErrorCurve:
    """Block error rate over Es/N0.

    Attributes:
        block: bits of a block, CRC included.
        gap_db: from Shannon's limit at the block's efficiency to the Es/N0 at which every other
            block is lost.
        spread_db: from there on, the Es/N0 that makes for one standard deviation of the normal
            distribution: 16 % lost after one, 2.3 % after two.
    """

    block: int
    gap_db: float
    spread_db: float

    def error_rate(self, efficiency: float, snr_db: float) -> float:
        """Block error rate.

        Args:
            efficiency: of the block, in its bits a symbol.
            snr_db: Es/N0.
        """
        threshold_db = shannon_limit_db(efficiency) + self.gap_db
        return float(ndtr((threshold_db - snr_db) / self.spread_db))


def shannon_limit_db(efficiency: float) -> float:
    """The Es/N0 at which Gaussian symbols carry so many bits each: ``2^efficiency - 1``."""
    return 10.0 * log10(2.0**efficiency - 1.0)


def block_efficiency(scheme: ModulationCoding, section: Segmentation) -> float:
    """Bits of a code block, its CRC included, for each of its symbols."""
    return section.block / scheme.block_symbols(section)


def fit(counts: Sequence[Count]) -> tuple[float, float]:
    """The most likely curve through counts: threshold and spread in dB."""
    snr_db, blocks, lost = np.array([(c.snr_db, c.blocks, c.lost) for c in counts]).T

    def surprise(parameters: np.ndarray) -> float:
        distance = (parameters[0] - snr_db) / np.exp(parameters[1])
        return -float(lost @ log_ndtr(distance) + (blocks - lost) @ log_ndtr(-distance))

    middle = float(snr_db[np.argmin(np.abs(lost / blocks - 0.5))])
    found = minimize(surprise, [middle, np.log(0.3)], method="Nelder-Mead").x
    return float(found[0]), float(np.exp(found[1]))


@lru_cache(maxsize=1)
def _curves() -> dict[tuple[int, int], list[BlockErrorCurve]]:
    """Curves by scheme and longest block, which tells the base graph; shortest blocks first."""
    curves: dict[tuple[int, int], list[BlockErrorCurve]] = {}
    with CURVES.open(newline="") as file:
        for row in csv.DictReader(file):
            mcs = mcs_index(row["mcs"])
            scheme = modulation_coding(mcs)
            section = scheme.code.segmentation(int(row["section_bits"]))
            limit_db = shannon_limit_db(block_efficiency(scheme, section))
            gap_db = float(row["threshold_db"]) - limit_db
            curve = BlockErrorCurve(section.block, gap_db, float(row["spread_db"]))
            curves.setdefault((mcs, section.max_block), []).append(curve)
    for family in curves.values():
        family.sort(key=lambda curve: curve.block)
    return curves


def curve_of(mcs: int, section: Segmentation) -> BlockErrorCurve:
    """The curve of a section's blocks, between those measured.

    Longer and shorter ones count as the nearest measured. That flatters sections of less than 24
    bits: single bits by 0.5 dB, with the code of IEEE 802.11n by 1.2 dB.

    Args:
        mcs: index into :data:`semcom_phy.digital.MCS`.
        section: how that scheme's code cuts the section.

    Raises:
        ValueError: a scheme that was not measured.
    """
    family = _curves().get((mcs, section.max_block))
    if family is None:
        name = modulation_coding(mcs).name
        raise ValueError(
            f"the block error rates of MCS {mcs} ({name}) were not measured: "
            "choose one with an LDPC code"
        )
    sizes = [log2(curve.block) for curve in family]
    at = log2(section.block)
    gap_db = float(np.interp(at, sizes, [curve.gap_db for curve in family]))
    log_spread = float(np.interp(at, sizes, [np.log(curve.spread_db) for curve in family]))
    return BlockErrorCurve(section.block, gap_db, float(np.exp(log_spread)))
