# SPDX-License-Identifier: GPL-3.0-or-later
"""Antennas in, streams out: CEN and the inversion of the precoder."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from gnuradio.semcom.grid_pdu import grid_from_pdu, grid_to_pdu
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, feedback_from_pmt, is_end_of_stream

from semcom_phy.exchange import ChannelState, ComplexArray
from semcom_phy.pcen_link import PcenCombiner as Combiner
from semcom_phy.pcen_link import PcenScheme
from semcom_phy.pcen_parameters import learned_parameters

KEPT = 255
"""Channels remembered: as many as there are numbers for them."""


class PcenCombiner(GuardedBlock):
    """Estimates the streams of :class:`gnuradio.semcom.PcenPrecoder`.

    Message ports: ``antennas`` in, PDUs of :mod:`gnuradio.semcom.grid_pdu` as received, with the
    receiver's estimate ``csi``, ``noise_var`` a receive antenna and the ``csi_id`` they were
    precoded for, ended by ``PMT_EOF``; ``csi`` in, the feedback messages that were sent to the
    transmitter; ``streams`` out, unbiased estimates with ``noise_var`` ``[subcarriers, streams]``.
    A grid precoded for a channel that is not known is dropped and counted.

    Args:
        modulation: as at the precoder.
        snr_db: as at the precoder.

    Attributes:
        unknown_csi: grids dropped.

    Raises:
        ValueError: a modulation that PCEN was not trained for.
    """

    def __init__(self, modulation: str = "QPSK", snr_db: float = 10.0) -> None:
        super().__init__("semcom_pcen_combiner")
        scheme = PcenScheme(modulation, snr_db, learned_parameters(modulation))
        self._combiner = Combiner(scheme)
        self._sent: OrderedDict[int, ComplexArray] = OrderedDict()
        self.unknown_csi = 0
        self.handle("antennas", self._on_antennas)
        self.handle("csi", self._on_csi)
        self.publishes("streams")

    def _on_csi(self, message: Pmt) -> None:
        state = feedback_from_pmt(message)
        if state.csi is None:
            return
        self._sent[state.csi_id] = state.csi
        self._sent.move_to_end(state.csi_id)
        if len(self._sent) > KEPT:
            self._sent.popitem(last=False)

    def _on_antennas(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.publish("streams", end_of_stream())
            self.finish()
            return
        grid, state, noise_var = grid_from_pdu(message)
        if state.csi_id and state.csi_id not in self._sent:
            self.unknown_csi += 1
            return
        _, carriers, antennas = grid.shape
        if state.csi is None or state.csi.shape[:2] != (carriers, antennas):
            raise ValueError(
                f"a grid of {carriers} subcarriers on {antennas} antennas needs csi "
                f"[{carriers}, {antennas}, 2] of the receiver with it"
            )
        if noise_var is None or noise_var.size != antennas:
            raise ValueError("a received grid needs noise_var with it, one a receive antenna")
        noise_cov = np.tile(np.diag(noise_var.astype(np.complex64)), (carriers, 1, 1))
        told = self._sent[state.csi_id] if state.csi_id else None
        estimate, variance = self._combiner.combine(grid, state.csi, told, noise_cov)
        header = ChannelState(csi_id=state.csi_id)
        self.publish("streams", grid_to_pdu(estimate, header, variance))
