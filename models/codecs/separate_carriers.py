# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries the stream of a picture: 5G LDPC and QAM, or an ideal code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from semcom_models.codecs.separate_mcs import CANDIDATES
from semcom_phy.capacity import capacity_bits
from semcom_phy.digital import MCS, max_bits, symbol_count
from semcom_phy.exchange import BitArray, CapacitySection, DigitalSection
from semcom_phy.link_adaptation import choose_mcs, failure_probability

MARGIN_DB = 0.3
"""By how much ``adaptive`` believes the channel to be worse than it was told.

Block error curves are fitted where blocks fail often; above, codes of rate 3/4 and more fail a
little more often than the fits say: of photographs in 48,000 symbols of 256QAM at rate 797/1024,
3 in 100 at 0.1 and 0.2 dB above the SNR at which :data:`TARGET` is predicted, 1 in 100 at 0.3 dB,
none in 60 at 0.5 dB. And SNRs that a receiver estimates over the simulated waveform scatter by
0.03 to 0.08 dB from picture to picture.
"""

TARGET = 1e-3
"""Share of pictures that ``adaptive`` accepts to lose: the error of a lost one is a hundred times
as large, while the next scheme would lower that of the others by a tenth."""


class Carrier(Protocol):
    """Sends streams in a given number of channel uses."""

    def most_bits(self, uses: int) -> int:
        """How long a stream may be, in bits; 0 where none fits."""
        ...

    def section(self, bits: BitArray, uses: int) -> DigitalSection | CapacitySection | None:
        """A stream of at most so many bits; None where it takes more than ``uses`` all the same.

        A shorter section of one code block more can take a few symbols more.
        """
        ...


@dataclass(frozen=True)
class FixedMCS:
    """One modulation and coding scheme, whatever the channel.

    Attributes:
        mcs: index into :data:`semcom_phy.digital.MCS`.
    """

    mcs: int

    def most_bits(self, uses: int) -> int:
        return max_bits(uses, self.mcs)

    def section(self, bits: BitArray, uses: int) -> DigitalSection | None:
        fits = symbol_count(bits.size, self.mcs) <= uses
        return DigitalSection(bits, self.mcs) if fits else None


@dataclass(frozen=True)
class AdaptiveMCS:
    """The scheme that carries most at an SNR and then, of those that carry the stream, the safest.

    Source codecs have steps: what a stream leaves over of the channel uses pays for a more robust
    scheme.

    Attributes:
        snr_db: Es/N0 as the receiver reported it.
    """

    snr_db: float

    def most_bits(self, uses: int) -> int:
        candidates = [mcs for mcs in CANDIDATES if symbol_count(8, mcs) <= uses]
        if not candidates:
            return 0
        snr_db = self.snr_db - MARGIN_DB
        return max_bits(uses, choose_mcs(uses, snr_db, candidates, TARGET))

    def section(self, bits: BitArray, uses: int) -> DigitalSection | None:
        fitting = [mcs for mcs in CANDIDATES if symbol_count(bits.size, mcs) <= uses]
        safest = min(fitting, key=lambda mcs: self._risk(bits.size, mcs), default=None)
        return None if safest is None else DigitalSection(bits, safest)

    def _risk(self, n_bits: int, mcs: int) -> tuple[float, float]:
        risk = failure_probability(n_bits, mcs, self.snr_db - MARGIN_DB)
        return risk, MCS[mcs].efficiency


@dataclass(frozen=True)
class IdealCode:
    """A code that reaches the capacity of the AWGN channel.

    Attributes:
        snr_db: Es/N0 as the receiver reported it.
    """

    snr_db: float

    def most_bits(self, uses: int) -> int:
        # In single precision, as links tell of their noise: what fits here must fit there.
        noise_var = np.full(uses, 10 ** (-self.snr_db / 10), np.float32)
        return int(capacity_bits(noise_var) * (1 - 1e-7))

    def section(self, bits: BitArray, uses: int) -> CapacitySection:
        return CapacitySection(bits, uses)
