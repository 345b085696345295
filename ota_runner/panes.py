# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures next to each other, as the viewer of a page shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from PIL import Image

from ota_runner import thumbnails
from ota_runner.console import number
from ota_runner.record import PictureRecord, RunFolder

SHOWN = 48
"""Pictures that a page shows at most."""


@dataclass(frozen=True)
class Pane:
    """A picture in a viewer.

    Attributes:
        name: what it is.
        uri: its data, None for one that is not there.
        alt: what is seen, for those who do not see it.
        caption: what there is to say of it, may be empty.
        file: where it lies, as seen from the page; None for nowhere.
        absent: said in its place where it is not there.
        damaged: it did not arrive as it was sent.
        wipes: the first picture of the viewer can be laid over it.
    """

    name: str
    uri: str | None
    alt: str
    caption: str = ""
    file: str | None = None
    absent: str = "not there"
    damaged: bool = False
    wipes: bool = False


def sizes(records: Iterable[PictureRecord]) -> list[tuple[int, int]]:
    """Heights and widths of pictures, zero where they are not known."""
    return [(record.height or 0, record.width or 0) for record in records]


def sent_pane(folder: RunFolder, record: PictureRecord, scale: float) -> Pane:
    """A picture as sent.

    Args:
        folder: of its run.
        record: of the picture.
        scale: by which it is reduced.
    """
    pane = _pane(folder, record.sent, scale, "not there")
    return replace(pane, name="sent", alt=f"{record.name} as sent")


def received_pane(folder: RunFolder, record: PictureRecord, scale: float, by: str) -> Pane:
    """A picture as received, with its PSNR.

    Args:
        folder: of its run.
        record: of the picture.
        scale: by which it is reduced.
        by: name of the run among several.
    """
    completed = record.status == "completed"
    return replace(
        _pane(folder, record.received, scale, record.status),
        name=by,
        alt=f"{record.name} as received, {by}",
        caption=f"{number(record.psnr_db, 2)} dB" if completed else record.status,
        damaged=record.fell_back,
        wipes=True,
    )


def error_pane(folder: RunFolder, record: PictureRecord, scale: float) -> Pane | None:
    """Where a picture received differs from the one sent; None where they cannot be compared."""
    sent, received = (_open(folder, file) for file in (record.sent, record.received))
    if sent is None or received is None or sent.size != received.size:
        return None
    heat = thumbnails.error_map_uri(sent, received, scale)
    return Pane("error", heat, f"where {record.name} as received differs")


def _pane(folder: RunFolder, file: str | None, scale: float, never: str) -> Pane:
    """A file of a run's folder; ``never`` is said where there is to be none."""
    picture = _open(folder, file)
    if picture is not None:
        return Pane("", thumbnails.picture_uri(picture, scale), "")
    if file is None:
        return Pane("", None, "", absent=never)
    damaged = (folder.path / file).exists()
    return Pane("", None, "", absent="damaged" if damaged else "not there")


def _open(folder: RunFolder, file: str | None) -> Image.Image | None:
    return None if file is None else thumbnails.open_rgb(folder.path / file)
