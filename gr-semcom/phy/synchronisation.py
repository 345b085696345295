# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's rotation, clock, channel and noise, from all of its known symbols.

Where pilots show that the channel moves within the frame, it is tracked symbol by symbol
(:mod:`semcom_phy.fading_tracking`); where some symbols deviate far more from the channel than the
others do, they are taken for hit (:mod:`semcom_phy.reliability`) and left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.estimation import (
    KnownAverage,
    KnownGrid,
    average_known,
    smooth_channel,
    smooth_composite,
)
from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.fading_tracking import channel_moves, track_channel
from semcom_phy.numerology import Numerology
from semcom_phy.opening import Opening
from semcom_phy.preamble import pilot_grid
from semcom_phy.reliability import deviation, excess_noise, hit_at_end
from semcom_phy.tracking import (
    KnownCells,
    Rotation,
    carrier_numbers,
    fit_rotation,
    match_cells,
    smooth_phase,
    straighten,
)

_FEWEST_SYMBOLS = 3
"""Of opening and payload each: hit symbols are left out as long as so many others are left."""


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
    weight = np.ones(count + payload.shape[0])
    estimated = frame.estimate(weight)
    cells = [numerology.rx_antennas * n for n in (frame.carriers.size, frame.rows.size)]
    excess = excess_noise(*estimated.deviations, *cells)
    if (excess > 1).any():
        weight = (excess == 1).astype(np.float64)
        for part in (weight[:count], weight[count:]):
            if part.sum() < _FEWEST_SYMBOLS:
                part[:] = 1.0
        estimated = frame.estimate(weight)
        excess = excess_noise(*estimated.deviations, *cells)
    excess = excess[count:]
    varies = (excess > 1).any()
    return Synchronised(
        payload=estimated.payload,
        channel=estimated.channel,
        error_var=estimated.error_var,
        noise_var=np.outer(excess if varies else [1.0], estimated.noise_var),
        power=estimated.power,
        usual_noise_var=estimated.noise_var,
        drift=estimated.drift,
        hit_at_end=hit_at_end(excess),
    )


class _Frame:
    """A frame's known symbols.

    Attributes:
        count: OFDM symbols of the opening.
        carriers: ``[active carriers]``, their numbers.
        rows: positions of the pilots among them.
    """

    def __init__(self, opening: Opening, payload: ComplexArray, numerology: Numerology) -> None:
        self._opening, self._payload, self._numerology = opening, payload, numerology
        self.count = opening.known.shape[0]
        self.carriers = carrier_numbers(numerology)
        self.rows = numerology.pilot_rows
        self._everywhere = np.arange(self.carriers.size)
        first = numerology.header_ofdm_symbols
        self._pilots = pilot_grid(numerology)[first : first + payload.shape[0]]
        self._piloted = np.ascontiguousarray(payload[:, self.rows])

    def _match(
        self,
        composite: ComplexArray,
        noise_var: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> tuple[KnownCells, KnownCells]:
        opening, rows, count = self._opening, self.rows, self.count
        return (
            match_cells(
                opening.received,
                opening.known,
                composite,
                noise_var,
                0,
                self.carriers,
                weight[:count],
            ),
            match_cells(
                self._piloted,
                self._pilots,
                composite[rows],
                noise_var,
                count,
                self.carriers[rows],
                weight[count:],
            ),
        )

    def _straight_grids(
        self,
        rotation: Rotation,
        weight: NDArray[np.float64],
        wander: NDArray[np.float64] | None = None,
    ) -> tuple[KnownGrid, KnownGrid]:
        """Opening and pilots, the rotation and what was sent taken out."""
        opening, count, rows = self._opening, self.count, self.rows
        early, late = (None, None) if wander is None else (wander[:count], wander[count:])
        opened = straighten(opening.received, rotation, 0, self.carriers, early)
        pilots = straighten(self._piloted, rotation, count, self.carriers[rows], late)
        opened *= opening.known.conj()[:, :, None]
        pilots *= self._pilots.conj()[:, :, None]
        return (
            KnownGrid(0, self._everywhere, opened, weight[:count]),
            KnownGrid(count, rows, pilots, weight[count:]),
        )

    def estimate(self, weight: NDArray[np.float64]) -> _Estimated:
        """Rotation, channel and noise from the symbols of weight 1, the others' being 0."""
        opening, numerology = self._opening, self._numerology
        cells = self._match(opening.composite, opening.noise_var, weight)
        rotation = fit_rotation(cells, clock=True)
        # Once more, with the channel that the whole opening shows.
        opened, _ = self._straight_grids(rotation, weight)
        average = average_known(opened)
        composite = smooth_composite(average, numerology)
        cells = self._match(composite, average.noise_var, weight)
        rotation = fit_rotation(cells, clock=True, near=rotation)
        wander = smooth_phase(cells, rotation, weight.size)
        opened, pilots = self._straight_grids(rotation, weight, wander)
        if channel_moves(pilots, average.noise_var, numerology):
            return self._track(rotation, average, weight)
        average = average_known(opened, pilots)
        estimate = smooth_channel(average, numerology)
        expected = estimate.composite
        late = wander[self.count :]
        return _Estimated(
            straighten(self._payload, rotation, self.count, self.carriers, late),
            estimate.channel[None],
            estimate.error_var[None],
            estimate.power,
            average.noise_var,
            rotation.drift,
            (
                deviation(opened.channel, expected, opening.noise_var),
                deviation(pilots.channel, expected[self.rows], opening.noise_var),
            ),
        )

    def _track(
        self,
        rotation: Rotation,
        average: KnownAverage,
        weight: NDArray[np.float64],
    ) -> _Estimated:
        """A channel that changes within the frame; its phase is the channel's own."""
        opening, count = self._opening, self.count
        opened, pilots = self._straight_grids(rotation, weight)
        static = smooth_channel(average, self._numerology).channel
        tracked = track_channel(
            [opened, pilots], static, average.noise_var, weight.size, self._numerology
        )
        channel = tracked.channel[count:]
        return _Estimated(
            straighten(self._payload, rotation, count, self.carriers),
            channel,
            tracked.error_var[count:],
            np.mean(np.abs(channel) ** 2, axis=(0, 1, 3), dtype=np.float64),
            tracked.noise_var,
            rotation.drift,
            (
                deviation(opened.channel, tracked.composite[:count], opening.noise_var),
                deviation(pilots.channel, tracked.composite[count:, self.rows], opening.noise_var),
            ),
        )
