# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn PEN's steps and memories and CEN's correction.

The loss is eq. (10) of SCSC, ``E |x_p - U2 (H z + n)|^2``. Its expectation over symbols and noise
is taken exactly, as the alphabet is small, so that only the channels are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from semcom_models.precoding.knowledge import STREAM_POWER, Channels, draw_channels
from semcom_models.precoding.recipe import PcenRecipe
from semcom_phy.pcen import enhance, lmmse, moments, nearest_level, power_scale
from semcom_phy.pcen_link import PcenScheme, equalised_channel, level_spacing
from semcom_phy.pcen_parameters import CenCorrection, PcenParameters
from semcom_phy.qam import BITS_PER_SYMBOL

DECAY = 0.9


class Pcen(torch.nn.Module):
    """PEN and CEN with their parameters.

    Args:
        modulation: of the symbols.
        layers: of PEN.
        softness: see :class:`semcom_models.precoding.recipe.PcenRecipe`.
    """

    alphabet: Tensor

    def __init__(self, modulation: str, layers: int, softness: float) -> None:
        super().__init__()
        self.levels = 2 ** (BITS_PER_SYMBOL[modulation] // 2)
        self.spacing = level_spacing(modulation)
        self.softness = softness
        self.register_buffer("alphabet", torch.from_numpy(PcenScheme(modulation).alphabet))
        # Each layer halves what is left or so, and the first has nothing to remember.
        halves = 1 - 0.5 * 0.7 ** torch.arange(layers, dtype=torch.float64)
        self.gamma = torch.nn.Parameter(torch.ones(layers, dtype=torch.float64))
        self.alpha = torch.nn.Parameter(halves)
        self.correction = torch.nn.ParameterDict(
            {
                name: torch.nn.Parameter(torch.tensor(value, dtype=torch.float64))
                for name, value in vars(CenCorrection()).items()
            }
        )

    def project(self, values: Tensor) -> Tensor:
        """Hard decisions forward; backward, the slope of a staircase with soft steps."""
        hard = nearest_level(values, self.levels, self.spacing)
        edges = self.spacing * torch.arange(1 - self.levels // 2, self.levels // 2)
        steps = torch.tanh((values[..., None] - edges) / (self.softness * self.spacing))
        soft = self.spacing / 2 * steps.sum(-1)
        return soft + (hard - soft).detach()

    def send(self, precoder: Tensor, equalised: Tensor) -> Tensor:
        """What is sent for every symbol vector, ``[channels, n, 2]``, at the power allowed."""
        x_p = self.alphabet @ precoder.mT
        z_d = enhance(x_p, equalised, self.gamma, self.alpha, self.project)
        return z_d * power_scale(z_d, STREAM_POWER)

    def forward(
        self, channels: Channels, precoder: Tensor, equalised: Tensor, noise_var: float
    ) -> Tensor:
        """Mean squared error of ``x_p`` after CEN, ``[channels]``.

        Args:
            channels: and what is known of them.
            precoder: ``F[channels, 2, 2]``.
            equalised: ``U2 H`` as the transmitter knows it.
            noise_var: of the thermal noise.
        """
        truth, known = (
            torch.from_numpy(h.astype(np.complex128)) for h in (channels.truth, channels.receiver)
        )
        linear, rest = moments(self.send(precoder, equalised), self.alphabet)
        cross = precoder @ linear.mH
        noise_cov = torch.from_numpy(channels.noise_cov(noise_var))
        ratio = noise_cov.diagonal(dim1=1, dim2=2).real.sum(1) / known.abs().square().sum((1, 2))
        tuned = self.correction
        believed = known / (1 + tuned["shrinkage"] * ratio)[:, None, None]
        covariance = linear @ linear.mH + tuned["distortion"] * rest
        combiner = lmmse(believed, cross, covariance, tuned["noise"] * noise_cov)
        thermal = noise_var * torch.eye(2, dtype=torch.complex128)
        received = truth @ (linear @ linear.mH + rest) @ truth.mH + thermal
        return (
            _trace(precoder @ precoder.mH)
            - 2 * _trace(combiner @ truth @ cross.mH)
            + _trace(combiner @ received @ combiner.mH)
        )

    @torch.no_grad()
    def clamp_(self) -> None:
        """Keep the correction where it means something."""
        for value in self.correction.values():
            value.clamp_(min=0.0)

    def parameters_found(self) -> PcenParameters:
        """What inference needs."""
        correction = {name: value.item() for name, value in self.correction.items()}
        gamma, alpha = (tuple(v.detach().tolist()) for v in (self.gamma, self.alpha))
        return PcenParameters(gamma, alpha, CenCorrection(**correction))


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).real.sum(-1)


def batch_loss(network: Pcen, scheme: PcenScheme, channels: Channels) -> Tensor:
    """Mean of the loss over channels, the standard precoder being that of ``scheme``."""
    noise_var = 10 ** (-scheme.snr_db / 10)
    precoder = scheme.matrices(channels.transmitter, len(channels.truth))
    told = channels.transmitter.astype(np.complex128)
    equalised = equalised_channel(told, precoder, noise_var)
    both = (torch.from_numpy(matrix) for matrix in (precoder, equalised))
    loss: Tensor = network(channels, *both, noise_var).mean()
    return loss


def train(
    recipe: PcenRecipe, modulation: str, report: Callable[[int, float], None]
) -> PcenParameters:
    """Train for one modulation.

    Args:
        recipe: how.
        modulation: one of the recipe's.
        report: told the number of updates made and the loss of the last one.

    Returns:
        What was learned.
    """
    rng = np.random.default_rng(recipe.seed)
    network = Pcen(modulation, recipe.layers, recipe.softness)
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, recipe.steps, DECAY)
    scheme = PcenScheme(modulation)
    for step in range(1, recipe.steps + 1):
        scheme = replace(scheme, snr_db=rng.uniform(*recipe.snr_db))
        csi = recipe.csi[rng.integers(len(recipe.csi))]
        channels = draw_channels(recipe.batch, csi, recipe.error_var, recipe.doppler_delay, rng)
        loss = batch_loss(network, scheme, channels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        network.clamp_()
        report(step, float(loss.detach()))
    return network.parameters_found()
