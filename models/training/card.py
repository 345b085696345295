# SPDX-License-Identifier: GPL-3.0-or-later
"""Model cards: what weights reached, measured, beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from semcom_models.codecs.base import Codec
from semcom_models.data import sample_pictures
from semcom_models.evaluation import Reached, evaluate
from semcom_models.psnr import psnr_of_mse_db

LOSSES = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Shares of lost frames at which graceful degradation is shown."""
LOSS_SNR_DB = 10.0


GOLDEN_SIDE = 128


def golden_psnr_db(codec: Codec) -> float:
    """PSNR of one small picture at one SNR: changes when a weights file or its codec does."""
    picture = dict(sample_pictures())["astronaut"]
    top, left = ((side - GOLDEN_SIDE) // 2 for side in picture.shape[1:])
    crop = picture[:, top : top + GOLDEN_SIDE, left : left + GOLDEN_SIDE]
    return evaluate(codec, [crop], LOSS_SNR_DB).psnr_db


@dataclass(frozen=True)
class Measured:
    """A set of pictures and what a codec reached on it.

    Attributes:
        curve: by SNR, ascending.
        losses: at :data:`LOSS_SNR_DB`, by share of frames lost; empty for pictures of one frame.
        pictures: how many.
    """

    curve: tuple[Reached, ...]
    losses: Mapping[float, Reached]
    pictures: int

    @property
    def psnr_of_mean_mse_db(self) -> float:
        """PSNR of the squared error averaged over pictures and SNRs, as in ADJSCC's Table I."""
        return psnr_of_mse_db(point.mse for point in self.curve)


def measure(
    codec: Codec, pictures: Sequence[Tensor], snrs_db: Sequence[float], *, losses: bool
) -> Measured:
    """The figures of one set of pictures; the same noise for every codec."""
    lossy = {}
    if losses:
        lossy = {p: evaluate(codec, pictures, LOSS_SNR_DB, lost=p) for p in LOSSES}
    curve = tuple(evaluate(codec, pictures, snr) for snr in sorted(snrs_db))
    return Measured(curve, lossy, len(pictures))


@dataclass(frozen=True)
class Card:
    """What is worth knowing of a preset.

    Attributes:
        title: one line.
        recipe: name of the recipe it was trained by, None where nothing is learned.
        default: whether the preset is the scheme's default.
        results: by name of the set of pictures.
        command: that measures again.
    """

    title: str
    recipe: str | None
    default: bool
    results: Mapping[str, Measured]
    command: str

    def write(self, weights: Path, codec: Codec) -> None:
        """Write ``.json`` (for programs) and ``.md`` (for people) beside ``weights``.

        Args:
            weights: path of the weights file, or where it would be.
            codec: the preset, open.
        """
        reached = {
            name: {f"{point.snr_db:g}": round(point.psnr_db, 2) for point in measured.curve}
            for name, measured in self.results.items()
        }
        card = {
            "default": self.default,
            "note": self.title,
            "recipe": self.recipe,
            "golden_psnr_db": round(golden_psnr_db(codec), 3),
            "reached": reached,
        }
        weights.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
        lines = [f"# {self.title}"]
        lines += ["", f"Trained with `models/recipes/{self.recipe}`."] if self.recipe else []
        for name, measured in self.results.items():
            lines += ["", f"## {name} ({measured.pictures} pictures)", "", *_table(measured)]
        lines += ["", "Measured over additive white Gaussian noise by", ""]
        lines += [f"    {self.command}", ""]
        weights.with_suffix(".md").write_text("\n".join(lines))


def _table(measured: Measured) -> list[str]:
    rows = [
        "| SNR (dB) | mean PSNR (dB) | PSNR of the mean MSE (dB) | CBR |",
        "| --- | --- | --- | --- |",
    ]
    rows += [
        f"| {p.snr_db:g} | {p.psnr_db:.2f} | {p.psnr_of_mse_db:.2f} | {p.cbr:.4f} |"
        for p in measured.curve
    ]
    rows += ["", f"PSNR of the mean MSE over these SNRs: {measured.psnr_of_mean_mse_db:.2f} dB."]
    if measured.losses:
        rows += ["", f"| frames lost at {LOSS_SNR_DB:g} dB | mean PSNR (dB) |", "| --- | --- |"]
        rows += [f"| {share:.0%} | {p.psnr_db:.2f} |" for share, p in measured.losses.items()]
    return rows
