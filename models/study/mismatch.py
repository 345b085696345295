# SPDX-License-Identifier: GPL-3.0-or-later
"""ADJSCC told a wrong SNR: ADJSCC, Sec. IV-B and Fig. 9."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semcom_models.codecs.adjscc import ADJSCCCodec
from semcom_models.codecs.registry import scheme_info
from semcom_models.metrics import mse
from semcom_models.study.interval import Interval, interval
from semcom_models.study.subject import batches, told, white_noise

SNRS_DB = (0.0, 2.5, 5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0)

Errors = NDArray[np.float64]
"""Mean squared error, for a peak of one, in which the last axis is over pictures."""


@dataclass(frozen=True, eq=False)
class Mismatch:
    """What arrived, by the SNR that was fed back (first axis) and that of the channel (second).

    Attributes:
        snrs_db: of both axes, ascending.
        both: ``[fb, test, pictures]``; encoder and decoder are told the SNR fed back, as in Fig. 9.
        encoder_alone: the same; the decoder measures the noise, as the receivers here do.
        bdjscc: ``[test, pictures]`` by the SNR in dB that a BDJSCC was trained at.
    """

    snrs_db: tuple[float, ...]
    both: Errors
    encoder_alone: Errors
    bdjscc: dict[float, Errors]

    @property
    def matched(self) -> Errors:
        """``[test, pictures]``, encoder and decoder told the channel's SNR."""
        return np.stack([self.both[index, index] for index in range(len(self.snrs_db))])


def bdjscc_beside(adjscc: str) -> list[str]:
    """The BDJSCC presets that go with an ADJSCC preset, both as ``SCHEME-PRESET``.

    Those are named after it and their own SNR (``cifar-small-10db``), and have its bandwidth ratio.
    """
    scheme, _, name = adjscc.partition("-")
    ratios = {preset.name: preset.cbr for preset in scheme_info(scheme).presets}
    return [
        f"bdjscc-{other.name}"
        for other in scheme_info("bdjscc").presets
        if re.fullmatch(rf"{re.escape(name)}-[0-9.]+db", other.name) and other.cbr == ratios[name]
    ]


def measure_mismatch(
    adjscc: ADJSCCCodec,
    bdjsccs: Iterable[ADJSCCCodec],
    pictures: Sequence[Tensor],
    snrs_db: Sequence[float],
    seed: int = 0,
    progress: Callable[[Sequence[float]], Iterable[float]] = iter,
) -> Mismatch:
    """Every SNR fed back with every SNR of the channel, and the BDJSCCs beside them.

    Args:
        adjscc: with AF modules.
        bdjsccs: each trained at one SNR.
        pictures: ``[3, H, W]`` in [0, 1].
        snrs_db: ascending.
        seed: of the noise, which is the same for all but for its strength.
        progress: is shown the steps.
    """
    rows = [_errors(adjscc, pictures, fed_back, snrs_db, seed) for fed_back in progress(snrs_db)]
    trained = {float(codec.trained_db[0]): codec for codec in bdjsccs}
    return Mismatch(
        tuple(snrs_db),
        np.stack([both for both, _ in rows]),
        np.stack([alone for _, alone in rows]),
        # Without AF modules the SNR that is told changes nothing.
        {
            snr_db: _errors(codec, pictures, snr_db, snrs_db, seed)[0]
            for snr_db, codec in sorted(trained.items())
        },
    )


@torch.no_grad()
def _errors(
    codec: ADJSCCCodec,
    pictures: Sequence[Tensor],
    fed_back_db: float,
    snrs_db: Sequence[float],
    seed: int,
) -> NDArray[np.float64]:
    """``[2, test, pictures]``: the decoder told what was fed back, and what it measures."""
    errors: list[list[list[float]]] = [[[] for _ in snrs_db] for _ in range(2)]
    noise = [torch.Generator().manual_seed(seed) for _ in snrs_db]
    for batch in batches(pictures):
        fed_back = told(codec, torch.full((len(batch),), fed_back_db))
        sent = codec.network.encode(batch, fed_back)
        for test, snr_db in enumerate(snrs_db):
            channel = white_noise(torch.full((len(batch),), snr_db), noise[test])
            received, measured = channel(sent)
            for way, known in enumerate((fed_back, told(codec, measured))):
                decoded = codec.network.decode(received, known, *batch.shape[2:])
                errors[way][test] += map(mse, decoded, batch)
    return np.array(errors)


def gain(ours: Errors, theirs: Errors) -> Interval:
    """PSNR of our mean squared error less that of theirs in dB, over the same pictures."""

    def difference(numbers: NDArray[np.intp]) -> NDArray[np.floating]:
        ratio = theirs[numbers].mean(-1) / ours[numbers].mean(-1)
        return np.asarray(10 * np.log10(ratio))

    return interval(difference, len(ours))
