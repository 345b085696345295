# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to transmissions."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from gnuradio.semcom.pdu import (
    Pmt,
    feedback_from_pmt,
    picture_from_pdu,
    transmission_to_pdu,
)
from gnuradio.semcom.worker import WorkerBlock

from semcom_phy.exchange import ChannelState

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec

SNR_RANGE_DB = (-30.0, 60.0)
"""Feedback outside is nonsense and not used."""


class Encoder(WorkerBlock):
    """Encodes pictures in a thread of its own, with the latest channel state.

    Message ports: ``pictures`` in and ``transmissions`` out, PDUs of
    :mod:`gnuradio.semcom.pdu` ended by ``PMT_EOF``; ``feedback`` in, an SNR in dB or a
    dictionary as a :class:`~gnuradio.semcom.receiver.Receiver` publishes. Feedback that makes no
    sense leaves the last good one in force and is counted.

    Args:
        codec: a scheme's name, or an open codec.
        preset: of the scheme; empty for the default one.
        cbr: channel bandwidth ratio asked of the scheme; 0 for the preset's own.
        snr_db: assumed until feedback comes.
        options: of the scheme's own, YAML such as ``mcs: nr-16qam-2/3``; empty for its defaults.

    Attributes:
        feedback_used, feedback_refused: messages at ``feedback`` so far.

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
        self._state_lock = threading.Lock()
        self._state = ChannelState()
        self.set_snr_db(snr_db)
        self.feedback_used = 0
        self.feedback_refused = 0
        self.handle("feedback", self._on_feedback)

    def set_snr_db(self, snr_db: float) -> None:
        """Assume this SNR from the next picture on, until feedback comes.

        Raises:
            ValueError: an SNR out of range.
        """
        if not _plausible(snr_db):
            low, high = SNR_RANGE_DB
            raise ValueError(f"snr_db is {snr_db}, choose {low:g} to {high:g}")
        with self._state_lock:
            self._state = replace(self._state, snr_db=float(snr_db))

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        import torch

        picture, pixels = picture_from_pdu(message)
        with self._state_lock:
            state = self._state
        with torch.no_grad():
            transmissions = self._codec.encode([torch.from_numpy(pixels)], state, self._request)
        return [transmission_to_pdu(picture, transmissions[0], state)]

    def _on_feedback(self, message: Pmt) -> None:
        try:
            heard = feedback_from_pmt(message)
        except ValueError:
            heard = ChannelState()
        if not _sensible(heard):
            self.feedback_refused += 1
            return
        self.feedback_used += 1
        with self._state_lock:
            known = self._state
            csi, csi_id = (
                (heard.csi, heard.csi_id) if heard.csi is not None else (known.csi, known.csi_id)
            )
            snr_db = known.snr_db if heard.snr_db is None else heard.snr_db
            self._state = ChannelState(snr_db, csi, csi_id, heard.age_s)


def _sensible(heard: ChannelState) -> bool:
    """Whether feedback says something, and nothing that cannot be."""
    if heard.snr_db is not None and not _plausible(heard.snr_db):
        return False
    if heard.csi is not None:
        if heard.csi.ndim != 3 or not np.isfinite(heard.csi).all():
            return False
        if not 1 <= heard.csi_id <= 0xFF:  # the header could not name it to the receiver
            return False
    return heard.snr_db is not None or heard.csi is not None


def _plausible(snr_db: float) -> bool:
    low, high = SNR_RANGE_DB
    return math.isfinite(snr_db) and low <= snr_db <= high
