# SPDX-License-Identifier: GPL-3.0-or-later
"""Differentiable symbol-level channels for training."""

from __future__ import annotations

import torch
from torch import Tensor


def complex_normal(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Circularly symmetric complex Gaussian samples of unit variance."""
    device = generator.device
    parts = torch.randn((2, *shape), generator=generator, device=device)
    return torch.complex(parts[0], parts[1]) * 0.5**0.5


def told_snr_db(noise_var: Tensor, erased: Tensor) -> Tensor:
    """The SNR that tells a decoder of both noise and erasures.

    A symbol that is lost and set to zero is wrong by its own power, one. The mean squared error of
    what the decoder gets is therefore ``mean(noise_var)`` over what arrived and 1 over the rest.

    Args:
        noise_var: ``[B, k]`` noise variance per symbol.
        erased: ``[B, k]``, True where the symbol was lost.

    Returns:
        ``[B]``, dB.
    """
    error = torch.where(erased, torch.ones_like(noise_var), noise_var).mean(1)
    return -10 * torch.log10(error)


class LossyAWGN:
    """AWGN with uneven noise and lost symbols, as a packet radio link leaves them.

    Args:
        snr_db: ``[B]``, Es/N0 of every picture over the symbols that arrive.
        erasures: ``[B]``, the share of each picture's symbols that is lost.
        unevenness: ``[B]``, standard deviation in dB of the noise from symbol to symbol.
        generator: source of all randomness.
    """

    def __init__(
        self, snr_db: Tensor, erasures: Tensor, unevenness: Tensor, generator: torch.Generator
    ) -> None:
        self.snr_db = snr_db
        self.erasures = erasures
        self.unevenness = unevenness
        self.generator = generator

    @property
    def expected_db(self) -> Tensor:
        """The SNRs ``[B]`` in dB that decoders are told on average, for the encoder.

        One that was told of the noise alone would learn that lost symbols come with every SNR, and
        encode for less than it is told where nothing is lost.
        """
        noise_var = 10 ** (-self.snr_db / 10)
        return -10 * torch.log10((1 - self.erasures) * noise_var + self.erasures)

    def __call__(self, codewords: Tensor) -> tuple[Tensor, Tensor]:
        """Received codewords ``[B, k]`` and the SNRs ``[B]`` in dB that a decoder is told."""
        shape, device = codewords.shape, codewords.device
        spread_db = self.unevenness[:, None] * torch.randn(
            shape, generator=self.generator, device=device
        )
        shape_of_noise = 10 ** (spread_db / 10)
        shape_of_noise = shape_of_noise / shape_of_noise.mean(1, keepdim=True)
        noise_var = 10 ** (-self.snr_db[:, None] / 10) * shape_of_noise
        noise = noise_var.sqrt() * complex_normal(shape, self.generator)
        uniform = torch.rand(shape, generator=self.generator, device=device)
        erased = uniform < self.erasures[:, None]
        received = torch.where(erased, torch.zeros_like(codewords), codewords + noise)
        return received, told_snr_db(noise_var, erased)
