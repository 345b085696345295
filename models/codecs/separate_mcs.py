# SPDX-License-Identifier: GPL-3.0-or-later
"""How separate coding chooses a modulation and coding scheme, as options say it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from semcom_phy.digital import MCS, mcs_index
from semcom_phy.link_adaptation import failure_probability
from semcom_phy.mcs_tables import TABLE_1, TABLE_2

ADAPTIVE, HINDSIGHT = "adaptive", "hindsight"

CANDIDATES = tuple(sorted({*TABLE_1, *TABLE_2}))
"""What ``adaptive`` and ``hindsight`` choose from: all of TS 38.214, Tables 5.1.3.1-1 and -2."""

_DOUBT_DB = 1.0
_NEVER = 1e-3
_SHORT, _LONG = 8_000, 400_000  # bits of a section: a code block, and a photograph

_TABLES = {"table1": TABLE_1, "table2": TABLE_2}


class SeparateOptions(BaseModel):
    """Options of the schemes that send a standard codec's stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mcs: Annotated[
        str,
        Field(
            description="modulation and coding: adaptive (by the SNR that the receiver reports), "
            "one by its name (nr-16qam-2/3) or row of TS 38.214 (table1:13), or hindsight (of a "
            "sweep: the best of all for each SNR)"
        ),
    ] = ADAPTIVE

    @field_validator("mcs")
    @classmethod
    def _known(cls, text: str) -> str:
        if text not in (ADAPTIVE, HINDSIGHT):
            named_mcs(text)
        return text


def named_mcs(text: str) -> int:
    """The index of a scheme by its name or its row of a table.

    Args:
        text: such as ``nr-16qam-2/3`` or ``table2:20``.

    Raises:
        ValueError: no such scheme.
    """
    table, colon, row = text.partition(":")
    if not colon:
        return mcs_index(text)
    if table not in _TABLES or not row.isdecimal() or int(row) >= len(_TABLES[table]):
        raise ValueError(
            f"no MCS {text!r}: rows are table1:0 to table1:{len(TABLE_1) - 1} "
            f"and table2:0 to table2:{len(TABLE_2) - 1}"
        )
    return _TABLES[table][int(row)]


def hindsight_candidates(snr_db: float) -> tuple[str, ...]:
    """Schemes among which the best one for an SNR surely is, by name, the most robust first.

    The best one is none that fails more often than not, and none that carries fewer bits than
    another that never fails; a dB of doubt is left on both sides.

    Args:
        snr_db: Es/N0 that the pictures meet.
    """
    ranked = sorted(CANDIDATES, key=lambda mcs: MCS[mcs].efficiency)
    may_arrive = [
        mcs for mcs in ranked if failure_probability(_SHORT, mcs, snr_db + _DOUBT_DB) < 0.5
    ]
    never_fail = [
        mcs for mcs in ranked if failure_probability(_LONG, mcs, snr_db - _DOUBT_DB) < _NEVER
    ]
    least = MCS[never_fail[-1]].efficiency if never_fail else 0.0
    chosen = [mcs for mcs in may_arrive if MCS[mcs].efficiency >= least] or ranked[:1]
    return tuple(MCS[mcs].name for mcs in chosen)
