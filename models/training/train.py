# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: Lightning Fabric, exact resume, curves in a CSV file."""

from __future__ import annotations

import math
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import CSVLogger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from semcom_models.channels import LossyAWGN
from semcom_models.codecs.adjscc import ADJSCC, Architecture, channels_last
from semcom_models.codecs.weights import BadWeights, load_weights
from semcom_models.training.crops import Crops, centre_crops
from semcom_models.training.kernel_muon import KernelMuon
from semcom_models.training.recipe import Recipe, RecipeError, Stage

GRADIENT_NORM = 0.25
"""Adam's gradients are scaled down to this norm; a burst of noise cannot undo a thousand updates.
Muon's updates are of one size whatever the gradient's."""

ADAM_SHARE = 1 / 3
"""Learning rate of all that is not a kernel (biases, GDN, PReLU, AF), relative to the kernels'."""


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Attributes:
        data: folder that the recipe's sources are relative to.
        output: receives ``checkpoint.ckpt`` and, for every start of the run, the curves
            ``curves/from-<update>/metrics.csv``.
    """

    data: Path
    output: Path

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoint.ckpt"


def build(recipe: Recipe) -> ADJSCC:
    """The recipe's network with the initial weights of its seed, or of a file.

    Raises:
        RecipeError: the file is not there, or of another network.
    """
    torch.manual_seed(recipe.seed)
    size = Architecture(recipe.channels, recipe.filters, recipe.scheme == "adjscc")
    network = channels_last(ADJSCC(size))
    if recipe.start is not None:
        try:
            load_weights(recipe.start, network)
        except BadWeights as error:
            raise RecipeError(f"start: {error}") from error
    return network


def learning_rate(stage: Stage, step: int) -> float:
    """Linear warm-up, then a cosine from the stage's peak to its final learning rate."""
    if step < stage.warmup:
        return stage.learning_rate * (step + 1) / stage.warmup
    progress = (step - stage.warmup) / max(1, stage.steps - stage.warmup)
    span = stage.learning_rate - stage.final_learning_rate
    return stage.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * progress))


def draw_channel(stage: Stage, batch: int, generator: torch.Generator) -> LossyAWGN:
    """SNR, erasures and unevenness of every picture of a batch."""
    low, high = stage.snr_db
    draws = torch.rand((3, batch), generator=generator, device=generator.device)
    spoilt = torch.rand((2, batch), generator=generator, device=generator.device) < 0.5
    return LossyAWGN(
        snr_db=low + (high - low) * draws[0],
        erasures=stage.erasures * draws[1] * spoilt[0],
        unevenness=stage.unevenness * draws[2] * spoilt[1],
        generator=generator,
    )


def seeded(device: torch.device, *key: int) -> torch.Generator:
    """A generator whose stream depends on nothing but ``key``."""
    state = 0
    for part in key:
        state = (state * 6364136223846793005 + part + 1442695040888963407) % 2**63
    return torch.Generator(device).manual_seed(state)


@torch.no_grad()
def validate(
    network: torch.nn.Module, images: Tensor, snrs_db: tuple[float, ...]
) -> dict[str, float]:
    """PSNR of the mean squared error at every SNR, on channel draws that never change."""
    network.eval()
    figures = {}
    for snr_db in snrs_db:
        generator = seeded(images.device, round(snr_db * 1000))
        errors = []
        for part in images.split(16):
            snr = torch.full((len(part),), snr_db, device=part.device)
            zeros = torch.zeros_like(snr)
            decoded = network(part, snr, LossyAWGN(snr, zeros, zeros, generator))
            errors.append((decoded.float() - part).square().mean((1, 2, 3)))
        figures[f"psnr_{snr_db:g}"] = -10 * math.log10(float(torch.cat(errors).mean()))
    network.train()
    return figures


def train(
    recipe: Recipe,
    place: Place,
    *,
    accelerator: str = "auto",
    devices: int = 1,
    quiet: bool = False,
) -> ADJSCC:
    """Train as the recipe says; go on from the checkpoint where there is one.

    Every update draws its pictures and its channel from the seed and the update's number, so that a
    run that was interrupted ends with the weights it would have had.

    Args:
        recipe: what to train.
        place: where data is and results go.
        accelerator: Lightning Fabric's name: ``auto``, ``cpu``, ``cuda``.
        devices: how many; the recipe's batch is shared among them.
        quiet: no progress bar.

    Returns:
        The trained network, on the CPU.

    Raises:
        RecipeError: no data where the recipe says, a batch that the devices cannot share, or a
            checkpoint of another recipe.
    """
    place.output.mkdir(parents=True, exist_ok=True)
    fabric = Fabric(accelerator=accelerator, devices=devices, precision=recipe.precision)
    fabric.launch()
    return _Training(recipe, place, fabric).run(quiet)


