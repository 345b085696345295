# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots of the radio signal: constellations and spectra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ota_runner.figure_style import ASKED, LOST, MEASURED, plain, spread
from ota_runner.record import PictureRecord
from ota_runner.signal_records import STEP, SignalRecord, SymbolRecord
from semcom_phy.qam import BITS_PER_SYMBOL, constellation

KINDS_SHOWN = 4
"""Modulations and codes that constellations are drawn of at most, those most used."""

PICTURES_SHOWN = 4
"""Pictures whose symbols a constellation has at most, evenly spread over a run."""


def signal_figures(
    records: Sequence[PictureRecord],
    signals: Mapping[int, SignalRecord],
    sample_rate: float | None,
) -> list[dict[str, Any]]:
    """All that can be drawn of the signals of a run.

    Args:
        records: of its pictures.
        signals: by picture number.
        sample_rate: in samples per second, None where there is no waveform.
    """
    names = {record.picture: record.name for record in records}
    kinds = Counter(
        (symbols.mcs, symbols.bits_per_symbol) for s in signals.values() for symbols in s.symbols
    )
    figures = [
        _constellation(mcs, bits_per_symbol, names, signals)
        for (mcs, bits_per_symbol), _ in kinds.most_common(KINDS_SHOWN)
    ]
    spectrum = None if sample_rate is None else _spectrum(signals.values(), sample_rate)
    return figures if spectrum is None else [*figures, spectrum]


def _constellation(
    mcs: str | None,
    bits_per_symbol: int | None,
    names: Mapping[int, str],
    signals: Mapping[int, SignalRecord],
) -> dict[str, Any]:
    """Received symbols of one kind of section, and the points that were sent."""
    sections = [
        (names.get(picture, str(picture)), symbols)
        for picture, signal in signals.items()
        for symbols in signal.symbols
        if (symbols.mcs, symbols.bits_per_symbol) == (mcs, bits_per_symbol)
    ]
    figure = go.Figure()
    for index in spread(len(sections), PICTURES_SHOWN):
        name, symbols = sections[index]
        figure.add_scatter(**_points(symbols), name=name, marker={"size": 4, "opacity": 0.6})
    if bits_per_symbol in BITS_PER_SYMBOL.values():
        points = constellation(bits_per_symbol)
        figure.add_scatter(
            x=points.real.tolist(),
            y=points.imag.tolist(),
            mode="markers",
            name="as sent",
            marker={"symbol": "cross-thin", "size": 7, "line": {"width": 1.5, "color": LOST}},
            hoverinfo="skip",
        )
    farthest = max(1.5, _reach([symbols for _, symbols in sections]))
    figure.update_xaxes(range=[-farthest, farthest], zeroline=True)
    figure.update_yaxes(range=[-farthest, farthest], zeroline=True, scaleanchor="x")
    what = "analogue symbols" if mcs is None else mcs
    return plain(figure, f"Constellation, {what}", "in phase", "quadrature")


def _points(symbols: SymbolRecord) -> dict[str, Any]:
    return {
        "x": [round(part * STEP, 3) for part in symbols.i],
        "y": [round(part * STEP, 3) for part in symbols.q],
        "mode": "markers",
        "hovertemplate": "%{x:.2f}, %{y:.2f}<extra>%{fullData.name}</extra>",
    }


def _reach(sections: Sequence[SymbolRecord]) -> float:
    """Amplitude that holds all but the farthest symbols in a hundred."""
    parts = np.abs([part for symbols in sections for part in (*symbols.i, *symbols.q)])
    return float(np.quantile(parts, 0.995)) * STEP * 1.1


def _spectrum(signals: Iterable[SignalRecord], sample_rate: float) -> dict[str, Any] | None:
    """Mean power density over the pictures, as sent and as received."""
    records, figure = list(signals), go.Figure()
    for kind, colour in (("received", MEASURED), ("sent", ASKED)):
        antennas = _mean([getattr(record, f"{kind}_db") for record in records])
        for antenna, density in enumerate(antennas, start=1):
            offset = (np.arange(density.size) / density.size - 0.5) * sample_rate / 1e3
            figure.add_scatter(
                x=offset.round(3).tolist(),
                y=(10 * np.log10(density)).round(2).tolist(),
                mode="lines",
                name=kind if len(antennas) == 1 else f"{kind}, antenna {antenna}",
                line={"width": 1.5, "color": colour, "dash": "solid" if antenna == 1 else "dot"},
                hovertemplate="%{y:.1f} dB at %{x:.0f} kHz<extra>%{fullData.name}</extra>",
            )
    if not figure.data:
        return None
    return plain(figure, "Spectrum", "frequency offset in kHz", "dB per Hz", wide=True)


def _mean(spectra: Sequence[Sequence[Sequence[float]]]) -> list[NDArray[np.float64]]:
    """Mean of densities in dB ``[antennas][bins]``, those of unlike shape aside, as powers."""
    known = [np.array(antennas) for antennas in spectra if antennas]
    alike = [densities for densities in known if densities.shape == known[0].shape]
    return list(np.mean(10 ** (np.stack(alike) / 10), axis=0)) if alike else []
