# SPDX-License-Identifier: GPL-3.0-or-later
"""From pictures to samples, as one block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gnuradio import gr
from gnuradio.semcom.encoder import Encoder
from gnuradio.semcom.framer import Framer

from semcom_phy.exchange import Precoder
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec


class SemanticTransmitter(gr.hier_block2):  # type: ignore[misc]
    """An :class:`~gnuradio.semcom.Encoder` and a :class:`~gnuradio.semcom.Framer`.

    Streams: one output of complex samples a transmit antenna.

    Message ports: ``pictures`` in and ``feedback`` in, of which both blocks take what concerns
    them; ``sent`` out.

    Args:
        codec: a scheme's name, or an open codec.
        numerology: of the waveform.
        precoder: maps streams to antennas; None for none.
        clipping_db: limit of the magnitude above its RMS; None for no limit.
        streams: spatial streams; None for what a transmission says.
        preset: of the scheme; empty for the default one.
        cbr: channel bandwidth ratio asked of the scheme; 0 for the preset's own.
        snr_db: assumed until feedback comes.
        options: of the scheme's own, YAML; empty for its defaults.
        valid_pictures: so many pictures after the last feedback nothing is known any more.

    Raises:
        ValueError: as the two blocks do.

    Attributes:
        encoder, framer: the blocks.
    """

    def __init__(
        self,
        codec: str | Codec,
        numerology: Numerology,
        precoder: Precoder | None = None,
        clipping_db: float | None = None,
        streams: int | None = None,
        preset: str = "",
        cbr: float = 0.0,
        snr_db: float = 10.0,
        options: str = "",
        valid_pictures: int = 20,
    ) -> None:
        antennas = numerology.tx_antennas
        gr.hier_block2.__init__(
            self,
            "semcom_semantic_transmitter",
            gr.io_signature(0, 0, 0),
            gr.io_signature(antennas, antennas, gr.sizeof_gr_complex),
        )
        self.encoder = Encoder(codec, preset, cbr, snr_db, options, valid_pictures)
        self.framer = Framer(numerology, precoder, clipping_db, streams)
        for port in ("pictures", "feedback"):
            self.message_port_register_hier_in(port)
        self.message_port_register_hier_out("sent")
        self.msg_connect(self, "pictures", self.encoder, "pictures")
        self.msg_connect(self, "feedback", self.encoder, "feedback")
        self.msg_connect(self, "feedback", self.framer, "feedback")
        self.msg_connect(self.encoder, "transmissions", self.framer, "transmissions")
        self.msg_connect(self.framer, "sent", self, "sent")
        for antenna in range(antennas):
            self.connect((self.framer, antenna), (self, antenna))

    def set_snr_db(self, snr_db: float) -> None:
        """See :meth:`gnuradio.semcom.Encoder.set_snr_db`."""
        self.encoder.set_snr_db(snr_db)

    def set_clipping_db(self, clipping_db: float | None) -> None:
        """See :meth:`gnuradio.semcom.Framer.set_clipping_db`."""
        self.framer.set_clipping_db(clipping_db)
