# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gnuradio.semcom.pdu import end_of_stream, picture_to_pdu
from gnuradio.semcom.worker import ThreadedBlock

if TYPE_CHECKING:
    from torch import Tensor

_POLL_S = 0.05


class PictureSource(ThreadedBlock):
    """Publishes pictures, numbered from 0, then the end.

    Message ports: ``pictures`` out, PDUs of :mod:`gnuradio.semcom.pdu` ended by ``PMT_EOF``;
    ``next`` in, where any message asks for another picture.

    Args:
        path: a picture or a folder of them; empty for the sample pictures of scikit-image.
        window: pictures published without being asked for; each message at ``next`` adds one.
            0 for all at once, which keeps all of them in memory. Connect a framer's ``sent``
            to ``next`` to load pictures as they are needed.
        patience_s: after so long the next picture is published unasked: whoever should have
            asked, such as the receiver of a picture that got lost, will not.
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
        self._asked = threading.Semaphore(0)
        self.publishes("pictures")
        self.handle("next", lambda message: self._asked.release())

    def set_patience_s(self, patience_s: float) -> None:
        """Choose after how many seconds the next picture is published unasked.

        Raises:
            ValueError: not more than 0.
        """
        if not patience_s > 0:
            raise ValueError(f"patience is {patience_s} s, choose more than 0")
        self._patience_s = patience_s

    def loop(self) -> None:
        for picture, pixels in enumerate(self._pictures()):
            if self._window and picture >= self._window and not self._wait():
                return
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

    def _wait(self) -> bool:
        """Wait to be asked, or out of patience; False where the flowgraph stops meanwhile."""
        begun = time.monotonic()
        while not self._asked.acquire(timeout=_POLL_S):
            if self.stopping.is_set():
                return False
            if time.monotonic() - begun > self._patience_s:
                break
        return True


def _find(path: str | Path) -> list[Path]:
    if not str(path):
        return []
    from semcom_models.data import find_pictures

    return find_pictures(Path(path))
