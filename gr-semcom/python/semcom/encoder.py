# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to transmissions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gnuradio.semcom.pdu import (
    Pmt,
    learn_from_pmt,
    picture_from_pdu,
    transmission_to_pdu,
)
from gnuradio.semcom.worker import WorkerBlock

from semcom_phy.channel_knowledge import ChannelKnowledge, FeedbackCounters
from semcom_phy.exchange import ChannelState

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec


class Encoder(WorkerBlock):
    """Encodes pictures in a thread of its own, with the latest channel state.

    Message ports: ``pictures`` in and ``transmissions`` out, PDUs of
    :mod:`gnuradio.semcom.pdu` ended by ``PMT_EOF``; ``feedback`` in, an SNR in dB or a
    dictionary as a :class:`~gnuradio.semcom.receiver.Receiver` publishes. Feedback that is late or
    makes no sense leaves the last good one in force; without any for ``valid_pictures``, the
    encoder assumes ``snr_db`` again. All of that is counted.

    Args:
        codec: a scheme's name, or an open codec.
        preset: of the scheme; empty for the default one.
        cbr: channel bandwidth ratio asked of the scheme; 0 for the preset's own.
        snr_db: assumed until feedback comes.
        valid_pictures: so many pictures after the last feedback nothing is known any more.
        options: of the scheme's own, YAML such as ``mcs: nr-16qam-2/3``; empty for its defaults.

    Raises:
        ValueError: an unknown scheme, preset or option, no weights, an SNR out of range; options
            for an open codec.
    """

    def __init__(
        self,
        codec: str | Codec,
        preset: str = "",
        cbr: float = 0.0,
        snr_db: float = 10.0,
        options: str = "",
        valid_pictures: int = 20,
    ) -> None:
        super().__init__("semcom_encoder", "pictures", "transmissions")
        from semcom_models.codecs.base import Request

        chosen = None
        if isinstance(codec, str):
            from semcom_models.codecs.options import options_from_yaml
            from semcom_models.codecs.registry import load

            chosen = options_from_yaml(codec, options)
            codec = load(codec, preset or None, cbr or None)
        elif options:
            raise ValueError("options go with a scheme's name, not with an open codec")
        self._codec = codec
        self._request = Request(cbr=cbr or None, options=chosen)
        self._known = ChannelKnowledge(snr_db, valid_pictures=valid_pictures)
        self.handle("feedback", self._on_feedback)

    def set_snr_db(self, snr_db: float) -> None:
        """Assume this SNR from the next picture on where no feedback is in force.

        Raises:
            ValueError: an SNR out of range.
        """
        self._known.set_default_snr_db(snr_db)

    @property
    def channel(self) -> ChannelState:
        """What the encoder goes by now."""
        return self._known.state()

    @property
    def feedback(self) -> FeedbackCounters:
        """What became of the messages at ``feedback`` so far."""
        return self._known.counters

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        import torch

        picture, pixels = picture_from_pdu(message)
        self._known.picture_begins()
        state = self._known.state()
        with torch.no_grad():
            transmissions = self._codec.encode([torch.from_numpy(pixels)], state, self._request)
        return [transmission_to_pdu(picture, transmissions[0], state)]

    def _on_feedback(self, message: Pmt) -> None:
        learn_from_pmt(self._known, message)
