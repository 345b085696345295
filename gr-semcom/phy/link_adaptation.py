# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modulation and coding scheme to send bits with, as the channel is known.

The prediction is for white Gaussian noise of known variance and rests on measured block error
curves, see :mod:`semcom_phy.block_error_curve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1, log1p

from semcom_phy.block_error_curve import block_efficiency, curve_of
from semcom_phy.digital import max_bits
from semcom_phy.mcs_tables import modulation_coding


def failure_probability(n_bits: int, mcs: int, snr_db: float) -> float:
    """How likely a section is lost: ``1 - (1 - p)^C`` of its ``C`` code blocks.

    Args:
        n_bits: information bits of the section.
        mcs: index into :data:`semcom_phy.digital.MCS`, with an LDPC code.
        snr_db: Es/N0 of every symbol.

    Raises:
        ValueError: no bits, no such scheme, or one whose curves were not measured.
    """
    scheme = modulation_coding(mcs)
    section = scheme.code.segmentation(n_bits)
    lost = curve_of(mcs, section).error_rate(block_efficiency(scheme, section), snr_db)
    return 1.0 if lost >= 1.0 else -expm1(section.blocks * log1p(-lost))


def choose_mcs(
    channel_uses: int, snr_db: float, candidates: Sequence[int], target: float = 0.01
) -> int:
    """The scheme that carries most bits and is lost rarely enough.

    Args:
        channel_uses: symbols that there are for a section.
        snr_db: Es/N0 of every symbol.
        candidates: indices into :data:`semcom_phy.digital.MCS`, such as
            :data:`semcom_phy.mcs_tables.TABLE_2`.
        target: how often a section that fills the channel uses may be lost.

    Returns:
        The candidate with the most information bits among those lost at most that often; where
        all are lost more often, the one that is lost least.

    Raises:
        ValueError: no candidates, none of which a single bit fits, or one whose curves were not
            measured.
    """
    bits = {mcs: max_bits(channel_uses, mcs) for mcs in candidates}
    lost = {mcs: failure_probability(n, mcs, snr_db) for mcs, n in bits.items() if n > 0}
    if not lost:
        raise ValueError(
            f"none of {len(bits)} candidate schemes carries a bit in {channel_uses} channel uses"
        )
    reliable = [mcs for mcs, probability in lost.items() if probability <= target]
    if reliable:
        return max(reliable, key=lambda mcs: (bits[mcs], -lost[mcs]))
    return min(lost, key=lambda mcs: (lost[mcs], bits[mcs]))
