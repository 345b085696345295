# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to pictures, as one block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gnuradio import gr
from gnuradio.semcom.decoder import Decoder
from gnuradio.semcom.receiver import Receiver

from semcom_phy.csi_feedback import CsiReports
from semcom_phy.exchange import Combiner
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec


class SemanticReceiver(gr.hier_block2):  # type: ignore[misc]
    """A :class:`~gnuradio.semcom.Receiver` and a :class:`~gnuradio.semcom.Decoder`.

    Streams: one input of complex samples a receive antenna.

    Message ports, all out: ``pictures`` of the decoder; ``receptions``, ``frames``, ``symbols``
    and ``feedback`` of the receiver.

    Args:
        numerology: of the waveform.
        combiner: inverts the transmitter's precoder; None for none.
        reports: on the channel; None where it is not fed back.
        codecs: open codecs to use before those that the registry finds.
        weights: a weights file, or a folder of them, beside the package's own; empty for none.

    Attributes:
        receiver, decoder: the blocks.
    """

    def __init__(
        self,
        numerology: Numerology,
        combiner: Combiner | None = None,
        reports: CsiReports | None = None,
        codecs: Sequence[Codec] = (),
        weights: str | Path = "",
    ) -> None:
        antennas = numerology.rx_antennas
        gr.hier_block2.__init__(
            self,
            "semcom_semantic_receiver",
            gr.io_signature(antennas, antennas, gr.sizeof_gr_complex),
            gr.io_signature(0, 0, 0),
        )
        self.receiver = Receiver(numerology, combiner, reports=reports)
        self.decoder = Decoder(codecs, weights)
        for antenna in range(antennas):
            self.connect((self, antenna), (self.receiver, antenna))
        self.msg_connect(self.receiver, "receptions", self.decoder, "receptions")
        for block, port in (
            (self.decoder, "pictures"),
            (self.receiver, "receptions"),
            (self.receiver, "frames"),
            (self.receiver, "symbols"),
            (self.receiver, "feedback"),
        ):
            self.message_port_register_hier_out(port)
            self.msg_connect(block, port, self, port)
