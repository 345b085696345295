# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: Lightning Fabric, exact resume, curves in a CSV file."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers import CSVLogger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from semcom_models.channels import LossyAWGN
from semcom_models.codecs.adjscc import ADJSCC, Architecture
from semcom_models.training.crops import Crops, centre_crops
from semcom_models.training.recipe import Recipe, Stage, Validation


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes.

    Attributes:
        data: folder that the recipe's sources are relative to.
        output: receives ``checkpoint.ckpt``, ``curves/metrics.csv``.
    """

    data: Path
    output: Path

    @property
    def checkpoint(self) -> Path:
        return self.output / "checkpoint.ckpt"


def build(recipe: Recipe) -> ADJSCC:
    """The recipe's network with the initial weights of its seed."""
    torch.manual_seed(recipe.seed)
    size = Architecture(recipe.channels, recipe.filters, recipe.scheme == "adjscc")
    return ADJSCC(size).to(memory_format=torch.channels_last)


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
    network: torch.nn.Module, images: Tensor, validation: Validation, scheme_snr: float | None
) -> dict[str, float]:
    """PSNR of the mean squared error at every SNR, on channel draws that never change."""
    network.eval()
    figures = {}
    for snr_db in validation.snr_db:
        generator = seeded(images.device, round(snr_db * 1000))
        errors = []
        for part in images.split(16):
            true = torch.full((len(part),), snr_db, device=part.device)
            zeros = torch.zeros_like(true)
            told = true if scheme_snr is None else torch.full_like(true, scheme_snr)
            decoded = network(part, told, LossyAWGN(true, zeros, zeros, generator))
            errors.append((decoded.float() - part).square().mean((1, 2, 3)))
        figures[f"psnr_{snr_db:g}"] = -10 * math.log10(float(torch.cat(errors).mean()))
    network.train()
    return figures


def train(
    recipe: Recipe, place: Place, *, accelerator: str = "auto", devices: int = 1, quiet: bool = False
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
        RecipeError: no data where the recipe says.
        ValueError: a checkpoint of another recipe.
    """
    place.output.mkdir(parents=True, exist_ok=True)
    logger = CSVLogger(place.output, name="curves", version="", flush_logs_every_n_steps=1)
    fabric = Fabric(
        accelerator=accelerator, devices=devices, precision=recipe.precision, loggers=logger
    )
    fabric.launch()
    network = build(recipe)
    if recipe.compile:
        network.encoder.compile()
        network.decoder.compile()
    optimiser = torch.optim.Adam(network.parameters(), fused=True)
    module, optimiser = fabric.setup(network, optimiser)
    step = _resume(fabric, recipe, place, network, optimiser)
    probe = fabric.to_device(
        centre_crops(
            recipe.validation.sources,
            place.data,
            recipe.validation.crop,
            recipe.validation.pictures,
        )
    )
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        disable=quiet or not fabric.is_global_zero,
    )
    task = bar.add_task(recipe.preset, total=recipe.steps, completed=step)
    crops: dict[int, Crops] = {}
    running, since = 0.0, time.monotonic()
    with bar:
        while step < recipe.steps:
            stage, within = recipe.stage_at(step)
            if id(stage) not in crops:
                crops = {id(stage): Crops(stage.sources, place.data, stage.crop, recipe.seed)}
            share = stage.batch // fabric.world_size
            images = fabric.to_device(crops[id(stage)].batch(step, share, fabric.global_rank))
            generator = seeded(fabric.device, recipe.seed, step, fabric.global_rank)
            channel = draw_channel(stage, share, generator)
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(stage, within)
            loss = (module(images, channel.snr_db, channel).float() - images).square().mean()
            optimiser.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(module, optimiser, max_norm=1.0, error_if_nonfinite=False)
            optimiser.step()
            step += 1
            running += float(loss.detach())
            bar.advance(task)
            if step % recipe.validation.every == 0 or step == recipe.steps:
                figures = validate(module, probe, recipe.validation, None)
                mean_loss = running / recipe.validation.every
                elapsed, since, running = time.monotonic() - since, time.monotonic(), 0.0
                log = {"loss": mean_loss, "lr": learning_rate(stage, within), "seconds": elapsed}
                fabric.log_dict({**log, **figures}, step=step)
                bar.console.print(step, f"{mean_loss:.5f}", figures, f"{elapsed:.0f} s")
            if step % recipe.checkpoint_every == 0 or step == recipe.steps:
                _save(fabric, recipe, place, network, optimiser, step)
    return network.cpu()


def _save(
    fabric: Fabric,
    recipe: Recipe,
    place: Place,
    network: ADJSCC,
    optimiser: torch.optim.Optimizer,
    step: int,
) -> None:
    """Write the checkpoint beside the old one and put it in its place."""
    if fabric.is_global_zero:
        part = place.checkpoint.with_suffix(".part")
        state = {
            "recipe": recipe.model_dump_json(),
            "step": step,
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        torch.save(state, part)
        part.replace(place.checkpoint)
    fabric.barrier()


def _resume(
    fabric: Fabric,
    recipe: Recipe,
    place: Place,
    network: ADJSCC,
    optimiser: torch.optim.Optimizer,
) -> int:
    """Load the checkpoint, if any; the number of updates already made."""
    if not place.checkpoint.exists():
        return 0
    state = torch.load(place.checkpoint, map_location=fabric.device, weights_only=True)
    if state["recipe"] != recipe.model_dump_json():
        raise ValueError(
            f"{place.checkpoint} is of another recipe: choose another --output or remove it"
        )
    network.load_state_dict(state["network"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
