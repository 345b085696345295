# SPDX-License-Identifier: GPL-3.0-or-later
"""What the HTML pages have in common."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ota_runner.console import number


@cache
def environment() -> Environment:
    """Templates of this package; what they are given is escaped."""
    made = Environment(
        loader=PackageLoader("ota_runner", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = number
    made.filters["note"] = _note
    return made


def _note(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
