# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as far as they have arrived."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pmt
from gnuradio.semcom.installed_codecs import InstalledCodecs, Undecodable
from gnuradio.semcom.pdu import (
    Pmt,
    end_of_stream,
    frame_from_pdu,
    is_end_of_stream,
    picture_to_pdu,
)
from gnuradio.semcom.worker import ThreadedBlock

from semcom_phy.exchange import Reception
from semcom_phy.fragments import Assembler
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from semcom_models.codecs.base import Codec

_REST = 1.0
"""Times that a picture took, to rest after it: at most half of the time is spent here."""

_FRAMES_WAITING = 1024
_POLL_S = 0.05


class ArrivingPictures(ThreadedBlock):
    """Decodes the picture being received, again and again, with the frames that have arrived.

    To look at: what arrives faster than it is asked to decode is passed over, complete pictures
    last. A picture that cannot be decoded of what there is, such as a standard codec's, is left
    to come.

    Message ports: ``symbols`` in, of a :class:`gnuradio.semcom.Receiver`; ``pictures`` out, PDUs
    of :mod:`gnuradio.semcom.pdu` whose metadata also have ``fragments`` and ``arrived``, how many
    of them. ``PMT_EOF`` ends both, after the last picture.

    Args:
        numerology: of the waveform.
        rate_hz: pictures decoded a second, at most.
        codecs: open codecs to use, by their labels, before those that the registry finds.
        weights: a weights file, or a folder of them, beside the package's own; empty for none.

    Raises:
        ValueError: a rate that is not positive.

    Attributes:
        dropped: frames passed over because too many others came after them.
    """

    def __init__(
        self,
        numerology: Numerology,
        rate_hz: float = 3.0,
        codecs: Sequence[Codec] = (),
        weights: str | Path = "",
    ) -> None:
        super().__init__("semcom_arriving_pictures")
        self.set_rate_hz(rate_hz)
        self._codecs = InstalledCodecs(codecs, weights)
        self._assembler = Assembler(numerology)
        self._frames: deque[Pmt] = deque()
        self._news = threading.Event()
        self._ended = False
        self.dropped = 0
        self.handle("symbols", self._on_symbols)
        self.publishes("pictures")

    def set_rate_hz(self, rate_hz: float) -> None:
        """Choose how many pictures are decoded a second, at most.

        Raises:
            ValueError: not more than 0.
        """
        if not rate_hz > 0:
            raise ValueError(f"rate is {rate_hz} pictures a second, choose more than 0")
        self._period_s = 1 / rate_hz

    def loop(self) -> None:
        while not self.stopping.is_set():
            if not self._news.wait(_POLL_S):
                continue
            self._news.clear()
            ended = self._ended  # before what is taken now, not after
            begun = time.monotonic()
            reception = self._take_frames()
            if reception is not None:
                self._show(reception)
            if ended:
                self.publish("pictures", end_of_stream())
                return
            self.stopping.wait(max(self._period_s, _REST * (time.monotonic() - begun)))

    def _take_frames(self) -> Reception | None:
        """Take the frames that came; the picture to show, if any."""
        complete: list[Reception] = []
        while self._frames:
            complete += self._assembler.add(frame_from_pdu(self._frames.popleft()))
            complete = complete[-1:]
        # What is complete is not passed over for the beginning of the next one.
        return complete[0] if complete else self._assembler.so_far()

    def _show(self, reception: Reception) -> None:
        try:
            pixels = self._codecs.decode(reception)
        except Undecodable:
            return
        pdu = picture_to_pdu(reception.header.picture, pixels)
        meta = pmt.car(pdu)
        for key, count in (
            ("fragments", reception.fragments.size),
            ("arrived", int(reception.fragments.sum())),
        ):
            meta = pmt.dict_add(meta, pmt.intern(key), pmt.from_long(count))
        self.publish("pictures", pmt.cons(meta, pmt.cdr(pdu)))

    def _on_symbols(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self._ended = True
        else:
            self._frames.append(message)
        if len(self._frames) > _FRAMES_WAITING:
            self._frames.popleft()
            self.dropped += 1
        self._news.set()
