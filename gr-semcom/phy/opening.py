# SPDX-License-Identifier: GPL-3.0-or-later
"""The opening of a frame: training symbols and header."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.equalisation import maximum_ratio
from semcom_phy.estimation import KnownAverage, KnownGrid, average_known, smooth_composite
from semcom_phy.exchange import ComplexArray
from semcom_phy.header import (
    HEADER_SYMBOLS,
    FrameHeader,
    decode_word,
    encode_word,
    parse_word,
)
from semcom_phy.modulator import header_grid
from semcom_phy.numerology import Numerology
from semcom_phy.preamble import pilot_grid, training_grid
from semcom_phy.tracking import Rotation, carrier_numbers, fit_rotation, match_cells, straighten


@dataclass(frozen=True, eq=False)
class Opening:
    """The opening of a frame whose header is decoded.

    Attributes:
        header: decoded.
        known: ``[training + header symbols, active carriers]``, all that was sent there.
        received: likewise with ``rx``, the detected carrier offset removed.
        composite: ``[active carriers, rx]`` channel, from the training symbols.
        noise_var: ``[rx]``, from the training symbols.
    """

    header: FrameHeader
    known: ComplexArray
    received: ComplexArray
    composite: ComplexArray
    noise_var: NDArray[np.float64]


def _average(straight: ComplexArray, training: ComplexArray) -> KnownAverage:
    """Average of training symbols, rotation taken out."""
    rows = np.arange(training.shape[1])
    cells = straight * training.conj()[:, :, None]
    return average_known(KnownGrid(0, rows, cells, np.ones(training.shape[0])))


def _acquire(received: ComplexArray, training: ComplexArray, numerology: Numerology) -> Rotation:
    """Carrier offset of the training symbols, the channel being unknown.

    The channel is taken from the symbols as they are, which is good to the offset that detection
    left.
    """
    carriers = carrier_numbers(numerology)
    average = _average(received, training)
    composite = smooth_composite(average, numerology)
    cells = match_cells(received, training, composite, average.noise_var, 0, carriers)
    return fit_rotation([cells], clock=False)


def decode_opening(received: ComplexArray, numerology: Numerology) -> Opening | None:
    """Synchronise on the training symbols and the header's pilots, decode the header.

    Args:
        received: ``[training + header symbols, active carriers, rx]``.
        numerology: of the waveform.

    Returns:
        None where there is no valid header.
    """
    count, rows = numerology.training_symbols, numerology.data_rows
    training, carriers = training_grid(numerology), carrier_numbers(numerology)
    rotation = _acquire(received[:count], training, numerology)
    straight = straighten(received, rotation, 0, carriers)
    average = _average(straight[:count], training)
    composite, noise_var = smooth_composite(average, numerology), average.noise_var
    pilots = numerology.pilot_rows
    known = pilot_grid(numerology)[: received.shape[0] - count]
    cells = (
        match_cells(straight[:count], training, composite, noise_var, 0, carriers),
        match_cells(
            straight[count:, pilots],
            known,
            composite[pilots],
            noise_var,
            count,
            carriers[pilots],
        ),
    )
    rotation = fit_rotation(cells, clock=False, near=Rotation())
    straight = straighten(straight[count:], rotation, count, carriers)
    # The channel's own error is that of an average over the training symbols.
    noise = np.broadcast_to(noise_var * (1 + 1 / count), (1, rows.size, noise_var.size))
    equalised, cell_var = maximum_ratio(straight[:, rows], composite[None, rows], noise)
    variances = np.broadcast_to(cell_var, equalised.shape).ravel()
    word = decode_word(equalised.ravel()[:HEADER_SYMBOLS], variances[:HEADER_SYMBOLS])
    header = None if word is None else parse_word(word)
    if word is None or header is None:
        return None
    sent = np.concatenate([training, header_grid(encode_word(word), numerology)])
    return Opening(header, sent, received, composite, noise_var)
