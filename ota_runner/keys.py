# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner keys``: keys of two hosts, so that they hear each other and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ota_runner.errors import RadioUnavailable, UsageError


def command(
    output: Annotated[Path, typer.Option(help="folder to make")] = Path("keys"),
) -> None:
    """Make keys for a transmitter and a receiver on two hosts.

    Copy the folder tx to the transmitter's host and rx to the receiver's, and name it there with
    --keys. Whoever has a folder can pose as that host.
    """
    try:
        from gnuradio.semcom.curve_keys import make_keys
    except ImportError as error:
        raise RadioUnavailable(
            f"keys need GNU Radio, which cannot be imported ({error}): install the package gnuradio"
        ) from error
    ends = output / "tx", output / "rx"
    try:
        make_keys(ends)
    except FileExistsError as error:
        raise UsageError(f"{error}: give another --output, or remove them") from error
    except OSError as error:
        raise UsageError(
            f"cannot write to {error.filename or output}: {error.strerror}; give another --output"
        ) from error
    for end in ends:
        print(f"keys: {end}")
