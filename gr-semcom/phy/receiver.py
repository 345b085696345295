# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples to frames: search, synchronise, decode the header, equalise the payload.

The receiver is a small state machine over the stream. It moves on only when all samples that a
step needs are there, so the result does not depend on how the stream was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.detection import Detection, PreambleDetector, search_samples
from semcom_phy.estimation import ChannelEstimate, average_known, smooth_channel
from semcom_phy.exchange import Combiner, ComplexArray, FloatArray
from semcom_phy.fading_tracking import KnownGrid, channel_moves, track_channel
from semcom_phy.fragments import ReceivedFrame, payload_symbols
from semcom_phy.header import HEADER_SYMBOLS, FrameHeader, decode_header
from semcom_phy.modulator import header_grid
from semcom_phy.numerology import Numerology
from semcom_phy.ofdm import ofdm_demodulate
from semcom_phy.preamble import pilot_grid, scrambling_signs, training_grid
from semcom_phy.precoding import IdentityCombiner, unbiased_mmse
from semcom_phy.reliability import deviation, excess_noise, hit_at_end
from semcom_phy.sample_buffer import SampleBuffer
from semcom_phy.tracking import (
    KnownCells,
    Rotation,
    fit_rotation,
    join_cells,
    match_cells,
    smooth_phase,
)

_SEARCH_BLOCK = 8192
"""Samples searched at a time: large enough for vectors, small enough for the cache."""


def lookahead_samples(numerology: Numerology) -> int:
    """Samples after a frame's end with which the receiver has surely delivered it.

    A transmitter that is silent for as long after a picture lets the receiver finish it.
    """
    # At worst the frame is the shortest one and starts where a search does; it may be found a
    # little late.
    shortest = numerology.frame_samples(1) - numerology.guard_samples
    late = numerology.samples_per_symbol
    return max(search_samples(numerology, _SEARCH_BLOCK) - shortest, 0) + late


_DC_SIGNIFICANCE = 12.0
"""Power of a DC offset, in units of what the mean of as many samples has without one."""

_FEWEST_SYMBOLS = 3
"""Of opening and payload each: hit symbols are left out as long as so many others are left."""

_LARGEST = 1e12
"""Samples beyond this are no samples: their energy would not fit single precision."""


@dataclass
class ReceiverCounters:
    """What happened so far.

    Attributes:
        detections: preambles verified.
        frames: frames delivered.
        header_failures: headers whose CRC or contents were wrong.
        foreign_headers: valid headers of frames that do not fit this numerology.
        unknown_csi: frames precoded with feedback that the receiver does not have.
        truncated: frames that the end of the stream cut off.
        non_finite_samples: samples that were no finite numbers, or absurd ones, taken as zero.
    """

    detections: int = 0
    frames: int = 0
    header_failures: int = 0
    foreign_headers: int = 0
    unknown_csi: int = 0
    truncated: int = 0
    non_finite_samples: int = 0


@dataclass(frozen=True, eq=False)
class _Opening:
    """A frame whose header is decoded.

    Attributes:
        header: decoded.
        symbols: payload symbols per stream.
        known: ``[training + header symbols, active carriers]``, all that was sent there.
        received: likewise with ``rx``, the detected carrier offset removed.
        estimate: of the channel, from the training symbols.
        noise_var: ``[rx]``, from the training symbols.
    """

    header: FrameHeader
    symbols: int
    known: ComplexArray
    received: ComplexArray
    estimate: ChannelEstimate
    noise_var: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Synchronised:
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
        payload: as in :class:`_Synchronised`.
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


