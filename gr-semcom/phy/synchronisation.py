# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's rotation, clock, channel and noise, from all of its known symbols.

Where pilots show that the channel moves within the frame, it is tracked symbol by symbol
(:mod:`semcom_phy.fading_tracking`); where some symbols deviate far more from the channel than the
others do, they are taken for hit (:mod:`semcom_phy.reliability`) and left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.estimation import (
    DelayPrior,
    KnownAverage,
    average_cells,
    delay_prior,
    smooth_channel,
    smooth_composite,
    take_carriers,
    without,
)
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.fading_tracking import KnownGrid, channel_moves, track_channel
from semcom_phy.numerology import Numerology
from semcom_phy.opening import Opening
from semcom_phy.preamble import pilot_grid
from semcom_phy.reliability import (
    deviation,
    even_excess,
    excess_noise,
    hit_at_end,
    interference,
    unhit,
)
from semcom_phy.tracking import (
    KnownCells,
    carrier_numbers,
    match_both,
    refine_clock,
    refine_rotation,
    search_drift,
    smooth_phase,
    straighten,
)

_OPENED = 0.1
"""Within so many rad per OFDM symbol the opening tells the carrier offset."""

_FEWEST_SYMBOLS = 3
"""Of opening and payload each: hit symbols are left out as long as so many others are left."""

_LOUDEST = 0.5
"""Noise of all payload symbols alike, relative to the channel, that they may have of their own."""

_DEAF = 1e30
"""Noise next to which nothing is heard, and which single precision still holds."""


@dataclass(frozen=True, eq=False)
class Synchronised:
    """What is known of a frame once all its known symbols were used.

    Where ``symbols`` is 1, it is the same for all OFDM symbols of the payload.

    Attributes:
        payload: ``[payload symbols, active carriers, rx]``, rotation and clock drift removed.
        channel: ``[symbols, active carriers, rx, tx]``.
        error_var: ``[symbols, active carriers, rx]``, of the channel, summed over the transmit
            antennas.
        noise_var: ``[symbols, rx]``.
        power: ``[rx]``, mean power of a transmit antenna's channel.
        usual_noise_var: ``[rx]``, of symbols that were not hit.
        drift: residual carrier offset in rad per OFDM symbol.
        hit_at_end: OFDM symbols at the end that were hit in a row.
    """

    payload: ComplexArray
    channel: ComplexArray
    error_var: FloatArray
    noise_var: NDArray[np.float64]
    power: NDArray[np.float64]
    usual_noise_var: NDArray[np.float64]
    drift: float
    hit_at_end: int


@dataclass(frozen=True, eq=False)
class _Estimated:
    """Channel and noise, by way of some of the frame's symbols.

    Attributes:
        payload: as in :class:`Synchronised`.
        channel, error_var, power: as there.
        noise_var: ``[rx]``.
        drift: as there.
        deviations: of opening and payload symbols, see :func:`semcom_phy.reliability.deviation`.
    """

    payload: ComplexArray
    channel: ComplexArray
    error_var: FloatArray
    power: NDArray[np.float64]
    noise_var: NDArray[np.float64]
    drift: float
    deviations: tuple[NDArray[np.float64], NDArray[np.float64]]


def synchronise(opening: Opening, payload: ComplexArray, numerology: Numerology) -> Synchronised:
    """Fit rotation, clock, channel and noise to the known cells of symbols that are not hit.

    Args:
        opening: of the frame.
        payload: ``[payload symbols, active carriers, rx]``, the detected carrier offset removed.
        numerology: of the waveform.
    """
    frame = _Frame(opening, payload, numerology)
    count = frame.count
    # Strong interference would spoil the first estimate, by which weaker one is told.
    weight = _unhit_parts(opening.interference, frame.interference())
    estimated = frame.estimate(weight)
    cells = [numerology.rx_antennas * n for n in (payload.shape[1], frame.rows.size)]
    excess, _ = _excess(estimated, opening, cells)
    beyond = (excess - 1)[:, None]
    chosen = _unhit_parts(beyond[:count], beyond[count:])
    if not np.array_equal(chosen, weight):
        estimated = frame.estimate(chosen)
    excess, even = _excess(estimated, opening, cells)
    excess = excess[count:]
    usual = estimated.noise_var if even == 1.0 else even * opening.noise_var
    noise_var = usual[None]
    if (excess > 1).any():
        heard = estimated.deviations[1][:, None] * opening.noise_var
        noise_var = np.where(excess[:, None] > 1, heard, usual)
    return Synchronised(
        payload=estimated.payload,
        channel=estimated.channel,
        error_var=estimated.error_var,
        noise_var=np.minimum(noise_var, _DEAF),
        power=estimated.power,
        usual_noise_var=usual,
        drift=estimated.drift,
        hit_at_end=hit_at_end(excess),
    )