class _Training:
    """A run under way: network, optimiser, and the number of updates made."""

    def __init__(self, recipe: Recipe, place: Place, fabric: Fabric) -> None:
        if any(stage.batch % fabric.world_size for stage in recipe.stages):
            raise RecipeError(f"every batch must be a multiple of {fabric.world_size} devices")
        self.recipe, self.place, self.fabric = recipe, place, fabric
        self.network = build(recipe)
        if recipe.compile:
            self.network.encoder.compile()
            self.network.decoder.compile()
        kernels = [p for p in self.network.parameters() if p.ndim == 4]
        others = [p for p in self.network.parameters() if p.ndim != 4]
        self.module, self.muon, self.adam = fabric.setup(
            self.network, KernelMuon(kernels), torch.optim.Adam(others, fused=True)
        )
        self.step = self._resume()
        self.curves = CSVLogger(
            place.output, "curves", version=f"from-{self.step}", flush_logs_every_n_steps=1
        )
        check = recipe.validation
        self.probe = fabric.to_device(
            centre_crops(check.sources, place.data, check.crop, check.pictures)
        )
        self._crops: tuple[Stage, Crops] | None = None
        self._losses: list[Tensor] = []
        self._since = time.monotonic()

    def run(self, quiet: bool) -> ADJSCC:
        """The updates that are left."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        hidden = quiet or not self.fabric.is_global_zero
        with Progress(*columns, disable=hidden) as bar:
            task = bar.add_task(self.recipe.preset, total=self.recipe.steps, completed=self.step)
            while self.step < self.recipe.steps:
                self._update()
                bar.advance(task)
                last = self.step == self.recipe.steps
                if last or self.step % self.recipe.validation.every == 0:
                    bar.update(task, description=self._measure())
                if last or self.step % self.recipe.checkpoint_every == 0:
                    self._save()
        return self.network.cpu()

    def _update(self) -> None:
        stage, within = self.recipe.stage_at(self.step)
        fabric, rank = self.fabric, self.fabric.global_rank
        share = stage.batch // fabric.world_size
        images = fabric.to_device(self._crops_of(stage).batch(self.step, share, rank))
        generator = seeded(fabric.device, self.recipe.seed, self.step, rank)
        channel = draw_channel(stage, share, generator)
        rate = learning_rate(stage, within)
        self.muon.param_groups[0]["lr"] = rate
        self.adam.param_groups[0]["lr"] = rate * ADAM_SHARE
        loss = (self.module(images, channel.expected_db, channel).float() - images).square().mean()
        self.network.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(self.module, self.adam, max_norm=GRADIENT_NORM)
        self.muon.step()
        self.adam.step()
        self._losses.append(loss.detach())
        self.step += 1

    def _crops_of(self, stage: Stage) -> Crops:
        if self._crops is None or self._crops[0] is not stage:
            crops = Crops(stage.sources, self.place.data, stage.crop, self.recipe.seed)
            self._crops = (stage, crops)
        return self._crops[1]

    def _measure(self) -> str:
        """Validate and log; the figures in a few words."""
        figures = validate(self.module, self.probe, self.recipe.validation.snr_db)
        loss = float(torch.stack(self._losses).mean())
        seconds = (time.monotonic() - self._since) / len(self._losses)
        rate = self.muon.param_groups[0]["lr"]
        self.curves.log_metrics(
            {"loss": loss, "learning_rate": rate, "seconds_per_update": seconds, **figures},
            step=self.step,
        )
        self._losses, self._since = [], time.monotonic()
        levels = "/".join(f"{value:.2f}" for value in figures.values())
        return f"{self.recipe.preset} {levels} dB"

    def _save(self) -> None:
        """Write the checkpoint beside the old one and put it in its place."""
        if self.fabric.is_global_zero:
            part = self.place.checkpoint.with_suffix(".part")
            state = {
                "recipe": self.recipe.model_dump_json(),
                "step": self.step,
                "network": self.network.state_dict(),
                "muon": self.muon.state_dict(),
                "adam": self.adam.state_dict(),
            }
            torch.save(state, part)
            part.replace(self.place.checkpoint)
        self.fabric.barrier()

    def _resume(self) -> int:
        """Load the checkpoint, if any; the number of updates already made."""
        path = self.place.checkpoint
        if not path.exists():
            return 0
        try:
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
            same = state["recipe"] == self.recipe.model_dump_json()
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
            raise RecipeError(f"{path} is no checkpoint or a damaged one: remove it") from error
        if not same:
            raise RecipeError(f"{path} is of another recipe: choose another output or remove it")
        self.network.load_state_dict(state["network"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        return int(state["step"])
