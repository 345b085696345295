# SPDX-License-Identifier: GPL-3.0-or-later
"""``compare.html``: figure, table and pictures of a comparison in one file, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ota_runner import thumbnails
from ota_runner.comparison import Comparison
from ota_runner.comparison_table import table_rows
from ota_runner.console import number
from ota_runner.curves import Axis, Curves
from ota_runner.pages import environment
from ota_runner.record import PictureRecord, RunFolder

THUMBNAIL_WIDTH = 280
"""Pixels that a picture is wide at most."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as a page shows it.

    Attributes:
        uri: its data, None for one that is not there.
        caption: of the picture.
        damaged: it did not arrive as it was sent.
    """

    uri: str | None
    caption: str
    damaged: bool = False


@dataclass(frozen=True)
class PictureRow:
    """The same picture by every scheme at one place of the axis.

    Attributes:
        place: as written.
        name: of the picture.
        pictures: as sent, then of each curve.
    """

    place: str
    name: str
    pictures: list[Thumbnail]


def comparison_page(comparison: Comparison, pictures: Sequence[PictureRow], figure: str) -> str:
    """Make the page.

    Args:
        comparison: names its runs as seen from the folder that the page goes to.
        pictures: to show.
        figure: SVG document.

    Returns:
        HTML.
    """
    template = environment().get_template("compare.html.jinja")
    return template.render(
        comparison=comparison,
        figure=figure[figure.index("<svg") :],
        rows=table_rows(comparison, comparison.metric),
        picture_rows=pictures,
    )


def picture_rows(curves: Curves) -> list[PictureRow]:
    """One picture by every scheme: where the axis begins, at the cliff if there is one, beyond it.

    Along a trace, the frames of the lowest, the median and the highest SNR.

    Args:
        curves: name their runs as seen from here.
    """
    rows = []
    for place in _shown_places(curves):
        picture = int(place) if curves.axis is Axis.FRAME else None
        points = [next((p for p in c.points if p.x == place), None) for c in curves.curves]
        found = [None if point is None else _find(Path(point.run), picture) for point in points]
        row = _row(f"{place:g}", found)
        if row is not None:
            rows.append(row)
    return rows


def _shown_places(curves: Curves) -> list[float]:
    places = curves.places
    if curves.axis is Axis.FRAME:
        snrs = {p.x: p.snr_db for c in curves.curves for p in c.points if p.snr_db is not None}
        ranked = sorted(snrs, key=lambda x: snrs[x]) or places
        return [ranked[0], ranked[len(ranked) // 2], ranked[-1]][: len(ranked)]
    fallen = [p.x for c in curves.curves for p in c.points if p.fallen_back]
    middle = places.index(max(fallen)) if fallen else len(places) // 2
    picks = {0, middle, min(middle + 1, len(places) - 1) if fallen else len(places) - 1}
    return [places[pick] for pick in sorted(picks)]


_Found = tuple[RunFolder, PictureRecord]


def _find(path: Path, picture: int | None) -> _Found | None:
    """A run's record of a picture, or of its first one."""
    folder = RunFolder.open(path)
    records = folder.records()
    wanted = (r for r in records if picture is None or r.picture == picture)
    record = next(wanted, None)
    return None if record is None else (folder, record)


def _row(place: str, found: Sequence[_Found | None]) -> PictureRow | None:
    """The picture as sent, and by every curve; None where no curve has it."""
    there = next((pair for pair in found if pair is not None), None)
    if there is None:
        return None
    folder, record = there
    sent = Thumbnail(_uri(folder, record.sent), "sent")
    return PictureRow(place, record.name, [sent, *(_received(pair, record) for pair in found)])


def _received(found: _Found | None, as_sent: PictureRecord) -> Thumbnail:
    if found is None:
        return Thumbnail(None, "no run here")
    folder, record = found
    if record.sha256 != as_sent.sha256:
        return Thumbnail(None, "another picture")
    figure = f"{number(record.psnr_db, 2)} dB" if record.status == "completed" else record.status
    return Thumbnail(_uri(folder, record.received), figure, record.fell_back)


def _uri(folder: RunFolder, file: str | None) -> str | None:
    picture = thumbnails.open_rgb(folder.path / file) if file else None
    if picture is None:
        return None
    return thumbnails.picture_uri(picture, min(1.0, THUMBNAIL_WIDTH / picture.width))
