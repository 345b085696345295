# SPDX-License-Identifier: GPL-3.0-or-later
"""Antennas in, streams out: CEN and the inversion of the precoder."""

from __future__ import annotations

import numpy as np
from gnuradio.semcom.grid_pdu import grid_to_pdu
from gnuradio.semcom.pdu import Pmt
from gnuradio.semcom.precoded_grids import PrecodedGrids

from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.pcen_link import PcenCombiner as Combiner


class PcenCombiner(PrecodedGrids):
    """Estimates the streams of :class:`gnuradio.semcom.PcenPrecoder`.

    Message ports: ``antennas`` in, PDUs of :mod:`gnuradio.semcom.grid_pdu` as received, with the
    receiver's estimate ``csi``, ``noise_var`` a receive antenna and the ``csi_id`` they were
    precoded for, ended by ``PMT_EOF``; ``csi`` in, the feedback messages that were sent to the
    transmitter, of which the last with each number is remembered; ``streams`` out, unbiased
    estimates with ``noise_var`` ``[subcarriers, streams]``. A grid precoded for a channel that is
    not known is dropped and counted.

    Args:
        modulation: as at the precoder.
        snr_db: as at the precoder.

    Attributes:
        unknown_csi: grids dropped.

    Raises:
        ValueError: a modulation that PCEN was not trained for.
    """

    def __init__(self, modulation: str = "QPSK", snr_db: float = 0.0) -> None:
        super().__init__("semcom_pcen_combiner", "antennas", "streams", modulation, snr_db)
        self._combiner = Combiner(self.scheme)
        self._sent: dict[int, ComplexArray] = {}
        self.unknown_csi = 0

    def _learn(self, csi_id: int, csi: ComplexArray) -> None:
        self._sent[csi_id] = csi

    def _process(
        self, grid: ComplexArray, channel: Feedback, noise_var: FloatArray | None
    ) -> Pmt | None:
        if channel.csi_id and channel.csi_id not in self._sent:
            self.unknown_csi += 1
            return None
        _, carriers, antennas = grid.shape
        if channel.csi is None or channel.csi.shape[:2] != (carriers, antennas):
            raise ValueError(
                f"a grid of {carriers} subcarriers on {antennas} antennas needs csi "
                f"[{carriers}, {antennas}, 2] of the receiver with it"
            )
        if noise_var is None or noise_var.size != antennas:
            raise ValueError("a received grid needs noise_var with it, one a receive antenna")
        noise_cov = np.tile(np.diag(noise_var.astype(np.complex64)), (carriers, 1, 1))
        told = self._sent[channel.csi_id] if channel.csi_id else None
        estimate, variance = self._combiner.combine(grid, channel.csi, told, noise_cov)
        return grid_to_pdu(estimate, Feedback(csi_id=channel.csi_id), variance)
