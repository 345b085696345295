# SPDX-License-Identifier: GPL-3.0-or-later
"""What the radio signal of a picture looked like: symbols and spectra, as a run records them.

A line of ``signals.jsonl`` is bounded, some 15 kB a section and antenna at most, however large
the picture is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ota_runner.figure_style import spread
from semcom_phy.digital import MCS
from semcom_phy.exchange import (
    MAX_SECTIONS,
    FloatArray,
    ReceivedAnalog,
    Reception,
)
from semcom_phy.link import HasSpectra

SYMBOLS = 512
"""Symbols of a section that are recorded at most, evenly spread over it."""

STEP = 1e-3
"""In which the parts of a symbol are counted; the mean power of a picture's symbols is one."""

_FARTHEST = 1 << 15
_BINS = 4096
_ANTENNAS = 8
_LEAST, _MOST = 1e-25, 1e25
"""Densities beyond are written as these: silence has a logarithm too."""

_Parts = Annotated[
    tuple[Annotated[int, Field(ge=-_FARTHEST, le=_FARTHEST)], ...],
    Field(min_length=1, max_length=SYMBOLS),
]
_Decibels = Annotated[float, Field(ge=-250, le=250)]


def _alike(antennas: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    if len({len(antenna) for antenna in antennas}) > 1:
        raise ValueError("all antennas have as many frequencies")
    return antennas


_Spectra = Annotated[
    tuple[Annotated[tuple[_Decibels, ...], Field(min_length=2, max_length=_BINS)], ...],
    Field(max_length=_ANTENNAS),
    AfterValidator(_alike),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SymbolRecord(_Strict):
    """Equalised symbols of a section, of its first stream where it has several.

    Attributes:
        section: its place in the picture, from 0.
        mcs: name of its modulation and coding; None where it is analogue.
        bits_per_symbol: of the modulation; None where it is analogue.
        i, q: real and imaginary parts in :data:`STEP`.
    """

    section: Annotated[int, Field(ge=0, lt=MAX_SECTIONS)]
    mcs: str | None = None
    bits_per_symbol: Annotated[int, Field(ge=1, le=8)] | None = None
    i: _Parts
    q: _Parts

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if len(self.i) != len(self.q):
            raise ValueError(f"{len(self.i)} real parts for {len(self.q)} imaginary ones")
        return self


class SignalRecord(_Strict):
    """A line of ``signals.jsonl``.

    Attributes:
        picture: its number in the run.
        symbols: of its sections that arrived.
        sent_db, received_db: power density of the samples by antenna and frequency, in dB of
            their square per Hz, frequencies ascending from minus half the sample rate; empty
            where there is no waveform, or too little of it.
    """

    picture: int
    symbols: Annotated[tuple[SymbolRecord, ...], Field(max_length=MAX_SECTIONS)] = ()
    sent_db: _Spectra = ()
    received_db: _Spectra = ()


def signal_record(picture: int, reception: Reception | None, link: object) -> SignalRecord | None:
    """Record what is to be seen of a picture's signal.

    Args:
        picture: its number.
        reception: what arrived, None where nothing did.
        link: that carried it, or half of one; asked for the spectra since the picture before.

    Returns:
        None where there is nothing to be seen.
    """
    symbols = () if reception is None else tuple(_symbol_records(reception))
    sent_db, received_db = _spectra(link)
    if not (symbols or sent_db or received_db):
        return None
    return SignalRecord(picture=picture, symbols=symbols, sent_db=sent_db, received_db=received_db)


def _symbol_records(reception: Reception) -> Iterator[SymbolRecord]:
    entries = reception.header.sections
    for index, (entry, received) in enumerate(zip(entries, reception.sections, strict=True)):
        symbols = received.symbols
        if symbols is None:
            continue
        if isinstance(received, ReceivedAnalog):
            symbols = symbols[0, ~received.erased[0]]
        used = symbols[symbols != 0]
        if not used.size:
            continue
        shown = used[spread(used.size, SYMBOLS)]
        parts = np.stack((shown.real, shown.imag)) / STEP
        i, q = np.clip(parts.round(), -_FARTHEST, _FARTHEST).astype(int).tolist()
        scheme = MCS[entry.mcs] if entry.digital else None
        yield SymbolRecord(
            section=index,
            mcs=scheme.name if scheme else None,
            bits_per_symbol=scheme.bits_per_symbol if scheme else None,
            i=i,
            q=q,
        )


def _spectra(link: object) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """As sent and as received."""
    if not isinstance(link, HasSpectra):
        return (), ()
    spectra = link.spectra()
    return _decibels(spectra.sent), _decibels(spectra.received)


def _decibels(density: FloatArray | None) -> tuple[tuple[float, ...], ...]:
    if density is None:
        return ()
    bounded = np.clip(density.astype(np.float64), _LEAST, _MOST)
    return tuple(tuple(row) for row in np.round(10 * np.log10(bounded), 2).tolist())
