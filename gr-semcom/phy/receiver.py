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
from semcom_phy.exchange import Combiner, ComplexArray
from semcom_phy.fragments import ReceivedFrame, payload_symbols
from semcom_phy.header import HEADER_SYMBOLS, FrameHeader, decode_header
from semcom_phy.modulator import header_grid
from semcom_phy.numerology import Numerology
from semcom_phy.ofdm import ofdm_demodulate
from semcom_phy.preamble import pilot_grid, scrambling_signs, training_grid
from semcom_phy.precoding import IdentityCombiner, unbiased_mmse
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

    Attributes:
        payload: ``[symbols, active carriers, rx]``, rotation and clock drift removed.
        estimate: of the channel.
        noise_var: ``[rx]``.
        drift: residual carrier offset in rad per OFDM symbol.
    """

    payload: ComplexArray
    estimate: ChannelEstimate
    noise_var: NDArray[np.float64]
    drift: float


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
            frames.append(self._equalise(found, opening, self._synchronise(opening, payload)))
            self.counters.frames += 1
        # Both clocks may differ, so that the next frame may come a little early.
        return self._resume(stop - self._backoff)

    def _synchronise(self, opening: _Opening, payload: ComplexArray) -> _Synchronised:
        """Fit rotation, clock, channel and noise to all known cells of the frame."""
        numerology = self.numerology
        count = opening.known.shape[0]
        first = numerology.header_ofdm_symbols
        opened, known = opening.received, opening.known
        estimate, noise_var = opening.estimate, opening.noise_var
        for _ in range(2):
            cells = join_cells(
                self._match(opened, known, estimate, noise_var, 0),
                self._match_pilots(payload, estimate, noise_var, first),
            )
            rotation = fit_rotation(cells, clock=True)
            straight = _straighten(opened, rotation, 0, self._carriers)
            average, scatter = average_known(straight, known)
            noise_var = scatter.variance
            estimate = smooth_channel(average, noise_var / count, numerology)
        cells = join_cells(
            self._match(opened, known, estimate, noise_var, 0),
            self._match_pilots(payload, estimate, noise_var, first),
        )
        rotation = fit_rotation(cells, clock=True)
        wander = smooth_phase(cells, rotation, count + payload.shape[0])
        payload = _straighten(payload, rotation, count, self._carriers, wander[count:])
        rows = numerology.pilot_rows
        pilots = pilot_grid(numerology)[first : first + payload.shape[0]]
        _, pilot_scatter = average_known(payload[:, rows], pilots)
        return _Synchronised(payload, estimate, (scatter + pilot_scatter).variance, rotation.drift)

    def _equalise(
        self, found: Detection, opening: _Opening, synchronised: _Synchronised
    ) -> ReceivedFrame:
        """Payload symbols and their noise variance."""
        numerology, header = self.numerology, opening.header
        rows = numerology.data_rows
        streams = header.picture.sections[0].streams
        estimate, noise_var = synchronised.estimate, synchronised.noise_var
        combiner = self._combiner or IdentityCombiner(streams)
        csi_sent = self._csi_sent[header.csi_id][rows] if header.csi_id else None
        cells, cell_var = combiner.combine(
            np.ascontiguousarray(synchronised.payload[:, rows]),
            estimate.channel[rows],
            csi_sent,
            _uncorrelated(noise_var + estimate.error_var[rows]),
        )
        count = opening.symbols
        payload = cells.transpose(2, 0, 1).reshape(cells.shape[2], -1)[:streams, :count]
        payload = payload * scrambling_signs(numerology)[:streams, :count]
        tiled = np.tile(cell_var.T, (1, cells.shape[0]))[:streams, :count]
        link = np.maximum(estimate.power, 1e-30) / noise_var
        drift = synchronised.drift / (2 * np.pi * numerology.samples_per_symbol)
        return ReceivedFrame(
            header=header,
            payload=payload.astype(np.complex64, copy=False),
            noise_var=np.ascontiguousarray(tiled, dtype=np.float32),
            csi=estimate.channel,
            snr_db=float(10 * np.log10(link.mean())),
            cfo_hz=(found.cfo + drift) * numerology.sample_rate,
            start_sample=found.start,
            sample_rate=numerology.sample_rate,
        )


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
