# SPDX-License-Identifier: GPL-3.0-or-later
"""Symbols and spectra as runs record them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ota_runner.record import RunFolder
from ota_runner.signal_figures import signal_figures
from ota_runner.signal_records import STEP, SYMBOLS, SignalRecord, signal_record
from semcom_phy.digital import mcs_index
from semcom_phy.exchange import (
    AnalogSection,
    CodecLabel,
    DigitalSection,
    FloatArray,
    ReceivedAnalog,
    Transmission,
)
from semcom_phy.ideal import IdealLink
from semcom_phy.link import Spectra

RNG = np.random.default_rng(0)
SYMBOLS_SENT = np.exp(2j * np.pi * RNG.random((1, 20_000))).astype(np.complex64)
BITS = RNG.integers(0, 2, 3000).astype(np.uint8)
PICTURE = Transmission(
    (AnalogSection(SYMBOLS_SENT), DigitalSection(BITS, mcs_index("nr-16qam-490/1024"))),
    64,
    64,
    CodecLabel(1),
)


class Tapped(IdealLink):
    """An ideal link that makes up its spectra."""

    def __init__(self, sent: FloatArray | None, received: FloatArray | None) -> None:
        super().__init__()
        self._spectra = Spectra(sent, received)

    def spectra(self) -> Spectra:
        return self._spectra


def test_symbols_of_what_arrived() -> None:
    """Evenly spread, in their order; what was erased is left out."""
    link = IdealLink(snr_db=40.0, erase=[1])
    reception = link.transfer(PICTURE, 0)
    record = signal_record(0, reception, link)
    assert record is not None
    analogue, digital = record.symbols
    assert (analogue.mcs, analogue.bits_per_symbol, analogue.section) == (None, None, 0)
    assert (digital.mcs, digital.bits_per_symbol) == ("nr-16qam-490/1024", 4)
    symbols = (np.array(analogue.i) + 1j * np.array(analogue.q)) * STEP
    assert symbols.size == SYMBOLS
    assert np.abs(symbols) == pytest.approx(np.ones(SYMBOLS), abs=0.06)
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    arrived = SYMBOLS_SENT[0, ~section.erased[0]]
    places = np.linspace(0, arrived.size - 1, SYMBOLS).round().astype(int)
    assert np.abs(symbols - arrived[places]).max() < 0.06
    levels = np.array([1, 3]) / np.sqrt(10)
    nearest = np.abs(np.abs(np.array(digital.i)) * STEP - levels[:, None]).min(axis=0)
    assert nearest.max() < 0.06


def test_little_and_nothing() -> None:
    link = IdealLink(snr_db=40.0)
    few = Transmission((AnalogSection(SYMBOLS_SENT[:, :3]),), 8, 8, CodecLabel(1))
    record = signal_record(7, link.transfer(few, 0), link)
    assert record is not None
    assert len(record.symbols[0].i) == 3
    assert signal_record(7, None, link) is None


def test_spectra_in_decibels() -> None:
    """Silence and overflow have finite ones."""
    sent = np.array([[1e-6, 0.0, 1e-3]], np.float32)
    link = Tapped(sent, np.full((2, 4), np.inf, np.float32))
    record = signal_record(3, None, link)
    assert record is not None
    assert record.sent_db == ((-60.0, -250.0, -30.0),)
    assert record.received_db == ((250.0,) * 4,) * 2
    assert signal_record(3, None, Tapped(None, None)) is None


def test_records_come_back_bounded(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", "linear", "ideal")
    link = IdealLink(snr_db=40.0)
    record = signal_record(2, link.transfer(PICTURE, 0), link)
    assert record is not None
    folder.append_signals(record.model_copy(update={"picture": 1}))
    folder.append_signals(SignalRecord(picture=2))
    folder.append_signals(record)
    faults: list[str] = []
    assert folder.signals({2, 5}, faults) == {2: record}
    size = (tmp_path / "run" / "signals.jsonl").stat().st_size
    assert size < 2 * 2 * 15_000
    with (tmp_path / "run" / "signals.jsonl").open("a") as file:
        file.write('{"picture": 3, "symb')
    assert folder.signals({2}, faults) == {2: record}
    assert "left half written" in faults[0]
    folder.mend()
    assert (tmp_path / "run" / "signals.jsonl").stat().st_size == size


@pytest.mark.parametrize(
    "fields",
    [
        {"symbols": [{"section": 0, "i": [0] * (SYMBOLS + 1), "q": [0]}]},
        {"symbols": [{"section": 0, "i": [], "q": []}]},
        {"symbols": [{"section": 9, "i": [0], "q": [0]}]},
        {"symbols": [{"section": 0, "i": [0, 1], "q": [0]}]},
        {"symbols": [{"section": 0, "i": [1 << 40], "q": [0]}]},
        {"sent_db": [[0.0] * 5000]},
        {"sent_db": [[float("nan"), 0.0]]},
        {"sent_db": [[0.0, 1.0], [0.0]]},
        {"received_db": [[0.0, 0.0]] * 9},
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SignalRecord(picture=0, **fields)


def test_the_spectrum_is_a_mean_of_powers() -> None:
    signals = {
        0: SignalRecord(picture=0, sent_db=((0.0, -20.0),), received_db=((0.0, 0.0), (3.0, 3.0))),
        1: SignalRecord(picture=1, sent_db=((0.0, -200.0),)),
        2: SignalRecord(picture=2, sent_db=((0.0, 0.0, 0.0),)),
    }
    [figure] = signal_figures([], signals, 2000.0)
    lines = {trace["name"]: trace for trace in figure["data"]}
    assert list(lines) == ["received, antenna 1", "received, antenna 2", "sent"]
    assert lines["sent"]["x"] == [-1, 0]
    assert lines["sent"]["y"] == pytest.approx([0, -23.01], abs=0.01)
    assert signal_figures([], signals, None) == []
