# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures to files."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import pmt
from gnuradio.semcom.pdu import Pmt, is_end_of_stream, picture_from_pdu
from gnuradio.semcom.worker import WorkerBlock

from semcom_phy.exchange import FloatArray


class PictureSink(WorkerBlock):
    """Writes pictures as PNG files, measures them where it also gets the originals.

    Files are named by the picture's number, ``0000.png`` and so on; a file of that name is
    replaced.

    Message ports: ``pictures`` in, PDUs of :mod:`gnuradio.semcom.pdu`, ended by ``PMT_EOF``;
    ``originals`` in, the same pictures as sent; ``metrics`` out, a dictionary a picture with
    ``picture``, ``psnr_db`` and, for pictures large enough, ``ms_ssim``.

    Args:
        folder: made where it is missing.

    Attributes:
        pictures: pictures written.
        metrics: what was measured so far, by picture.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: str | Path = "received") -> None:
        super().__init__("semcom_picture_sink", "pictures", "metrics")
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._originals: dict[int, FloatArray] = {}
        self._originals_lock = threading.Lock()
        self.pictures = 0
        self.metrics: dict[int, dict[str, float]] = {}
        self.handle("originals", self._on_original)

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        import torch

        from semcom_models.data import save_picture

        number, pixels = picture_from_pdu(message)
        save_picture(self._folder / f"{number:04d}.png", torch.from_numpy(pixels))
        self.pictures += 1
        original = self._take_original(number)
        if original is None:
            return []
        self.metrics[number] = _measure(pixels, original)
        return [_metrics_to_pmt(number, self.metrics[number])]

    def _on_original(self, message: Pmt) -> None:
        if not is_end_of_stream(message):
            number, pixels = picture_from_pdu(message)
            with self._originals_lock:
                self._originals[number % 0x10000] = pixels

    def _take_original(self, number: int) -> FloatArray | None:
        """The original of a picture; those of pictures before it are lost and forgotten.

        A picture that has none is somebody else's: its number says nothing of ours.
        """
        with self._originals_lock:
            original = self._originals.pop(number, None)
            if original is not None:
                before = [n for n in self._originals if 0 < (number - n) % 0x10000 < 0x8000]
                for earlier in before:
                    del self._originals[earlier]
            return original


def _measure(received: FloatArray, sent: FloatArray) -> dict[str, float]:
    import torch

    from semcom_models.metrics import ms_ssim, psnr_db

    a, b = torch.from_numpy(received), torch.from_numpy(sent)
    similarity = ms_ssim(a, b)
    return {"psnr_db": psnr_db(a, b)} | ({} if similarity is None else {"ms_ssim": similarity})


def _metrics_to_pmt(number: int, metrics: dict[str, float]) -> Pmt:
    message = pmt.dict_add(pmt.make_dict(), pmt.intern("picture"), pmt.from_long(number))
    for name, value in metrics.items():
        message = pmt.dict_add(message, pmt.intern(name), pmt.from_double(value))
    return message
