# SPDX-License-Identifier: GPL-3.0-or-later
"""``compare.html``: figure, table and pictures of a comparison in one file, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ota_runner import thumbnails
from ota_runner.comparison import Comparison
from ota_runner.comparison_table import table_rows
from ota_runner.curves import Axis, Curves
from ota_runner.pages import environment
from ota_runner.panes import Pane, received_pane, sent_pane, sizes
from ota_runner.record import PictureRecord, RunFolder


@dataclass(frozen=True)
class PictureRow:
    """The same picture by every scheme at one place of the axis.

    Attributes:
        place: as written.
        name: of the picture.
        panes: as sent, then of each curve.
    """

    place: str
    name: str
    panes: list[Pane]


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
    found = {}
    for place in _shown_places(curves):
        picture = int(place) if curves.axis is Axis.FRAME else None
        points = [next((p for p in c.points if p.x == place), None) for c in curves.curves]
        pairs = [None if point is None else _find(Path(point.run), picture) for point in points]
        if any(pairs):
            found[f"{place:g}"] = pairs
    labels = [curve.label for curve in curves.curves]
    shown = [record for pairs in found.values() for _, record in filter(None, pairs)]
    scale = thumbnails.display_scale(sizes(shown), times=1)
    return [_row(place, labels, pairs, scale) for place, pairs in found.items()]


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


def _row(
    place: str, labels: Sequence[str], found: Sequence[_Found | None], scale: float
) -> PictureRow:
    """The picture as sent, and by every curve; one of them has it."""
    first = next(pair for pair in found if pair is not None)
    panes = [sent_pane(*first, scale)]
    for label, pair in zip(labels, found, strict=True):
        if pair is None:
            panes.append(Pane(label, None, "", absent="no run here"))
        elif pair[1].sha256 != first[1].sha256:
            panes.append(Pane(label, None, "", absent="another picture"))
        else:
            panes.append(received_pane(*pair, scale, label))
    return PictureRow(place, first[1].name, panes)
