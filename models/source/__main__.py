# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_models.source``: what the standard codecs make of a budget of bits.

A budget of b bits per pixel is what a channel code and constellation of m bits per channel use
carry at a channel bandwidth ratio of b / (3 m).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from semcom_models import source
from semcom_models.data import UnreadablePicture, find_pictures, load_rgb8
from semcom_models.source.rate_distortion import measure

BUDGETS = (1 / 3, 1 / 2, 2 / 3, 1.0)
"""Bits per pixel at bandwidth ratios of 1/24, 1/16, 1/12 and 1/8 with 16QAM of rate 2/3."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def rate_distortion(
    pictures: Annotated[Path, typer.Argument(help="a picture or a folder")],
    codec: Annotated[
        list[str] | None, typer.Option(help="any number of times; all if not given")
    ] = None,
    budget: Annotated[
        list[float] | None, typer.Option(min=0.0, help="bits per pixel; any number of times")
    ] = None,
) -> None:
    """Print a table of rate and PSNR."""
    try:
        codecs = [source.get(name) for name in codec or source.names()]
        loaded = [load_rgb8(path) for path in find_pictures(pictures)]
    except (UnreadablePicture, ValueError) as error:
        sys.exit(f"error: {error}")
    headings = ("codec", "budget bpp", "bpp", "PSNR dB", "pictures", "encode CPU s", "decode CPU s")
    table = Table(*headings, title=f"means over {len(loaded)} pictures of {pictures}")
    for one in codecs:
        if not one.available():
            table.add_row(one.name, "not installed")
            continue
        for bits in budget or BUDGETS:
            point = measure(one, loaded, bits)
            if point is None:
                table.add_row(one.name, f"{bits:.3f}", "none")
                continue
            table.add_row(
                one.name,
                f"{bits:.3f}",
                f"{point.bits_per_pixel:.4f}",
                f"{point.psnr_db:.2f}",
                f"{point.fitting}",
                f"{point.encode_s:.3f}",
                f"{point.decode_s:.3f}",
            )
    installed = [one.version() for one in codecs if one.available()]
    table.caption = "; ".join(dict.fromkeys(installed))
    Console().print(table)


if __name__ == "__main__":
    app()
