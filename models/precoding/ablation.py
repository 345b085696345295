# SPDX-License-Identifier: GPL-3.0-or-later
"""What PEN and CEN are worth, each and together, at equal transmit power.

All schemes meet the same channels, symbols and noise, so that their differences are known better
than their figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from semcom_models.precoding.knowledge import Channels, Csi, complex_normal, draw_channels
from semcom_models.precoding.recipe import PcenRecipe
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.pcen_link import PcenCombiner, PcenPrecoder, PcenScheme
from semcom_phy.pcen_parameters import CenCorrection, PcenParameters
from semcom_phy.qam import BITS_PER_SYMBOL, constellation

BASELINE = "SVD"
VECTORS = 64
"""Symbol vectors a channel."""
_CONFIDENCE = 1.96
"""Standard errors on each side of a 95 % interval; with hundreds of channels means are normal."""


@dataclass(frozen=True)
class Estimate:
    """A mean over channels and half of its 95 % interval."""

    mean: float
    half_width: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Estimate:
        spread = float(values.std(ddof=1)) / np.sqrt(values.size)
        return cls(float(values.mean()), _CONFIDENCE * spread)


@dataclass(frozen=True)
class Result:
    """What a scheme reached.

    Attributes:
        modulation, csi, snr_db, scheme: of what.
        errors: symbol error rate.
        information: post-detection mutual information, bits per channel use of both streams.
        errors_saved, information_gained: against the baseline, channel by channel.
        power: mean transmit power.
        weak_share: share of it in the weaker eigenmode of the channel that the transmitter knows.
    """

    modulation: str
    csi: Csi
    snr_db: float
    scheme: str
    errors: Estimate
    information: Estimate
    errors_saved: Estimate
    information_gained: Estimate
    power: float
    weak_share: float


def schemes(
    modulation: str, snr_db: float, learned: PcenParameters
) -> dict[str, tuple[PcenScheme, PcenScheme]]:
    """What transmitter and receiver do, by name; they agree but for what is taken away."""
    plain = PcenScheme(modulation, snr_db)
    both = replace(plain, parameters=learned)
    corrected = replace(plain, parameters=PcenParameters(correction=learned.correction))
    uncorrected = replace(plain, parameters=replace(learned, correction=CenCorrection()))
    least = PcenScheme(modulation, snr_db, powers="least-error")
    return {
        BASELINE: (plain, plain),
        "SVD + PEN": (both, plain),
        "SVD + CEN": (plain, corrected),
        "SVD + PEN + CEN": (both, both),
        "SVD + PEN + LMMSE": (both, uncorrected),
        "least error": (least, least),
    }


def count_errors(estimates: ComplexArray, index: NDArray[np.intp], modulation: str) -> FloatArray:
    """Symbol error rate of each channel, ``[n]``.

    Args:
        estimates: ``[vectors, n, streams]``.
        index: of the points sent, likewise.
        modulation: of the symbols.
    """
    points = constellation(BITS_PER_SYMBOL[modulation])
    nearest = np.argmin(np.abs(estimates[..., None] - points), axis=-1)
    return np.mean(nearest != index, axis=(0, 2), dtype=np.float32)


def information(
    estimates: ComplexArray, noise_var: FloatArray, index: NDArray[np.intp], modulation: str
) -> NDArray[np.float64]:
    """Bits per channel use that a decoder gets which trusts the noise variances, ``[n]``.

    ``sum over streams of log2 M - E log2 sum_x exp((|y - x_sent|^2 - |y - x|^2) / v)``: the
    generalised mutual information at its exponent 1, below the true one where the variances are
    wrong (Merhav, Kaplan, Lapidoth, Shamai, "On information rates for mismatched decoders", IEEE
    Trans. Inf. Theory 40(6), 1994).

    Args:
        estimates: ``[vectors, n, streams]``.
        noise_var: ``[n, streams]``.
        index: of the points sent, as ``estimates``.
        modulation: of the symbols.
    """
    bits = BITS_PER_SYMBOL[modulation]
    points = constellation(bits)
    distances = np.abs(estimates[..., None] - points) ** 2
    sent = np.take_along_axis(distances, index[..., None], axis=-1)
    exponents = (sent - distances) / noise_var[..., None]
    lost = logsumexp(exponents, axis=-1) / np.log(2)
    return np.asarray(np.mean(bits - lost, axis=0).sum(-1), np.float64)


def transmit(
    pair: tuple[PcenScheme, PcenScheme],
    channels: Channels,
    symbols: ComplexArray,
    noise: ComplexArray,
    noise_var: float,
) -> tuple[ComplexArray, FloatArray, ComplexArray]:
    """Estimates and their noise variances, and what was sent.

    Args:
        pair: what transmitter and receiver do.
        channels: and what is known of them.
        symbols: ``[vectors, n, 2]``.
        noise: likewise, of unit variance.
        noise_var: to scale it to.
    """
    sent = PcenPrecoder(pair[0]).precode(symbols, channels.transmitter)
    received = np.matmul(channels.truth, sent[..., None])[..., 0]
    received += np.float32(np.sqrt(noise_var)) * noise
    estimates, variance = PcenCombiner(pair[1]).combine(
        received, channels.receiver, channels.transmitter, channels.noise_cov(noise_var)
    )
    return estimates, variance, sent


def compare(
    recipe: PcenRecipe,
    learned: dict[str, PcenParameters],
    csi: Csi,
    snr_db: float,
    modulation: str,
    count: int,
) -> Iterator[Result]:
    """Measure all schemes over the same channels.

    Args:
        recipe: for how wrong imperfect CSI is.
        learned: parameters by modulation.
        csi: what is known of the channel.
        snr_db: Es/N0 per transmit and receive antenna.
        modulation: of the symbols.
        count: of channels.
    """
    rng = np.random.default_rng([recipe.seed, 1])  # not the channels of training
    channels = draw_channels(count, csi, recipe.error_var, recipe.doppler_delay, rng)
    points = constellation(BITS_PER_SYMBOL[modulation])
    index = rng.integers(points.size, size=(VECTORS, count, 2))
    noise = complex_normal(index.shape, rng)
    noise_var = 10 ** (-snr_db / 10)
    reference: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None
    for name, pair in schemes(modulation, snr_db, learned[modulation]).items():
        estimates, variance, sent = transmit(pair, channels, points[index], noise, noise_var)
        errors = count_errors(estimates, index, modulation)
        carried = information(estimates, variance, index, modulation)
        reference = reference or (errors, carried)
        yield Result(
            modulation,
            csi,
            snr_db,
            name,
            Estimate.of(errors),
            Estimate.of(carried),
            Estimate.of(reference[0] - errors),
            Estimate.of(carried - reference[1]),
            *_powers(sent, channels.transmitter),
        )


def _powers(sent: ComplexArray, known: ComplexArray) -> tuple[float, float]:
    """Mean power, and the share of it in the weaker eigenmode."""
    weak = np.linalg.svd(known)[2][:, 1]
    within = np.mean(np.abs(np.sum(sent * weak, axis=-1)) ** 2)
    power = np.mean(np.sum(np.abs(sent) ** 2, axis=-1))
    return float(power), float(within / power)
