# SPDX-License-Identifier: GPL-3.0-or-later
"""What the blocks on either side of a channel for grids have in common."""

from __future__ import annotations

from abc import abstractmethod

from gnuradio.semcom.grid_pdu import grid_from_pdu
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, feedback_from_pmt, is_end_of_stream

from semcom_phy.csi_feedback import CSI_IDS, Feedback
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.pcen_link import PcenScheme
from semcom_phy.pcen_parameters import learned_parameters


class PrecodedGrids(GuardedBlock):
    """Grids of symbols in and out, and on ``csi`` the channel that was fed back.

    Args:
        name: of the block.
        taken, given: names of the ports of grids.
        modulation: of the symbols.
        snr_db: Es/N0 that PCEN is designed for.

    Raises:
        ValueError: a modulation that PCEN was not trained for.
    """

    def __init__(self, name: str, taken: str, given: str, modulation: str, snr_db: float) -> None:
        super().__init__(name)
        self.scheme = PcenScheme(modulation, snr_db, learned_parameters(modulation))
        self._given = given
        self.handle(taken, self._on_message)
        self.handle("csi", self._on_csi)
        self.publishes(given)

    @abstractmethod
    def _learn(self, csi_id: int, csi: ComplexArray) -> None:
        """Take note of a channel that was fed back."""

    @abstractmethod
    def _process(
        self, grid: ComplexArray, channel: Feedback, noise_var: FloatArray | None
    ) -> Pmt | None:
        """The PDU to give for a grid that was taken, None for none."""

    def _on_csi(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            return
        report = feedback_from_pmt(message)
        if report.csi is None:
            return
        if not 1 <= report.csi_id <= CSI_IDS:
            raise ValueError(
                f"feedback has csi with csi_id {report.csi_id}: number it from 1 to {CSI_IDS}"
            )
        self._learn(report.csi_id, report.csi)

    def _on_message(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.publish(self._given, end_of_stream())
            self.finish()
            return
        made = self._process(*grid_from_pdu(message))
        if made is not None:
            self.publish(self._given, made)
