# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to samples."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from semcom_phy.clipping import clip_and_filter
from semcom_phy.exchange import ComplexArray, Precoder
from semcom_phy.fragments import Frame, payload_symbols
from semcom_phy.header import HEADER_SYMBOLS, encode_header
from semcom_phy.numerology import Numerology
from semcom_phy.ofdm import ofdm_modulate
from semcom_phy.payload_cells import to_cells
from semcom_phy.preamble import (
    cyclic_delay_phases,
    fill_symbols,
    pilot_grid,
    training_grid,
)
from semcom_phy.precoding import IdentityPrecoder


def header_grid(coded: ComplexArray, numerology: Numerology) -> ComplexArray:
    """The header's OFDM symbols, ``[header symbols, active carriers]``, every cell known.

    The receiver encodes what it decoded and trains on it.

    Args:
        coded: ``[HEADER_SYMBOLS]``, see :func:`semcom_phy.header.encode_header`.
        numerology: of the waveform.
    """
    cells, grid = _header_template(numerology)
    grid = grid.copy()
    grid.ravel()[cells] = coded
    return grid


@lru_cache(maxsize=8)
def _header_template(numerology: Numerology) -> tuple[NDArray[np.intp], ComplexArray]:
    """Where in a header's grid its symbols ``[HEADER_SYMBOLS]`` go, and the grid without them."""
    symbols, width = numerology.header_ofdm_symbols, numerology.data_carriers_per_symbol
    cells = np.arange(symbols * len(numerology.active_carriers)).reshape(symbols, -1)
    cells = cells[:, numerology.data_rows].ravel()
    grid = np.empty((symbols, len(numerology.active_carriers)), np.complex64)
    grid[:, numerology.pilot_rows] = pilot_grid(numerology)[:symbols]
    fill = fill_symbols(numerology)[0, : symbols * width - HEADER_SYMBOLS]
    grid.ravel()[cells[HEADER_SYMBOLS:]] = fill
    return cells[:HEADER_SYMBOLS], grid


class Modulator:
    """Makes bursts of complex samples of frames.

    Payload symbols are sent as they are: their signs are scrambled, their power is theirs; the
    numerology may spread them over an OFDM symbol. Training, header and pilots have unit power on
    each antenna and are never precoded.

    Args:
        numerology: of the waveform.
        precoder: maps streams to antennas; None sends stream ``i`` on antenna ``i``.
        clipping_db: limits the magnitude of header and payload to this much above the RMS of a
            frame, see :func:`semcom_phy.clipping.clip_and_filter`; None for no limit. Training is
            left alone: it has low peaks, and all else is measured by it.

    Raises:
        ValueError: a limit outside -10 to 60 dB.
    """

    def __init__(
        self,
        numerology: Numerology,
        precoder: Precoder | None = None,
        clipping_db: float | None = None,
    ) -> None:
        if clipping_db is not None and not -10 <= clipping_db <= 60:
            raise ValueError(f"clipping is {clipping_db:g} dB above the RMS, choose -10 to 60")
        self.numerology = numerology
        self._clipping_db = clipping_db
        self._precoder = precoder or IdentityPrecoder(numerology.tx_antennas)

    def frame(self, frame: Frame, csi: ComplexArray | None = None) -> ComplexArray:
        """One burst: preamble, header, payload with pilots, guard.

        Args:
            frame: its payload ``[streams, k]`` as long as its header says.
            csi: channel ``[active carriers, rx, tx]`` for the precoder, or None.

        Returns:
            ``[tx, n]`` with ``n = numerology.frame_samples(k)``.

        Raises:
            ValueError: a payload of another shape than the header tells, more streams than
                antennas, or symbols that are not finite.
        """
        numerology = self.numerology
        phases = cyclic_delay_phases(numerology)
        training = training_grid(numerology)[:, :, None] * phases
        header = header_grid(encode_header(frame.header), numerology)[:, :, None] * phases
        body = np.concatenate([header, self._payload_grid(frame, csi)])
        if self._clipping_db is not None:
            body = clip_and_filter(body, self._clipping_db, numerology)
        bursts = ofdm_modulate(np.concatenate([training, body]), numerology)
        return np.pad(bursts, ((0, 0), (0, numerology.guard_samples)))

    def _payload_grid(self, frame: Frame, csi: ComplexArray | None) -> ComplexArray:
        """Payload and pilots ``[symbols, active carriers, tx]``."""
        numerology = self.numerology
        payload = np.asarray(frame.payload)
        expected = payload_symbols(frame.header, numerology)
        if payload.ndim != 2 or payload.shape[1] != expected:
            raise ValueError(
                f"payload has shape {payload.shape}, its header tells of {expected} symbols "
                "per stream"
            )
        streams = payload.shape[0]
        if streams != frame.header.picture.sections[0].streams:
            raise ValueError(f"payload has {streams} streams, its header tells of another number")
        if streams > numerology.tx_antennas:
            raise ValueError(
                f"{streams} streams need as many transmit antennas, numerology "
                f"{numerology.name!r} has {numerology.tx_antennas}"
            )
        if not np.isfinite(payload).all():
            raise ValueError("payload holds symbols that are not finite numbers")
        cells = to_cells(payload, numerology)
        symbols = cells.shape[0]
        rows = numerology.data_rows
        phases = cyclic_delay_phases(numerology)[numerology.pilot_rows]
        first = numerology.header_ofdm_symbols
        pilots = pilot_grid(numerology)[first : first + symbols]
        grid = np.empty(
            (symbols, len(numerology.active_carriers), numerology.tx_antennas), np.complex64
        )
        grid[:, rows] = self._precoder.precode(cells, None if csi is None else csi[rows])
        grid[:, numerology.pilot_rows] = pilots[:, :, None] * phases
        return grid
