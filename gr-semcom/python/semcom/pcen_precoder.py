# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams in, antennas out, precoded for the channel that was fed back."""

from __future__ import annotations

from gnuradio.semcom.grid_pdu import grid_to_pdu
from gnuradio.semcom.pdu import Pmt
from gnuradio.semcom.precoded_grids import PrecodedGrids

from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.pcen_link import PcenPrecoder as Precoder


class PcenPrecoder(PrecodedGrids):
    """Precodes grids of symbols by the standard precoder and PEN.

    Message ports: ``streams`` in, PDUs of :mod:`gnuradio.semcom.grid_pdu` with the symbols of two
    streams, ended by ``PMT_EOF``; ``csi`` in, feedback messages with ``csi`` and ``csi_id``, of
    which the latest counts; ``antennas`` out, the same grids for two antennas, with the ``csi_id``
    that they were precoded for, 0 where no feedback has come yet and streams go straight.

    Args:
        modulation: of the symbols, ``QPSK`` or ``16QAM``.
        snr_db: Es/N0 behind a path of unit gain that it is designed for, 0 for channels in units
            of the noise; the combiner must have the same.

    Raises:
        ValueError: a modulation that PCEN was not trained for.
    """

    def __init__(self, modulation: str = "QPSK", snr_db: float = 0.0) -> None:
        super().__init__("semcom_pcen_precoder", "streams", "antennas", modulation, snr_db)
        self._precoder = Precoder(self.scheme)
        self._known = Feedback()

    def _learn(self, csi_id: int, csi: ComplexArray) -> None:
        self._known = Feedback(csi=csi, csi_id=csi_id)

    def _process(
        self, grid: ComplexArray, channel: Feedback, noise_var: FloatArray | None
    ) -> Pmt | None:
        sent = self._precoder.precode(grid, self._known.csi)
        return grid_to_pdu(sent, Feedback(csi_id=self._known.csi_id))
