# SPDX-License-Identifier: GPL-3.0-or-later
"""What a codec reaches on a set of pictures over the symbol-level link."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from semcom_models.cifar10 import load_cifar10
from semcom_models.codecs.base import Codec, Request
from semcom_models.data import find_pictures, load_picture, picture_of_rgb8
from semcom_models.metrics import mse
from semcom_models.psnr import psnr_of_mse_db
from semcom_phy.exchange import ChannelState
from semcom_phy.fragments import channel_uses
from semcom_phy.ideal import IdealLink


@dataclass(frozen=True)
class Reached:
    """What a codec reached at one SNR.

    Attributes:
        snr_db: Es/N0, known to encoder and decoder.
        psnr_db: mean of the pictures' PSNR.
        psnr_of_mse_db: PSNR of the pictures' mean squared error.
        mse: that error, for a peak of one.
        cbr: channel uses per source dimension, side information and padding included.
    """

    snr_db: float
    psnr_db: float
    psnr_of_mse_db: float
    mse: float
    cbr: float


def load_set(path: Path) -> list[Tensor]:
    """Pictures ``[3, H, W]`` of a folder or file, or of CIFAR-10's test split (npz, archive).

    Raises:
        UnreadablePicture, BadDataset: nothing that can be read there.
    """
    if path.name.endswith((".npz", ".tar.gz")):
        return [picture_of_rgb8(picture) for picture in load_cifar10(path, "test")]
    return [load_picture(file) for file in find_pictures(path)]


def evaluate(
    codec: Codec,
    pictures: Sequence[Tensor],
    snr_db: float,
    *,
    request: Request | None = None,
    lost: float = 0.0,
    seed: int = 0,
) -> Reached:
    """Send pictures over additive white Gaussian noise and measure what arrives.

    Args:
        codec: to encode and decode with.
        pictures: ``[3, H, W]`` in [0, 1].
        snr_db: Es/N0 in dB.
        request: passed to the encoder.
        lost: probability with which each frame is lost.
        seed: of noise and losses.
    """
    link = IdealLink(snr_db, seed=seed, erase_probability=lost)
    errors, psnrs, uses, dimensions = [], [], 0, 0
    for number, picture in enumerate(pictures):
        (sent,) = codec.encode([picture], ChannelState(snr_db=snr_db), request)
        (received,) = codec.decode([link.transfer(sent, number)])
        error = mse(received, picture)
        errors.append(error)
        psnrs.append(psnr_of_mse_db([error]))
        uses += channel_uses(sent)
        dimensions += picture.numel()
    return Reached(
        snr_db=snr_db,
        psnr_db=sum(psnrs) / len(psnrs),
        psnr_of_mse_db=psnr_of_mse_db(errors),
        mse=sum(errors) / len(errors),
        cbr=uses / dimensions,
    )