class Receiver:
    """Finds and receives the frames of a stream.

    Args:
        numerology: of the waveform.
        combiner: inverts the transmitter's precoder; None for unbiased MMSE detection of
            streams that were not precoded.
        csi_sent: channels ``[active carriers, rx, tx]`` that were fed back, by ``csi_id``; it
            is looked up for every frame, so the caller may go on filling it.

    Attributes:
        counters: what happened so far.
    """

    def __init__(
        self,
        numerology: Numerology,
        combiner: Combiner | None = None,
        csi_sent: Mapping[int, ComplexArray] | None = None,
    ) -> None:
        self.numerology = numerology
        self.counters = ReceiverCounters()
        self._combiner = combiner
        self._csi_sent: Mapping[int, ComplexArray] = {} if csi_sent is None else csi_sent
        self._detector = PreambleDetector(numerology)
        self._buffer = SampleBuffer(numerology.rx_antennas)
        self._position = 0  # the search goes on here
        self._found: Detection | None = None  # start counted from the stream's first sample
        self._opening: _Opening | None = None
        self._carriers = np.asarray(numerology.active_carriers, np.float64)
        # The transform's window begins a quarter of the prefix early: echoes may come up to
        # that much before, and three quarters of the prefix after, the first strong path.
        self._backoff = numerology.cyclic_prefix // 4

    def push(self, samples: ComplexArray) -> list[ReceivedFrame]:
        """Take samples, give the frames that became complete.

        Args:
            samples: ``[rx, n]``, any ``n``; samples that are not finite count as missing.

        Raises:
            ValueError: another number of antennas.
        """
        samples = np.asarray(samples)
        if samples.ndim != 2 or samples.shape[0] != self.numerology.rx_antennas:
            raise ValueError(
                f"samples have shape {samples.shape}, [{self.numerology.rx_antennas}, n] is "
                "expected: one row per receive antenna"
            )
        samples = np.ascontiguousarray(samples, dtype=np.complex64)
        parts = samples.view(np.float32)
        if not (np.abs(parts) < _LARGEST).all():
            usable = (np.abs(samples.real) < _LARGEST) & (np.abs(samples.imag) < _LARGEST)
            self.counters.non_finite_samples += int(np.sum(~usable))
            samples = np.where(usable, samples, np.complex64(0))
        self._buffer.append(samples)
        return self._advance(final=False)

    def flush(self) -> list[ReceivedFrame]:
        """The stream ends: search what is left.

        Frames that are not complete are counted as truncated. More samples may follow; they
        are taken as a continuation after a gap.
        """
        frames = self._advance(final=True)
        self._position = self._buffer.end
        return frames

    def _advance(self, final: bool) -> list[ReceivedFrame]:
        frames: list[ReceivedFrame] = []
        while self._step(frames, final):
            pass
        # Verification looks one OFDM symbol back.
        keep = self._position - self.numerology.samples_per_symbol
        self._buffer.discard(keep if self._found is None else min(keep, self._found.start))
        return frames

    def _step(self, frames: list[ReceivedFrame], final: bool) -> bool:
        """Do the next thing if the samples for it are there; tell whether to go on."""
        if self._found is None:
            return self._search(final)
        if self._opening is None:
            return self._open(self._found, final)
        return self._receive(self._found, self._opening, frames, final)

    def _search(self, final: bool) -> bool:
        numerology = self.numerology
        span, period = numerology.training_samples, numerology.samples_per_symbol
        begin = self._position
        missing = begin + search_samples(numerology, _SEARCH_BLOCK) > self._buffer.end
        if begin >= self._buffer.end or (missing and not final):
            return False
        samples = self._buffer.view(begin, begin + _SEARCH_BLOCK + self._detector.lookahead)
        candidate = self._detector.candidate(samples, _SEARCH_BLOCK)
        if candidate is None:
            self._position += _SEARCH_BLOCK
            return True
        at, cfo = begin + candidate[0], candidate[1]
        around = self._buffer.view(at - period, at + span + period)
        verified = self._detector.verify(around, cfo)
        if verified is None:
            # The verification looked a whole symbol ahead: half of one is safely behind.
            self._position = at + period // 2
            return True
        self.counters.detections += 1
        self._found = Detection(at + verified.start, verified.cfo, verified.score)
        return True

    def _resume(self, position: int) -> bool:
        """Go on searching at ``position``."""
        self._found, self._opening = None, None
        self._position = max(position, self._position)
        return True

    def _available(self, stop: int, final: bool) -> bool | None:
        """Whether samples up to ``stop`` are there; None where they never will be."""
        if stop <= self._buffer.end:
            return True
        return None if final else False

    def _open(self, found: Detection, final: bool) -> bool:
        """Decode the header."""
        numerology = self.numerology
        symbols = numerology.training_symbols + numerology.header_ofdm_symbols
        stop = found.start + symbols * numerology.samples_per_symbol
        available = self._available(stop, final)
        if available is None:
            self.counters.truncated += 1
            return self._resume(self._buffer.end)
        if not available:
            return False
        received = self._demodulate(found, 0, symbols)
        behind = found.start + numerology.training_samples - numerology.samples_per_symbol
        opening = self._decode_opening(received)
        if opening is None:
            return self._resume(behind)
        self._opening = opening
        return True

    def _demodulate(self, found: Detection, first: int, symbols: int) -> ComplexArray:
        """OFDM symbols ``[symbols, active carriers, rx]``, the detected offset removed."""
        period = self.numerology.samples_per_symbol
        start = found.start + first * period
        samples = self._buffer.view(start, start + symbols * period)
        samples = samples - _dc_offset(samples)
        within = np.exp(-2j * np.pi * found.cfo * np.arange(period))
        advance = np.exp(-2j * np.pi * found.cfo * period * (first + np.arange(symbols)))
        rotation = np.outer(advance, within).astype(np.complex64).ravel()
        return ofdm_demodulate(samples * rotation, self.numerology, self._backoff)

    def _decode_opening(self, received: ComplexArray) -> _Opening | None:
        """Synchronise on the training symbols and the header's pilots, decode the header."""
        numerology = self.numerology
        count = numerology.training_symbols
        training = training_grid(numerology)
        rotation = self._acquire(received[:count], training)
        straight = _straighten(received, rotation, 0, self._carriers)
        average, scatter = average_known(straight[:count], training)
        noise_var = scatter.variance
        estimate = smooth_channel(average, noise_var / count, numerology)
        cells = join_cells(
            self._match(straight[:count], training, estimate, noise_var, 0),
            self._match_pilots(straight[count:], estimate, noise_var, 0),
        )
        straight = _straighten(straight, fit_rotation(cells, clock=False), 0, self._carriers)
        rows = numerology.data_rows
        composite = estimate.composite[rows, :, None]
        covariance = _uncorrelated(np.tile(noise_var * (1 + 1 / count), (len(composite), 1)))
        header_cells = np.ascontiguousarray(straight[count:, rows])
        equalised, cell_var = unbiased_mmse(header_cells, composite, covariance)
        variances = np.tile(cell_var[:, 0], numerology.header_ofdm_symbols)[:HEADER_SYMBOLS]
        header = decode_header(equalised.ravel()[:HEADER_SYMBOLS], variances)
        if header is None:
            self.counters.header_failures += 1
            return None
        try:
            symbols = payload_symbols(header, numerology)
            numerology.payload_ofdm_symbols(symbols)
        except ValueError:
            symbols = 0
        if symbols == 0 or header.picture.sections[0].streams > numerology.tx_antennas:
            self.counters.foreign_headers += 1
            return None
        known = np.concatenate([training, header_grid(header, numerology)])
        return _Opening(header, symbols, known, received, estimate, noise_var)

    def _acquire(self, received: ComplexArray, training: ComplexArray) -> Rotation:
        """Carrier offset of the training symbols, the channel being unknown.

        The first pass takes the channel from the symbols as they are, which is good to the
        offset that detection left; the second from symbols that the first has turned.
        """
        rotation = Rotation()
        for _ in range(2):
            straight = _straighten(received, rotation, 0, self._carriers)
            average, scatter = average_known(straight, training)
            noise_var = scatter.variance
            estimate = smooth_channel(average, noise_var / training.shape[0], self.numerology)
            cells = self._match(received, training, estimate, noise_var, 0)
            rotation = fit_rotation(cells, clock=False)
        return rotation

    def _match(
        self,
        received: ComplexArray,
        known: ComplexArray,
        estimate: ChannelEstimate,
        noise_var: NDArray[np.float64],
        first: int,
    ) -> KnownCells:
        """Match OFDM symbols of which every cell is known."""
        return match_cells(received, known, estimate.composite, noise_var, first, self._carriers)

    def _match_pilots(
        self,
        received: ComplexArray,
        estimate: ChannelEstimate,
        noise_var: NDArray[np.float64],
        first: int,
    ) -> KnownCells:
        """Match the pilots of OFDM symbols, ``first`` of header and payload being the first."""
        numerology = self.numerology
        rows = numerology.pilot_rows
        return match_cells(
            received[:, rows],
            pilot_grid(numerology)[first : first + received.shape[0]],
            estimate.composite[rows],
            noise_var,
            numerology.training_symbols + first,
            self._carriers[rows],
        )

    def _receive(
        self, found: Detection, opening: _Opening, frames: list[ReceivedFrame], final: bool
    ) -> bool:
        """Receive the payload."""
        numerology = self.numerology
        first = opening.known.shape[0]
        symbols = numerology.payload_ofdm_symbols(opening.symbols)
        stop = found.start + (first + symbols) * numerology.samples_per_symbol
        available = self._available(stop, final)
        if available is None:
            self.counters.truncated += 1
            return self._resume(self._buffer.end)
        if not available:
            return False
        csi_id = opening.header.csi_id
        if csi_id and csi_id not in self._csi_sent:
            self.counters.unknown_csi += 1
        else:
            payload = self._demodulate(found, first, symbols)
            synchronised = self._synchronise(opening, payload)
            frames.append(self._equalise(found, opening, synchronised))
            self.counters.frames += 1
            # After a gap in the stream the next frame comes earlier.
            stop -= synchronised.hit_at_end * numerology.samples_per_symbol
        # Both clocks may differ, so that the next frame may come a little early.
        return self._resume(stop - self._backoff)

    def _synchronise(self, opening: _Opening, payload: ComplexArray) -> _Synchronised:
        """Fit rotation, clock, channel and noise to the known cells of symbols that are not hit."""
        numerology = self.numerology
        count = opening.known.shape[0]
        weight = np.ones(count + payload.shape[0])
        estimated = self._estimate(opening, payload, weight)
        cells = numerology.rx_antennas * np.array([self._carriers.size, numerology.pilot_rows.size])
        excess = excess_noise(*estimated.deviations, *cells)
        if (excess > 1).any():
            weight = (excess == 1).astype(np.float64)
            for part in (weight[:count], weight[count:]):
                if part.sum() < _FEWEST_SYMBOLS:
                    part[:] = 1.0
            estimated = self._estimate(opening, payload, weight)
            excess = excess_noise(*estimated.deviations, *cells)
        excess = excess[count:]
        varies = (excess > 1).any()
        return _Synchronised(
            payload=estimated.payload,
            channel=estimated.channel,
            error_var=estimated.error_var,
            noise_var=np.outer(excess if varies else [1.0], estimated.noise_var),
            power=estimated.power,
            usual_noise_var=estimated.noise_var,
            drift=estimated.drift,
            hit_at_end=hit_at_end(excess),
        )

    def _estimate(
        self, opening: _Opening, payload: ComplexArray, weight: NDArray[np.float64]
    ) -> _Estimated:
        """Rotation, channel and noise from the symbols of weight 1, the others' being 0."""
        numerology = self.numerology
        count, first = opening.known.shape[0], numerology.header_ofdm_symbols
        used = np.flatnonzero(weight[:count])
        opened, known = opening.received, opening.known
        estimate, noise_var = opening.estimate, opening.noise_var

        def fit() -> tuple[KnownCells, Rotation]:
            cells = join_cells(
                self._match(opened, known, estimate, noise_var, 0),
                self._match_pilots(payload, estimate, noise_var, first),
            )
            cells = cells.of_symbols(weight > 0)
            return cells, fit_rotation(cells, clock=True)

        for _ in range(2):
            _, rotation = fit()
            straight = _straighten(opened, rotation, 0, self._carriers)
            average, scatter = average_known(straight[used], known[used])
            noise_var = scatter.variance
            estimate = smooth_channel(average, noise_var / used.size, numerology)
        cells, rotation = fit()
        wander = smooth_phase(cells, rotation, weight.size)
        straight = _straighten(opened, rotation, 0, self._carriers, wander[:count])
        received = _straighten(payload, rotation, count, self._carriers, wander[count:])
        rows = numerology.pilot_rows
        pilots = pilot_grid(numerology)[first : first + payload.shape[0]]
        pilot_grid_seen = self._known_grid(received[:, rows], pilots, rows, count, weight)
        if channel_moves(pilot_grid_seen, noise_var, numerology):
            return self._track(opening, payload, rotation, estimate, noise_var, weight)
        chosen = np.flatnonzero(weight[count:])
        _, pilot_scatter = average_known(received[chosen][:, rows], pilots[chosen])
        opened_grid = straight * np.conj(known)[:, :, None]
        return _Estimated(
            received,
            estimate.channel[None],
            estimate.error_var[None],
            estimate.power,
            (scatter + pilot_scatter).variance,
            rotation.drift,
            (
                deviation(opened_grid, estimate.composite, opening.noise_var),
                deviation(pilot_grid_seen.channel, estimate.composite[rows], opening.noise_var),
            ),
        )

    def _known_grid(
        self,
        received: ComplexArray,
        known: ComplexArray,
        rows: NDArray[np.intp],
        first: int,
        weight: NDArray[np.float64],
    ) -> KnownGrid:
        """Known cells of OFDM symbols from ``first`` on, what was sent taken out."""
        channel = received * np.conj(known)[:, :, None]
        return KnownGrid(first, rows, channel, weight[first : first + received.shape[0]])

    def _track(
        self,
        opening: _Opening,
        payload: ComplexArray,
        rotation: Rotation,
        static: ChannelEstimate,
        noise_var: NDArray[np.float64],
        weight: NDArray[np.float64],
    ) -> _Estimated:
        """A channel that changes within the frame; its phase is the channel's own."""
        numerology = self.numerology
        count, first = opening.known.shape[0], numerology.header_ofdm_symbols
        rows = numerology.pilot_rows
        pilots = pilot_grid(numerology)[first : first + payload.shape[0]]
        opened = _straighten(opening.received, rotation, 0, self._carriers)
        payload = _straighten(payload, rotation, count, self._carriers)
        everywhere = np.arange(self._carriers.size)
        grids = [
            self._known_grid(opened, opening.known, everywhere, 0, weight),
            self._known_grid(payload[:, rows], pilots, rows, count, weight),
        ]
        tracked = track_channel(grids, static.channel, noise_var, weight.size, numerology)
        channel = tracked.channel[count:]
        return _Estimated(
            payload,
            channel,
            tracked.error_var[count:],
            np.mean(np.abs(channel) ** 2, axis=(0, 1, 3), dtype=np.float64),
            tracked.noise_var,
            rotation.drift,
            (
                deviation(grids[0].channel, tracked.composite[:count], opening.noise_var),
                deviation(grids[1].channel, tracked.composite[count:, rows], opening.noise_var),
            ),
        )

    def _equalise(
        self, found: Detection, opening: _Opening, synchronised: _Synchronised
    ) -> ReceivedFrame:
        """Payload symbols and their noise variance."""
        numerology, header = self.numerology, opening.header
        rows = numerology.data_rows
        streams = header.picture.sections[0].streams
        combiner = self._combiner or IdentityCombiner(streams)
        csi_sent = self._csi_sent[header.csi_id][rows] if header.csi_id else None
        cells, cell_var = _combine(combiner, synchronised, rows, csi_sent)
        count = opening.symbols
        payload = cells.transpose(2, 0, 1).reshape(cells.shape[2], -1)[:streams, :count]
        payload = payload * scrambling_signs(numerology)[:streams, :count]
        noise_var = np.broadcast_to(cell_var, cells.shape).transpose(2, 0, 1)
        noise_var = noise_var.reshape(cells.shape[2], -1)[:streams, :count]
        link = np.maximum(synchronised.power, 1e-30) / synchronised.usual_noise_var
        drift = synchronised.drift / (2 * np.pi * numerology.samples_per_symbol)
        return ReceivedFrame(
            header=header,
            payload=payload.astype(np.complex64, copy=False),
            noise_var=np.ascontiguousarray(noise_var, dtype=np.float32),
            # The latest there is: feedback is used later.
            csi=synchronised.channel[-1],
            snr_db=float(10 * np.log10(link.mean())),
            cfo_hz=(found.cfo + drift) * numerology.sample_rate,
            start_sample=found.start,
            sample_rate=numerology.sample_rate,
        )


