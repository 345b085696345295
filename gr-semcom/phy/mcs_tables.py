# SPDX-License-Identifier: GPL-3.0-or-later
"""Modulation and coding schemes by the index that a section and the frame header carry."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fractions import Fraction

from semcom_phy.channel_codes import (
    ChannelCode,
    NewRadioLDPC,
    RateMatchedConvolutional,
    Uncoded,
    WirelessLANLDPC,
)
from semcom_phy.convolutional import UMTS_1_2, UMTS_1_3
from semcom_phy.qam import BITS_PER_SYMBOL
from semcom_phy.segmentation import Segmentation


@dataclass(frozen=True)
class ModulationCoding:
    """A modulation and coding scheme.

    Attributes:
        name: short and unique.
        bits_per_symbol: modulation order ``Q_m``: 1, 2, 4, 6 or 8.
        code: the channel code.
        rate: its nominal rate, bits of a code block for each coded bit.
        description: modulation, code and what it is for.
    """

    name: str
    bits_per_symbol: int
    code: ChannelCode
    rate: Fraction
    description: str

    @property
    def efficiency(self) -> float:
        """Information bits a symbol, CRCs and tails aside; never more."""
        return float(self.rate * self.bits_per_symbol)

    def block_symbols(self, section: Segmentation) -> int:
        """Symbols of each code block: whole ones, so that blocks and symbols stay separable."""
        return -(-self.code.coded_length(section.block) // self.bits_per_symbol)


_CONVOLUTIONAL = (
    ModulationCoding(
        "side-information",
        2,
        RateMatchedConvolutional(UMTS_1_3, 3.0),
        Fraction(1, 9),
        "QPSK, TS 25.212 rate 1/3, every bit three times: outlives an analogue payload",
    ),
    ModulationCoding(
        "qpsk-conv-1/3",
        2,
        RateMatchedConvolutional(UMTS_1_3),
        Fraction(1, 3),
        "QPSK, TS 25.212 rate 1/3",
    ),
    ModulationCoding(
        "qpsk-conv-1/2",
        2,
        RateMatchedConvolutional(UMTS_1_2),
        Fraction(1, 2),
        "QPSK, TS 25.212 rate 1/2",
    ),
)

# Modulation and target code rate times 1024, as the standard prints them.
_QPSK_TABLE_1 = (120, 157, 193, 251, 308, 379, 449, 526, 602, 679)
_16QAM_TABLE_1 = (340, 378, 434, 490, 553, 616, 658)
_64QAM_TABLE_1 = (438, 466, 517, 567, 616, 666, 719, 772, 822, 873, 910, 948)
_TABLE_1 = (
    *(("QPSK", rate) for rate in _QPSK_TABLE_1),
    *(("16QAM", rate) for rate in _16QAM_TABLE_1),
    *(("64QAM", rate) for rate in _64QAM_TABLE_1),
)
_256QAM_TABLE_2 = (682.5, 711, 754, 797, 841, 885, 916.5, 948)
_TABLE_2 = (
    *(("QPSK", rate) for rate in (120, 193, 308, 449, 602)),
    *(("16QAM", rate) for rate in (378, 434, 490, 553, 616, 658)),
    *(("64QAM", rate) for rate in (466, 517, 567, 616, 666, 719, 772, 822, 873)),
    *(("256QAM", rate) for rate in _256QAM_TABLE_2),
)
_BASELINE_RATES = (Fraction(1, 2), Fraction(2, 3), Fraction(3, 4))


def _new_radio(modulation: str, rate: Fraction, written: str) -> ModulationCoding:
    order = BITS_PER_SYMBOL[modulation]
    return ModulationCoding(
        f"nr-{modulation.lower()}-{written}",
        order,
        NewRadioLDPC(rate, order),
        rate,
        f"{modulation}, TS 38.212 LDPC rate {written}",
    )


def _of_38214(modulation: str, rate_1024: float) -> ModulationCoding:
    return _new_radio(modulation, Fraction(rate_1024) / 1024, f"{rate_1024:g}/1024")


def _wireless_lan(modulation: str) -> ModulationCoding:
    order, rate = BITS_PER_SYMBOL[modulation], Fraction(3, 4)
    return ModulationCoding(
        f"wlan-{modulation.lower()}-{rate}",
        order,
        WirelessLANLDPC(),
        rate,
        f"{modulation}, IEEE 802.11n LDPC rate {rate}, blocks of 1944",
    )


def _uncoded(modulation: str) -> ModulationCoding:
    return ModulationCoding(
        f"uncoded-{modulation.lower()}",
        BITS_PER_SYMBOL[modulation],
        Uncoded(),
        Fraction(1),
        f"{modulation} without a code: hard decisions and their ratios",
    )


MCS: tuple[ModulationCoding, ...] = (
    *_CONVOLUTIONAL,
    *(_of_38214(*row) for row in _TABLE_1),
    *(_of_38214("256QAM", rate) for rate in _256QAM_TABLE_2),
    *(_new_radio(qam, rate, str(rate)) for qam in ("QPSK", "16QAM") for rate in _BASELINE_RATES),
    *(_wireless_lan(modulation) for modulation in ("QPSK", "16QAM")),
    *(_uncoded(modulation) for modulation in ("QPSK", "16QAM", "64QAM", "256QAM")),
)
"""Modulation and coding schemes by index. Indices are part of the format on the air: rows are
appended, never moved.

First the convolutional codes for headers and side information. Of sections of 1000 bits, one in
1000 is lost over Gaussian noise at an Es/N0 of -4.2 dB (side information), 0.5 dB (rate 1/3) and
2.5 dB (rate 1/2). Then 5G LDPC: all rows of the tables of TS 38.214, and the few rates that
papers on learned codes compare with, and the code of IEEE 802.11n that some of them take;
:mod:`semcom_phy.link_adaptation` knows what these can do. Last the plain modulations, for codecs
that want hard decisions or ratios of single bits.
"""


def modulation_coding(mcs: int) -> ModulationCoding:
    """The scheme of an index.

    Raises:
        ValueError: no such index in :data:`MCS`.
    """
    if not 0 <= mcs < len(MCS):
        raise ValueError(f"MCS {mcs} is not in the table; it has 0 to {len(MCS) - 1}")
    return MCS[mcs]


SIDE_INFORMATION = 0
"""The protection class of side information: of what a codec needs to make use of an analogue
payload, from 1 to some thousand bits. Fewer than one section in 1000 is lost at an Es/N0 of -3 dB,
where the payload itself is mostly noise."""

_INDEX = {scheme.name: index for index, scheme in enumerate(MCS)}


def mcs_index(name: str) -> int:
    """The index of a scheme in :data:`MCS`.

    Raises:
        ValueError: no scheme of that name; the message has the nearest names.
    """
    if name not in _INDEX:
        near = difflib.get_close_matches(name, _INDEX, n=3, cutoff=0.0)
        raise ValueError(f"no MCS {name!r}; the nearest are {', '.join(near)}")
    return _INDEX[name]


TABLE_1 = tuple(mcs_index(_of_38214(*row).name) for row in _TABLE_1)
"""Index in :data:`MCS` of each row of TS 38.214, Table 5.1.3.1-1 (up to 64QAM)."""

TABLE_2 = tuple(mcs_index(_of_38214(*row).name) for row in _TABLE_2)
"""Index in :data:`MCS` of each row of TS 38.214, Table 5.1.3.1-2 (up to 256QAM)."""
