# SPDX-License-Identifier: GPL-3.0-or-later
"""What the waveform costs a picture in white noise: PSNR beside that of the symbol-level link."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.bursts import with_noise
from benchmarks.modem import receive, transmit
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_models.codecs import registry
from semcom_models.codecs.base import Codec
from semcom_models.data import find_pictures, load_picture, sample_pictures
from semcom_models.metrics import psnr_db
from semcom_phy.exchange import ChannelState, Reception
from semcom_phy.ideal import IdealLink
from semcom_phy.numerology import NARROW

SCHEMES = ("linear", "adjscc")
SNRS_DB = (0, 5, 10, 15, 20)
PICTURES = 4


def _pictures(folder: Path | None, count: int) -> list[Tensor]:
    """Some pictures, of a folder or those that come along.

    Raises:
        ValueError: a folder without pictures.
    """
    if folder is None:
        return [picture for _, picture in sample_pictures()][:count]
    return [load_picture(path) for path in find_pictures(folder)[:count]]


def _quality(codec: Codec, reception: Reception, picture: Tensor) -> float:
    (decoded,) = codec.decode([reception])
    return psnr_db(decoded, picture)


def _loss_db(codec: Codec, picture: Tensor, snr_db: float, rng: np.random.Generator) -> float:
    """PSNR over the symbol-level link less that over the waveform.

    Raises:
        RuntimeError: the waveform lost the picture.
    """
    state = ChannelState(snr_db=snr_db)
    (transmission,) = codec.encode([picture], state)
    received = receive(with_noise(transmit(transmission, NARROW), snr_db, rng), NARROW)
    if len(received) != 1:
        raise RuntimeError(f"a picture was lost at {snr_db:g} dB")
    with IdealLink(snr_db, seed=int(rng.integers(1 << 31))) as link:
        ideal = link.transfer(transmission, 1)
    return _quality(codec, ideal, picture) - _quality(codec, received[0], picture)


def picture_loss(effort: Effort) -> Measurement:
    """Mean loss of PSNR, by scheme and SNR.

    Raises:
        NoWeights: a scheme has no weights here.
        ValueError: there are no pictures.
        RuntimeError: a picture was lost.
    """
    rng = np.random.default_rng(1)
    pictures = _pictures(effort.images, effort.trials(PICTURES, least=1))
    curves: dict[str, list[float | None]] = {}
    goals = []
    for scheme in SCHEMES:
        codec = registry.load(scheme)
        losses = [
            float(np.mean([_loss_db(codec, picture, snr_db, rng) for picture in pictures]))
            for snr_db in SNRS_DB
        ]
        curves[scheme] = [*losses]
        # A gain would be as wrong as a loss.
        goals.append(Goal(f"{scheme}: largest difference", max(map(abs, losses)), 0.2, "dB"))
    return Measurement(
        title="PSNR lost to the waveform",
        method=(
            f"Mean of {len(pictures)} pictures in white noise on the narrow waveform, less than "
            "over the symbol-level link `ideal`, which knows the channel. Bandwidth ratio 1/6."
        ),
        x_label="SNR (dB)",
        y_label="loss of PSNR (dB)",
        x=[*map(float, SNRS_DB)],
        curves=curves,
        goals=goals,
    )
