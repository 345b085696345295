# SPDX-License-Identifier: GPL-3.0-or-later
"""The opening of a frame: training symbols and header."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.equalisation import combine_antennas
from semcom_phy.estimation import (
    DelayPrior,
    average_cells,
    delay_prior,
    smooth_composite,
    take_carriers,
    without,
)
from semcom_phy.exchange import ComplexArray
from semcom_phy.header import HEADER_SYMBOLS, FrameHeader, decode_word, encode_word, parse_word
from semcom_phy.modulator import header_grid
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import pilot_grid, training_grid
from semcom_phy.reliability import interference, unhit
from semcom_phy.tracking import (
    carrier_numbers,
    match_both,
    refine_rotation,
    search_drift,
    straighten,
)

_DETECTED = 0.5
"""Within so many rad per OFDM symbol detection finds the carrier offset."""

_ACQUIRED = 0.15
"""And the training symbols alone."""

_FEWEST_TRAINING = 2
"""Training symbols that tell channel and noise."""


@dataclass(frozen=True, eq=False)
class Opening:
    """The opening of a frame whose header is decoded.

    Attributes:
        header: decoded.
        known: ``[training + header symbols, active carriers]``, all that was sent there.
        received: likewise with ``rx``, the detected carrier offset removed.
        line: its rotation, ``[phase, drift, slope, skew]``, see :mod:`semcom_phy.tracking`.
        composite: ``[active carriers, rx]`` channel, from the training symbols.
        noise_var: ``[rx]``, from the training symbols.
        interference: ``[training + header symbols, rx]``, see
            :func:`semcom_phy.reliability.interference`.
    """

    header: FrameHeader
    known: ComplexArray
    received: ComplexArray
    line: NDArray[np.float64]
    composite: ComplexArray
    noise_var: NDArray[np.float64]
    interference: NDArray[np.float64]


class _Sent(NamedTuple):
    """What an opening holds, whatever its header says.

    Attributes:
        training: ``[training symbols, active carriers]``.
        pilots: ``[training + header symbols, pilots]`` what the pilot carriers hold.
        rows: ``[pilots]`` their positions among the active carriers.
        data_rows: ``[data carriers]`` those of the others.
        carriers: ``[active carriers]``, their numbers.
    """

    training: NDArray[np.complex64]
    pilots: NDArray[np.complex64]
    rows: NDArray[np.intp]
    data_rows: NDArray[np.intp]
    carriers: NDArray[np.float64]


@lru_cache(maxsize=8)
def _sent(numerology: Numerology) -> _Sent:
    training, rows = training_grid(numerology), numerology.pilot_rows
    pilots = pilot_grid(numerology)[: numerology.header_ofdm_symbols]
    return _Sent(
        training,
        np.concatenate([training[:, rows], pilots]),
        rows,
        numerology.data_rows,
        carrier_numbers(numerology),
    )


@njit(cache=True, nogil=True)
def _hit(
    received: NDArray[np.complex64], sent: _Sent
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Interference as in :class:`Opening`, weights ``[symbols]``, and how much training is left."""
    count = sent.training.shape[0]
    hit = interference(received, take_carriers(received, sent.rows), sent.pilots)
    weight = np.empty(hit.shape[0])
    weight[:count] = unhit(hit[:count], _FEWEST_TRAINING)
    weight[count:] = unhit(hit[count:], 0)
    return hit, weight, int(weight[:count].sum())


@njit(cache=True, nogil=True)
def _equalise(
    received: NDArray[np.complex64],
    sent: _Sent,
    prior: DelayPrior,
    antennas: int,
    weight: NDArray[np.float64],
    interference: NDArray[np.float64],
) -> tuple[
    NDArray[np.complex64],
    NDArray[np.float32],
    NDArray[np.float64],
    NDArray[np.complex64],
    NDArray[np.float64],
]:
    """Synchronise on the training symbols and the header's pilots.

    Returns:
        The header's symbols ``[HEADER_SYMBOLS]`` and their noise variance; line, composite channel
        and noise as in :class:`Opening`.
    """
    training, rows, carriers = sent.training, sent.rows, sent.carriers
    count, receivers = training.shape[0], received.shape[2]
    pilots = sent.pilots[count:]
    none, nothing = np.empty((0, rows.size, receivers), np.complex64), np.empty(0)
    piloted = take_carriers(received[count:], rows)
    line = np.zeros(4)
    # The first channel is taken from the symbols as they are, which is good to the offset that
    # detection left. The header's pilots tell more of it, once it is known well enough.
    for header, furthest in ((0, _DETECTED), (pilots.shape[0], _ACQUIRED)):
        straight = straighten(received[:count], line, 0, carriers, nothing)
        cells = without(straight, training)
        average = average_cells(cells, weight[:count], none, nothing, rows)
        composite, noise_var = (
            smooth_composite(average, prior, rows.size, antennas),
            average.noise_var,
        )
        parts = match_both(
            received[:count],
            training,
            piloted[:header],
            pilots[:header],
            composite,
            noise_var,
            carriers,
            rows,
            weight[: count + header],
        )
        search_drift(parts, line, furthest)
        refine_rotation(parts, line, False)
    straight = straighten(received[count:], line, count, carriers, nothing)
    # Where no symbol was hit, the noise of one is that of all.
    beyond = interference[count:] if interference[count:].any() else interference[count : count + 1]
    noise = np.empty((beyond.shape[0], carriers.size, receivers), np.float32)
    for row in range(noise.shape[0]):
        for k in range(carriers.size):
            for r in range(receivers):
                # The channel's own error is that of an average over the training symbols.
                noise[row, k, r] = noise_var[r] * (1 + 1 / average.full) + beyond[row, r]
    channel = composite.reshape((1, carriers.size, receivers))
    symbols, variance = combine_antennas(straight, channel, noise, sent.data_rows)
    variances = np.empty(symbols.shape, np.float32)
    variances[:] = variance
    first, noises = symbols.reshape(-1)[:HEADER_SYMBOLS], variances.reshape(-1)[:HEADER_SYMBOLS]
    return first, noises, line, composite, noise_var


def decode_opening(received: ComplexArray, numerology: Numerology) -> Opening | None:
    """Synchronise on the training symbols and the header's pilots, decode the header.

    Args:
        received: ``[training + header symbols, active carriers, rx]``.
        numerology: of the waveform.

    Returns:
        None where there is no valid header.
    """
    sent = _sent(numerology)
    hit, weight, full = _hit(received, sent)
    symbols, variance, line, composite, noise_var = _equalise(
        received, sent, delay_prior(numerology, full), numerology.tx_antennas, weight, hit
    )
    word = decode_word(symbols, variance)
    header = None if word is None else parse_word(word)
    if word is None or header is None:
        return None
    known = np.concatenate([sent.training, header_grid(encode_word(word), numerology)])
    return Opening(header, known, received, line, composite, noise_var, hit)
