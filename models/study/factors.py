# SPDX-License-Identifier: GPL-3.0-or-later
"""The scaling factors of AF modules over SNR: ADJSCC, Sec. IV-A and Fig. 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.study.attention import attend, attention_modules
from semcom_models.study.interval import Interval, interval
from semcom_models.study.subject import batches

SNRS_DB = (1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0)
"""Those of Fig. 7, and those between."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Scaling factors of an AF module.

    Attributes:
        module: its name.
        snrs_db: ascending.
        values: ``[pictures, snrs, channels]``, each in (0, 1).
    """

    module: str
    snrs_db: tuple[float, ...]
    values: NDArray[np.float32]

    @property
    def mean(self) -> NDArray[np.float32]:
        """Over the pictures, ``[snrs, channels]``."""
        return self.values.mean(0)

    @property
    def deviation(self) -> NDArray[np.float32]:
        """Standard deviation over the pictures, ``[snrs, channels]``."""
        return self.values.std(0)

    @property
    def variance(self) -> NDArray[np.float32]:
        """Of the mean factors over all channels, ``[snrs]``: ``var`` of Fig. 7."""
        return self.mean.var(1)

    @cached_property
    def variance_gained(self) -> Interval:
        """The variance at the highest SNR less that at the lowest."""

        def gained(numbers: NDArray[np.intp]) -> NDArray[np.floating]:
            low, high = (self.values[:, at][numbers].mean(-2).var(-1) for at in (0, -1))
            return np.asarray(high - low)

        return interval(gained, len(self.values))

    @cached_property
    def change(self) -> Interval:
        """How far apart the curves of Fig. 7 are.

        Mean over the channels of how much the mean factor changes, up or down, from the lowest to
        the highest SNR.
        """
        changes = self.values[:, -1] - self.values[:, 0]
        return interval(
            lambda numbers: np.abs(changes[numbers].mean(-2)).mean(-1), len(self.values)
        )


def measure_factors(
    codec: ADJSCCCodec, pictures: Sequence[Tensor], snrs_db: Sequence[float], seed: int = 0
) -> list[Factors]:
    """The factors of all AF modules, encoder's first.

    Args:
        codec: with AF modules.
        pictures: ``[3, H, W]`` in [0, 1].
        snrs_db: of the channel, of which encoder and decoder are told; ascending.
        seed: of the noise, which is the same at every SNR but for its strength.
    """
    names = list(attention_modules(codec.network))
    by_snr = []
    for snr_db in snrs_db:
        generator = torch.Generator().manual_seed(seed)
        seen = [attend(codec, batch, snr_db, names, generator) for batch in batches(pictures)]
        by_snr.append([torch.cat([part[name].factors for part in seen]) for name in names])
    return [
        Factors(name, tuple(snrs_db), torch.stack(values, dim=1).numpy())
        for name, values in zip(names, zip(*by_snr, strict=True), strict=True)
    ]


def rises(values: Sequence[float] | NDArray[np.floating]) -> bool:
    """Whether each is above the one before."""
    return all(before < after for before, after in pairwise(values))
