# SPDX-License-Identifier: GPL-3.0-or-later
"""Receptions to pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gnuradio.semcom.installed_codecs import InstalledCodecs, Undecodable
from gnuradio.semcom.pdu import Pmt, picture_to_pdu, reception_from_pdu
from gnuradio.semcom.worker import WorkerBlock

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec

_log = logging.getLogger("gnuradio.semcom")


class Decoder(WorkerBlock):
    """Decodes pictures in a thread of its own, each with the codec that its header names.

    Message ports: ``receptions`` in and ``pictures`` out, PDUs of :mod:`gnuradio.semcom.pdu`
    ended by ``PMT_EOF``. A picture whose codec or weights are not here, whose sections are not
    such a codec's, or whose size no picture has, is reported, counted and dropped: it may be
    somebody else's.

    Args:
        codecs: open codecs to use, by their labels, before those that the registry finds.
        weights: a weights file, or a folder of them, beside the package's own; empty for none.

    Attributes:
        undecodable: pictures dropped.
    """

    def __init__(self, codecs: Sequence[Codec] = (), weights: str | Path = "") -> None:
        super().__init__("semcom_decoder", "receptions", "pictures")
        self._codecs = InstalledCodecs(codecs, weights)
        self.undecodable = 0

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        reception = reception_from_pdu(message)
        number = reception.header.picture
        try:
            return [picture_to_pdu(number, self._codecs.decode(reception))]
        except Undecodable as error:
            self.undecodable += 1
            _log.warning("picture %d cannot be decoded: %s", number, error)
            return []