def _dc_offset(samples: ComplexArray) -> ComplexArray:
    """DC offset ``[rx, 1]`` of a receiver, zero where there is hardly any."""
    mean = samples.mean(axis=1, keepdims=True)
    power = np.mean(np.abs(samples) ** 2, axis=1, keepdims=True) / samples.shape[1]
    return np.where(np.abs(mean) ** 2 > _DC_SIGNIFICANCE * power, mean, np.complex64(0))


def _combine(
    combiner: Combiner,
    synchronised: _Synchronised,
    rows: NDArray[np.intp],
    csi_sent: ComplexArray | None,
) -> tuple[ComplexArray, FloatArray]:
    """Streams ``[symbols, carriers, streams]`` and their noise variance, broadcast over symbols."""
    payload = np.ascontiguousarray(synchronised.payload[:, rows])
    channel = synchronised.channel[:, rows]
    noise_var = synchronised.noise_var[:, None, :] + synchronised.error_var[:, rows]
    if max(channel.shape[0], noise_var.shape[0]) == 1:
        cells, cell_var = combiner.combine(
            payload, channel[0], csi_sent, _uncorrelated(noise_var[0])
        )
        return cells, cell_var[None]
    # To a combiner every cell is a subcarrier of its own.
    symbols, carriers, rx = payload.shape
    channel = np.broadcast_to(channel, (symbols, *channel.shape[1:])).reshape(
        -1, rx, channel.shape[3]
    )
    noise_var = np.broadcast_to(noise_var, payload.shape).reshape(-1, rx)
    sent = None if csi_sent is None else np.tile(csi_sent, (symbols, 1, 1))
    cells, cell_var = combiner.combine(
        payload.reshape(1, -1, rx), channel, sent, _uncorrelated(noise_var)
    )
    return cells.reshape(symbols, carriers, -1), cell_var.reshape(symbols, carriers, -1)


def _uncorrelated(noise_var: NDArray[np.floating]) -> ComplexArray:
    """Covariance ``[carriers, rx, rx]`` of noise of variance ``[carriers, rx]``."""
    identity = np.eye(noise_var.shape[1], dtype=np.complex64)
    covariance: ComplexArray = noise_var[:, :, None].astype(np.complex64) * identity
    return covariance


def _straighten(
    received: ComplexArray,
    rotation: Rotation,
    first: int,
    carriers: NDArray[np.float64],
    wander: NDArray[np.float64] | float = 0.0,
) -> ComplexArray:
    """Take a rotation out of OFDM symbols ``[symbols, carriers, rx]``, ``first`` the first."""
    symbol = first + np.arange(received.shape[0])
    common = rotation.phase + rotation.drift * symbol + wander
    slope = rotation.slope + rotation.skew * symbol
    angle = (common[:, None] + slope[:, None] * carriers).astype(np.float32)
    turn = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=turn.real)
    np.sin(-angle, out=turn.imag)
    straight: ComplexArray = received * turn[:, :, None]
    return straight
