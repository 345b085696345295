# SPDX-License-Identifier: GPL-3.0-or-later
"""Which picture codec a preset of separate coding compresses with, and whether it is here."""

from __future__ import annotations

from typing import Any

from semcom_models.codecs.presets import PresetInfo
from semcom_models.source import SourceCodec, get, names

_SOURCES = {("bpg", "x265"): "hevc"}
"""Picture codecs of presets that are not named as their scheme: BPG is HEVC in another file."""


def source_of(preset: PresetInfo) -> SourceCodec[Any]:
    """The picture codec of a preset, installed or not.

    Raises:
        ValueError: it is of no scheme of separate coding.
    """
    name = preset.scheme.partition("+")[0]
    return get(_SOURCES.get((name, preset.name), name))


def what_is_missing(preset: PresetInfo) -> str | None:
    """What to install before a preset can be opened; None where all is there."""
    name, plus, _ = preset.scheme.partition("+")
    if not plus or name not in names():  # no separate coding, or somebody's own
        return None
    source = source_of(preset)
    return None if source.available() else source.needs
