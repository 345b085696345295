# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner sheet``: pictures of runs side by side in one file, for a paper or a README."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ota_runner.errors import UsageError
from ota_runner.record import PictureRecord, RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

_WIDTH_IN, _LABEL_IN, _DPI = 2.6, 0.3, 110


@dataclass(frozen=True)
class Column:
    """A run on the sheet.

    Attributes:
        heading: what was asked: scheme and SNR.
        records: of its pictures, by name.
        folder: of the run.
    """

    heading: str
    records: dict[str, PictureRecord]
    folder: Path


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")],
    output: Annotated[Path, typer.Option(help="file to write: .png, .jpg, .webp, .pdf")],
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="pictures at most")] = 3,
) -> None:
    """Draw pictures of runs side by side: what was sent, and what each run received."""
    columns = [_column(RunFolder.open(path)) for path in runs]
    names = _common_names(columns)[:count]
    if not names:
        raise UsageError("the runs have no picture in common that arrived: nothing to draw")
    try:
        draw(columns, names).savefig(output, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write --output {output}: {error}") from error
    print(f"sheet: {output}")


def _column(folder: RunFolder) -> Column:
    manifest = folder.manifest()
    snr = manifest.snr_set_db
    heading = manifest.scheme if snr is None else f"{manifest.scheme}, {snr:g} dB"
    records = {record.name: record for record in folder.records()}
    return Column(heading, records, folder.path)


def _common_names(columns: Sequence[Column]) -> list[str]:
    """Pictures that every run has received, in the order of the first one."""

    def arrived(column: Column, name: str) -> bool:
        record = column.records.get(name)
        return record is not None and record.received is not None

    return [name for name in columns[0].records if all(arrived(c, name) for c in columns)]


def draw(columns: Sequence[Column], names: Sequence[str]) -> Figure:
    """The sheet: a row a picture, what was sent and then a column a run.

    Raises:
        UsageError: a picture cannot be read.
    """
    from matplotlib.figure import Figure

    rows = [_row(columns, name) for name in names]
    heights = [_WIDTH_IN * picture.height / picture.width + _LABEL_IN for picture, *_ in rows]
    size = (_WIDTH_IN * (1 + len(columns)), sum(heights) + _LABEL_IN)
    figure = Figure(figsize=size, facecolor="white", layout="constrained")
    panels = figure.subplots(
        len(rows), 1 + len(columns), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for name, pictures, row in zip(names, rows, panels, strict=True):
        records = [column.records[name] for column in columns]
        labels = [name, *(_quality(record) for record in records)]
        for panel, picture, label in zip(row, pictures, labels, strict=True):
            panel.imshow(picture, interpolation="lanczos")
            panel.set_xlabel(label, fontsize=9)
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
    for panel, heading in zip(
        panels[0], ["sent", *(column.heading for column in columns)], strict=True
    ):
        panel.set_title(heading, fontsize=11)
    return figure


def _row(columns: Sequence[Column], name: str) -> list[Image.Image]:
    from ota_runner.thumbnails import open_rgb

    first = columns[0]
    files = [first.folder / str(first.records[name].sent)]
    files += [column.folder / str(column.records[name].received) for column in columns]
    pictures = []
    for file in files:
        picture = open_rgb(file)
        if picture is None:
            raise UsageError(f"{file} cannot be read: make the run anew, or leave it out")
        pictures.append(picture)
    return pictures


def _quality(record: PictureRecord) -> str:
    return "" if record.psnr_db is None else f"{record.psnr_db:.1f} dB"
