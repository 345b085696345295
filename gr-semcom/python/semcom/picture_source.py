# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pmt
from gnuradio.semcom.pdu import Pmt, end_of_stream, picture_to_pdu
from gnuradio.semcom.picture_window import PictureWindow
from gnuradio.semcom.worker import ThreadedBlock

if TYPE_CHECKING:
    from torch import Tensor

_POLL_S = 0.05


class PictureSource(ThreadedBlock):
    """Publishes pictures, numbered from 0, then the end.

    Message ports: ``pictures`` out, PDUs of :mod:`gnuradio.semcom.pdu` ended by ``PMT_EOF``;
    ``next`` in, where any message asks for another picture. One that says which picture it is
    about, such as a framer's ``sent`` or a receiver's ``receptions``, asks once for each picture.

    Args:
        path: a picture or a folder of them; empty for the sample pictures of scikit-image.
        window: pictures published without being asked for; each message at ``next`` adds one.
            0 for all at once, which keeps all of them in memory. Connect a framer's ``sent``
            to ``next`` to load pictures as they are needed.
        patience_s: after so long the next picture is published unasked: whoever should have
            asked, such as the receiver of a picture that got lost, will not. Whoever asks later
            does not ask for one more.
        repeat: begin again after the last picture, for ever; numbers go on.

    Raises:
        semcom_models.data.UnreadablePicture: nothing to send at ``path``.
        ValueError: a negative window, no patience, or all of no end of pictures at once.
    """

    def __init__(
        self,
        path: str | Path = "",
        window: int = 0,
        patience_s: float = 10.0,
        repeat: bool = False,
    ) -> None:
        super().__init__("semcom_picture_source")
        if window < 0:
            raise ValueError(f"window is {window}, choose 0 for no limit or more")
        if repeat and not window:
            raise ValueError("pictures that repeat need a window: choose 1 or more")
        self.set_patience_s(patience_s)
        self._files: list[Path] = _find(path)
        self._window = window
        self._repeat = repeat
        self._pictures_out = PictureWindow(window)
        self._asked = threading.Condition()
        self._quiet_since = 0.0
        self.publishes("pictures")
        self.handle("next", self._on_next)

    def set_patience_s(self, patience_s: float) -> None:
        """Choose after how many seconds the next picture is published unasked.

        Raises:
            ValueError: not more than 0.
        """
        if not patience_s > 0:
            raise ValueError(f"patience is {patience_s} s, choose more than 0")
        self._patience_s = patience_s

    def open(self) -> None:
        self._pictures_out = PictureWindow(self._window)
        super().open()

    def loop(self) -> None:
        for picture, pixels in enumerate(self._pictures()):
            if self._window:
                self._wait()
            if self.stopping.is_set():
                return
            self.publish("pictures", picture_to_pdu(picture, pixels.numpy()))
        self.publish("pictures", end_of_stream())

    def _pictures(self) -> Iterator[Tensor]:
        from semcom_models.data import load_picture, sample_pictures

        while True:
            if not self._files:
                yield from (pixels for _, pixels in sample_pictures())
            yield from map(load_picture, self._files)
            if not self._repeat:
                return

    def _wait(self) -> None:
        """Wait to be asked, out of patience, or stopped; then one picture is on its way."""
        with self._asked:
            self._quiet_since = time.monotonic()
            while not self._pictures_out.is_open() and not self.stopping.is_set():
                self._asked.wait(_POLL_S)
                if time.monotonic() - self._quiet_since > self._patience_s:
                    self._pictures_out.give_up()
                    self._quiet_since = time.monotonic()
            self._pictures_out.publish()

    def _on_next(self, message: Pmt) -> None:
        with self._asked:
            if self._pictures_out.ask(_picture_of(message)):
                self._quiet_since = time.monotonic()
                self._asked.notify()


def _picture_of(message: Pmt) -> int | None:
    """Number of the picture that a message of any kind is about, None where it does not say."""
    if pmt.is_pair(message) and pmt.is_dict(pmt.car(message)):
        meta = pmt.car(message)
        header = pmt.dict_ref(meta, pmt.intern("header"), meta)
        message = pmt.dict_ref(header, pmt.intern("picture"), pmt.PMT_NIL)
    return pmt.to_long(message) if pmt.is_integer(message) else None


def _find(path: str | Path) -> list[Path]:
    if not str(path):
        return []
    from semcom_models.data import find_pictures

    return find_pictures(Path(path))
