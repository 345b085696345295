# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: a scheme at one bandwidth ratio, found by weights files and their cards.

A learned preset is ``<scheme>-<preset>.safetensors``; the file itself says what it is for. The card
``<scheme>-<preset>.json`` beside it adds what it reached::

    {"default": true, "note": "...", "reached": {"kodak": {"10": 31.2}}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from semcom_models.codecs.weights import BadWeights, WeightsInfo, read_info

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"
"""Weights and cards that come with the package."""


@dataclass(frozen=True)
class PresetInfo:
    """A scheme at one bandwidth ratio.

    Attributes:
        scheme: name of the scheme.
        name: unique within the scheme.
        number: of the preset in the frame header, 0 to 255, unique within the scheme.
        cbr: channel bandwidth ratio R, channel uses per source dimension.
        parameters: of the networks, 0 where nothing is learned.
        weights: name of the weights file, None where nothing is learned.
        reached: PSNR in dB by data set and SNR in dB, ``{"kodak": {"10": 31.2}}``.
        note: one line for the user.
        default: the one opened where only the scheme is named.
    """

    scheme: str
    name: str
    number: int
    cbr: float
    parameters: int = 0
    weights: str | None = None
    reached: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    note: str = ""
    default: bool = False


@dataclass(frozen=True)
class Offer:
    """A preset and where its weights lie (None where nothing is learned)."""

    preset: PresetInfo
    path: Path | None


def find_offers(
    scheme: str, unlearned: Sequence[PresetInfo], weights: Path | None = None
) -> list[Offer]:
    """Presets of a scheme that can be opened here, sorted by number.

    Args:
        scheme: its name.
        unlearned: its presets that need no weights.
        weights: a weights file, or a folder of them named ``<scheme>-<preset>.safetensors``; a
            preset found there hides the package's of that name.

    Raises:
        BadWeights: a file, folder or card that cannot be read.
    """
    found: dict[str, Offer] = {}
    for path in [*_users_files(scheme, weights), *_files(scheme, WEIGHTS_FOLDER)]:
        info = read_info(path)
        if info.scheme == scheme:
            found.setdefault(info.preset, _offer(info, path))
    for preset in unlearned:
        card = _card(WEIGHTS_FOLDER / f"{scheme}-{preset.name}.json")
        measured = replace(preset, reached=card.get("reached", preset.reached))
        found.setdefault(preset.name, Offer(measured, None))
    return sorted(found.values(), key=lambda offer: offer.preset.number)


def _users_files(scheme: str, weights: Path | None) -> list[Path]:
    if weights is None:
        return []
    if weights.is_file():
        return [weights]
    if not weights.is_dir():
        raise BadWeights(f"no weights file or folder {weights}")
    return _files(scheme, weights)


def _files(scheme: str, folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{scheme}-*.safetensors"))


def _offer(info: WeightsInfo, path: Path) -> Offer:
    card = _card(path.with_suffix(".json"))
    preset = PresetInfo(
        scheme=info.scheme,
        name=info.preset,
        number=info.number,
        cbr=info.cbr,
        parameters=info.parameters,
        weights=path.name,
        reached=card.get("reached", {}),
        note=str(card.get("note", "")),
        default=bool(card.get("default", False)),
    )
    return Offer(preset, path)


def _card(path: Path) -> dict[str, Any]:
    """What a model card adds to a preset: ``reached``, ``note``, ``default``."""
    try:
        card = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadWeights(f"the model card {path} cannot be read: {error}") from error
    reached = card.get("reached", {}) if isinstance(card, dict) else None
    if not isinstance(reached, dict) or not all(isinstance(r, dict) for r in reached.values()):
        raise BadWeights(
            f'the model card {path} is not as {{"reached": {{"kodak": {{"10": 31.2}}}}}}'
        )
    return dict(card)
