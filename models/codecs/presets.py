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

from semcom_models.codecs.weights import BadWeights, read_info

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
        weights: a weights file, which is then the only learned offer, or a folder of them, which
            comes before the package's own: a preset found there hides the package's.

    Raises:
        BadWeights: a file or card that cannot be read, or a ``weights`` file of another scheme.
    """
    if weights is not None and weights.is_file():
        return [_offer(scheme, weights)]
    if weights is not None and not weights.is_dir():
        raise BadWeights(f"no weights file or folder {weights}")
    found: dict[str, Offer] = {}
    for folder in (WEIGHTS_FOLDER,) if weights is None else (weights, WEIGHTS_FOLDER):
        for path in sorted(folder.glob(f"{scheme}-*.safetensors")):
            if read_info(path).scheme == scheme:
                offer = _offer(scheme, path)
                found.setdefault(offer.preset.name, offer)
    for preset in unlearned:
        card = _card(WEIGHTS_FOLDER / f"{scheme}-{preset.name}.json")
        measured = replace(preset, reached=card.get("reached", preset.reached))
        found.setdefault(preset.name, Offer(measured, None))
    return sorted(found.values(), key=lambda offer: offer.preset.number)


def _offer(scheme: str, path: Path) -> Offer:
    info = read_info(path)
    if info.scheme != scheme:
        raise BadWeights(f"the weights file {path} is for {info.scheme}, not for {scheme}")
    card = _card(path.with_suffix(".json"))
    preset = PresetInfo(
        scheme=scheme,
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