def _excess(
    estimated: _Estimated, opening: Opening, cells: list[int]
) -> tuple[NDArray[np.float64], float]:
    """Noise of the symbols relative to usual ones; and of usual payload to the opening's."""
    early, late = estimated.deviations
    even = even_excess(late, cells[1])
    # What drowns the channel itself is no noise of a transmitter.
    if even * opening.noise_var.sum() > _LOUDEST * estimated.power.sum():
        even = 1.0
    return excess_noise(early, late / even, *cells), even


@njit(cache=True, nogil=True)
def _unhit_parts(opening: NDArray[np.float64], payload: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights ``[symbols]`` of opening and payload, see :func:`semcom_phy.reliability.unhit`."""
    weight = np.empty(opening.shape[0] + payload.shape[0])
    weight[: opening.shape[0]] = unhit(opening, _FEWEST_SYMBOLS)
    weight[opening.shape[0] :] = unhit(payload, _FEWEST_SYMBOLS)
    return weight


class _Sent(NamedTuple):
    """What is known of a frame before it is received.

    Attributes:
        opening: ``[training + header symbols, active carriers]`` as sent.
        pilots: ``[payload symbols, pilots]`` as sent.
        rows: ``[pilots]`` their positions among the active carriers.
        carriers: ``[active carriers]``, their numbers.
    """

    opening: NDArray[np.complex64]
    pilots: NDArray[np.complex64]
    rows: NDArray[np.intp]
    carriers: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _straight_cells(
    opened: NDArray[np.complex64],
    piloted: NDArray[np.complex64],
    sent: _Sent,
    line: NDArray[np.float64],
    wander: NDArray[np.float64],
) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Known cells of opening and payload, the rotation and what was sent taken out."""
    count, carriers = opened.shape[0], sent.carriers
    numbers = np.array([carriers[row] for row in sent.rows])
    early = straighten(opened, line, 0, carriers, wander[:count])
    late = straighten(piloted, line, count, numbers, wander[count:])
    return without(early, sent.opening), without(late, sent.pilots)


@njit(cache=True, nogil=True)
def _match(
    opened: NDArray[np.complex64],
    piloted: NDArray[np.complex64],
    sent: _Sent,
    composite: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[KnownCells, KnownCells]:
    carriers, rows = sent.carriers, sent.rows
    return match_both(
        opened, sent.opening, piloted, sent.pilots, composite, noise_var, carriers, rows, weight
    )


@njit(cache=True, nogil=True)
def _fit(
    opened: NDArray[np.complex64],
    piloted: NDArray[np.complex64],
    sent: _Sent,
    line: NDArray[np.float64],
    composite: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    weight: NDArray[np.float64],
    prior: DelayPrior,
    antennas: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], KnownAverage, NDArray[np.complex64]]:
    """Rotation of a frame, the phase that wanders about it; the opening's average, and smoothed."""
    count, rows = opened.shape[0], sent.rows
    line = line.copy()
    nothing = np.empty(0)
    cells = _match(opened, piloted, sent, composite, noise_var, weight)
    search_drift(cells, line, _OPENED)
    refine_rotation(cells, line, True)
    # Once more, with the channel that the whole opening shows.
    straight = without(straighten(opened, line, 0, sent.carriers, nothing), sent.opening)
    none = np.empty((0, rows.size, opened.shape[2]), np.complex64)
    average = average_cells(straight, weight[:count], none, nothing, rows)
    composite = smooth_composite(average, prior, rows.size, antennas)
    cells = _match(opened, piloted, sent, composite, average.noise_var, weight)
    refine_rotation(cells, line, True)
    return line, smooth_phase(cells, line, weight.size), average, composite


class _Frame:
    """A frame's known symbols.

    Attributes:
        count: OFDM symbols of the opening.
        rows: positions of the pilots among the active carriers.
    """

    def __init__(self, opening: Opening, payload: ComplexArray, numerology: Numerology) -> None:
        self._opening, self._payload, self._numerology = opening, payload, numerology
        self.count = opening.known.shape[0]
        self.rows = numerology.pilot_rows
        first = numerology.header_ofdm_symbols
        pilots = pilot_grid(numerology)[first : first + payload.shape[0]]
        self._sent = _Sent(opening.known, pilots, self.rows, carrier_numbers(numerology))
        self._piloted = take_carriers(payload, self.rows)

    def interference(self) -> NDArray[np.float64]:
        """Of the payload's symbols, see :func:`semcom_phy.reliability.interference`."""
        return interference(self._piloted, self._piloted, self._sent.pilots)

    def estimate(self, weight: NDArray[np.float64]) -> _Estimated:
        """Rotation, channel and noise from the symbols of weight 1, the others' being 0."""
        opening, numerology, count = self._opening, self._numerology, self.count
        line, wander, average, composite = _fit(
            opening.received,
            self._piloted,
            self._sent,
            opening.line,
            opening.composite,
            opening.noise_var,
            weight,
            delay_prior(numerology, int(weight[:count].sum())),
            numerology.tx_antennas,
        )
        opened, pilots = _straight_cells(opening.received, self._piloted, self._sent, line, wander)
        late, looks = weight[count:], float(weight[:count].sum() * opened.shape[1])
        if channel_moves(pilots, composite[self.rows], late, average.noise_var, looks, numerology):
            return self._track(line, average, weight)
        average = average_cells(opened, weight[:count], pilots, late, self.rows)
        estimate = smooth_channel(average, numerology)
        expected = estimate.composite
        return _Estimated(
            straighten(self._payload, line, count, self._sent.carriers, wander[count:]),
            estimate.channel[None],
            estimate.error_var[None],
            estimate.power,
            average.noise_var,
            float(line[1]),
            (
                deviation(opened, expected, opening.noise_var),
                deviation(pilots, expected[self.rows], opening.noise_var),
            ),
        )

    def _track(
        self,
        line: NDArray[np.float64],
        average: KnownAverage,
        weight: NDArray[np.float64],
    ) -> _Estimated:
        """A channel that changes within the frame; its phase is the channel's own."""
        opening, count, rows = self._opening, self.count, self.rows
        numerology, steady = self._numerology, np.zeros(weight.size)
        static = smooth_channel(average, numerology)
        line = line.copy()
        _, piloted = _match(
            opening.received,
            self._piloted,
            self._sent,
            static.composite,
            average.noise_var,
            weight,
        )
        refine_clock(piloted, line)
        opened, pilots = _straight_cells(opening.received, self._piloted, self._sent, line, steady)
        grids = [
            KnownGrid(0, np.arange(opened.shape[1]), opened, weight[:count]),
            KnownGrid(count, rows, pilots, weight[count:]),
        ]
        tracked = track_channel(grids, static.channel, average.noise_var, weight.size, numerology)
        channel = tracked.channel[count:]
        return _Estimated(
            straighten(self._payload, line, count, self._sent.carriers, steady[count:]),
            channel,
            tracked.error_var[count:],
            np.mean(np.abs(channel) ** 2, axis=(0, 1, 3), dtype=np.float64),
            tracked.noise_var,
            float(line[1]),
            (
                deviation(opened, tracked.composite[:count], opening.noise_var),
                deviation(pilots, tracked.composite[count:, rows], opening.noise_var),
            ),
        )
