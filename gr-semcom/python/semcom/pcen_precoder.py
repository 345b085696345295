# SPDX-License-Identifier: GPL-3.0-or-later
"""Streams in, antennas out, precoded for the channel that was fed back."""

from __future__ import annotations

from gnuradio.semcom.grid_pdu import grid_from_pdu, grid_to_pdu
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, feedback_from_pmt, is_end_of_stream

from semcom_phy.exchange import ChannelState
from semcom_phy.pcen_link import PcenPrecoder as Precoder
from semcom_phy.pcen_link import PcenScheme
from semcom_phy.pcen_parameters import learned_parameters


class PcenPrecoder(GuardedBlock):
    """Precodes grids of symbols by the standard precoder and PEN.

    Message ports: ``streams`` in, PDUs of :mod:`gnuradio.semcom.grid_pdu` with the symbols of two
    streams, ended by ``PMT_EOF``; ``csi`` in, feedback messages with ``csi`` and ``csi_id``, of
    which the latest counts; ``antennas`` out, the same grids for two antennas, with the ``csi_id``
    that they were precoded for, 0 where no feedback has come yet and streams go straight.

    Args:
        modulation: of the symbols, ``QPSK`` or ``16QAM``.
        snr_db: Es/N0 that it is designed for; the combiner must have the same.

    Raises:
        ValueError: a modulation that PCEN was not trained for.
    """

    def __init__(self, modulation: str = "QPSK", snr_db: float = 10.0) -> None:
        super().__init__("semcom_pcen_precoder")
        scheme = PcenScheme(modulation, snr_db, learned_parameters(modulation))
        self._precoder = Precoder(scheme)
        self._state = ChannelState()
        self.handle("streams", self._on_streams)
        self.handle("csi", self._on_csi)
        self.publishes("antennas")

    def _on_csi(self, message: Pmt) -> None:
        state = feedback_from_pmt(message)
        if state.csi is not None and state.csi_id == 0:
            raise ValueError("feedback has csi but no csi_id: number it from 1 to 255")
        if state.csi is not None:
            self._state = state

    def _on_streams(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.publish("antennas", end_of_stream())
            self.finish()
            return
        grid, _, _ = grid_from_pdu(message)
        state = self._state
        sent = self._precoder.precode(grid, state.csi)
        self.publish("antennas", grid_to_pdu(sent, ChannelState(csi_id=state.csi_id)))
