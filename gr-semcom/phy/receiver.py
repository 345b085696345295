# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples to frames: search, synchronise, decode the header, equalise the payload.

The receiver is a small state machine over the stream. It moves on only when all samples that a
step needs are there, so the result does not depend on how the stream was cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.detection import Detection, PreambleDetector, search_samples
from semcom_phy.equalisation import combine_antennas, separate_streams
from semcom_phy.estimation import take_carriers
from semcom_phy.exchange import Combiner, ComplexArray, FloatArray
from semcom_phy.fragments import ReceivedFrame, payload_symbols
from semcom_phy.header import FrameHeader
from semcom_phy.missing_samples import missing_samples, put_back
from semcom_phy.numerology import Numerology
from semcom_phy.ofdm import ofdm_demodulate
from semcom_phy.opening import Opening, decode_opening
from semcom_phy.payload_cells import from_cells
from semcom_phy.precoding import IdentityCombiner
from semcom_phy.sample_buffer import SampleBuffer
from semcom_phy.synchronisation import Synchronised, synchronise

_SEARCH_BLOCK = 8192
"""Samples searched at a time: large enough for vectors, small enough for the cache."""

_PIECE = 1 << 15
"""Samples taken at a time: those of a frame are still in the cache when it is received."""


def lookahead_samples(numerology: Numerology) -> int:
    """Samples after a frame's end with which the receiver has surely delivered it.

    A transmitter that is silent for as long after a picture lets the receiver finish it.
    """
    # At worst the frame is the shortest one and starts where a search does; it may be found a
    # little late.
    shortest = numerology.frame_samples(1) - numerology.guard_samples
    late = numerology.samples_per_symbol
    return max(search_samples(numerology, _SEARCH_BLOCK) - shortest, 0) + late


def window_backoff(numerology: Numerology) -> int:
    """Samples by which the transform's window reaches into the cyclic prefix."""
    return max(numerology.cyclic_prefix // 8, min(4, numerology.cyclic_prefix // 4))


_DC_SIGNIFICANCE = 12.0
"""Power of a DC offset, in units of what the mean of as many samples has without one."""

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
        unknown_csi: frames precoded with feedback that the receiver does not have or, without a
            combiner, has no use for.
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
        # Without a combiner nothing inverts a precoder: such frames are not to be understood.
        known = csi_sent if combiner is not None else None
        self._csi_sent: Mapping[int, ComplexArray] = {} if known is None else known
        self._detector = PreambleDetector(numerology)
        self._opening_symbols = numerology.training_symbols + numerology.header_ofdm_symbols
        self._buffer = SampleBuffer(numerology.rx_antennas)
        self._position = 0  # the search goes on here
        self._found: Detection | None = None  # start counted from the stream's first sample
        self._opening: Opening | None = None
        self._symbols = 0  # of its payload, per stream
        self._gain = 1.0  # that makes its power about one
        # The transform's window begins a little before the prefix ends: echoes may come as much
        # before the first strong path.
        self._backoff = window_backoff(numerology)

    def push(self, samples: ComplexArray) -> list[ReceivedFrame]:
        """Take samples, give the frames that became complete, see :meth:`frames`."""
        return list(self.frames(samples))

    def frames(self, samples: ComplexArray) -> Iterator[ReceivedFrame]:
        """Take samples, give each frame as it becomes complete.

        What is fed back on a frame before the next one is asked for is known when that one is
        received, however many the samples hold.

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
        for first in range(0, samples.shape[1], _PIECE):
            self._take(samples[:, first : first + _PIECE])
            yield from self._advance(final=False)

    def _take(self, samples: ComplexArray) -> None:
        """Take samples in, what is none as zero."""
        samples = np.ascontiguousarray(samples, dtype=np.complex64)
        if not _usable(samples):
            usable = (np.abs(samples.real) < _LARGEST) & (np.abs(samples.imag) < _LARGEST)
            self.counters.non_finite_samples += int(np.sum(~usable))
            samples = np.where(usable, samples, np.complex64(0))
        self._buffer.append(samples)

    def flush(self) -> list[ReceivedFrame]:
        """The stream ends: search what is left.

        Frames that are not complete are counted as truncated. More samples may follow; they
        are taken as a continuation after a gap.
        """
        frames = list(self._advance(final=True))
        self._position = self._buffer.end
        return frames

    def _advance(self, final: bool) -> Iterator[ReceivedFrame]:
        frames: list[ReceivedFrame] = []
        while self._step(frames, final):
            if frames:
                yield frames.pop()
        # Verification looks one OFDM symbol back.
        keep = self._position - self.numerology.samples_per_symbol
        self._buffer.discard(keep if self._found is None else min(keep, self._found.start))

    def _step(self, frames: list[ReceivedFrame], final: bool) -> bool:
        """Do the next thing if the samples for it are there; tell whether to go on."""
        if self._found is None:
            return self._search(final)
        if self._needed(self._found) > self._buffer.end:
            if final:
                self.counters.truncated += 1
                return self._resume(self._buffer.end)
            return False
        if self._opening is None:
            return self._open(self._found)
        return self._receive(self._found, self._opening, frames)

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

    def _needed(self, found: Detection) -> int:
        """Where the opening ends or, once that is decoded, the frame."""
        symbols = self._opening_symbols
        if self._opening is not None:
            symbols += self.numerology.payload_ofdm_symbols(self._symbols)
        return found.start + symbols * self.numerology.samples_per_symbol

    def _open(self, found: Detection) -> bool:
        """Decode the header."""
        numerology = self.numerology
        samples = self._buffer.view(found.start, self._needed(found))
        opening = decode_opening(self._demodulate(samples, found, 0), numerology)
        if opening is None:
            self.counters.header_failures += 1
        else:
            self._symbols = self._payload_symbols(opening.header)
            if self._symbols:
                self._opening = opening
                return True
            self.counters.foreign_headers += 1
        behind = numerology.training_samples - numerology.samples_per_symbol
        return self._resume(found.start + behind)

    def _payload_symbols(self, header: FrameHeader) -> int:
        """Payload symbols per stream that a header tells of, 0 where it does not fit this link."""
        try:
            symbols = payload_symbols(header, self.numerology)
            self.numerology.payload_ofdm_symbols(symbols)
        except ValueError:
            return 0
        fits = header.picture.sections[0].streams <= self.numerology.tx_antennas
        return symbols if fits else 0

    def _demodulate(self, samples: ComplexArray, found: Detection, first: int) -> ComplexArray:
        """A frame's OFDM symbols from ``first`` on, ``[symbols, active carriers, rx]``.

        The detected carrier offset is removed, and they are amplified as the opening asks for.
        """
        offset, power = _level(samples)
        if first == 0:
            self._gain = _unit_gain(power)
        return ofdm_demodulate(
            samples, self.numerology, self._backoff, found.cfo, first, offset, self._gain
        )

    def _receive(self, found: Detection, opening: Opening, frames: list[ReceivedFrame]) -> bool:
        """Receive the payload."""
        numerology = self.numerology
        stop = self._needed(found)
        csi_id = opening.header.csi_id
        if csi_id and not self._knows(csi_id):
            self.counters.unknown_csi += 1
        else:
            synchronised, missing = self._synchronise(found, opening)
            frame = self._equalise(found, opening.header, synchronised)
            if frame is None:
                self.counters.foreign_headers += 1
            else:
                frames.append(frame)
                self.counters.frames += 1
            # After a gap in the stream the next frame comes earlier.
            stop -= missing + synchronised.hit_at_end * numerology.samples_per_symbol
        # Both clocks may differ, so that the next frame may come a little early.
        return self._resume(stop - self._backoff)

    def _knows(self, csi_id: int) -> bool:
        """Whether a channel of this link was fed back under that number."""
        sent = self._csi_sent.get(csi_id)
        return sent is not None and len(sent) == len(self.numerology.active_carriers)

    def _synchronise(self, found: Detection, opening: Opening) -> tuple[Synchronised, int]:
        """What is known of a frame, and how many samples are missing in it."""
        numerology, first = self.numerology, self._opening_symbols
        begin = first * numerology.samples_per_symbol
        samples = self._buffer.view(found.start, self._needed(found))
        payload = self._demodulate(samples[:, begin:], found, first)
        synchronised = synchronise(opening, payload, numerology)
        at, missing = missing_samples(samples, numerology, first, found.cfo)
        if missing:
            whole = put_back(samples, at, missing)
            mended = synchronise(
                opening, self._demodulate(whole[:, begin:], found, first), numerology
            )
            # Echoes that take turns in being the strongest look like a gap.
            if _heard(mended) > _heard(synchronised):
                return mended, missing
        return synchronised, 0

    def _equalise(
        self, found: Detection, header: FrameHeader, synchronised: Synchronised
    ) -> ReceivedFrame | None:
        """Payload symbols and their noise variance; None for more streams than the combiner has."""
        numerology = self.numerology
        streams, count = header.picture.sections[0].streams, self._symbols
        cells, cell_var = self._streams(header, synchronised)
        if cells.shape[2] < streams:
            return None
        cells, cell_var = cells[..., :streams], cell_var[..., :streams]
        payload, noise_var = from_cells(cells, cell_var, count, numerology)
        heard = zip(synchronised.power, synchronised.usual_noise_var, strict=True)
        link = [max(float(power), 1e-30) / float(noise) for power, noise in heard]
        drift = synchronised.drift / (2 * math.pi * numerology.samples_per_symbol)
        return ReceivedFrame(
            header=header,
            payload=payload,
            noise_var=noise_var,
            # The latest there is: feedback is used later.
            csi=synchronised.channel[-1] / np.float32(self._gain),
            snr_db=10 * math.log10(sum(link) / len(link)),
            cfo_hz=(found.cfo + drift) * numerology.sample_rate,
            start_sample=found.start,
            sample_rate=numerology.sample_rate,
        )

    def _streams(
        self, header: FrameHeader, synchronised: Synchronised
    ) -> tuple[ComplexArray, FloatArray]:
        """Streams ``[symbols, data carriers, streams]`` and their noise variance."""
        rows, streams = self.numerology.data_rows, header.picture.sections[0].streams
        known = synchronised.channel, synchronised.noise_var, synchronised.error_var
        if self._combiner is None and streams == 1:
            cells, cell_var = _single_stream(synchronised.payload, *known, rows)
            return cells[..., None], cell_var[..., None]
        payload = take_carriers(synchronised.payload, rows)
        channel = synchronised.channel[:, rows]
        noise_var = synchronised.noise_var[:, None, :] + synchronised.error_var[:, rows]
        combiner = self._combiner or IdentityCombiner(streams)
        csi_sent = self._csi_sent[header.csi_id][rows] if header.csi_id else None
        return separate_streams(payload, channel, noise_var, combiner, csi_sent)


@njit(cache=True, nogil=True)
def _single_stream(
    payload: NDArray[np.complex64],
    channel: NDArray[np.complex64],
    noise_var: NDArray[np.float64],
    error_var: NDArray[np.float32],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """The first antenna's stream on some carriers, arguments as in :class:`Synchronised`."""
    known, carriers, antennas = error_var.shape
    symbols = max(known, noise_var.shape[0])
    noise = np.empty((symbols, carriers, antennas), np.float32)
    gain = np.empty((channel.shape[0], carriers, antennas), np.complex64)
    for row in range(symbols):
        own, whole = min(row, known - 1), min(row, noise_var.shape[0] - 1)
        for k in range(carriers):
            for antenna in range(antennas):
                noise[row, k, antenna] = noise_var[whole, antenna] + error_var[own, k, antenna]
    for row in range(gain.shape[0]):
        for k in range(carriers):
            for antenna in range(antennas):
                gain[row, k, antenna] = channel[row, k, antenna, 0]
    return combine_antennas(payload, gain, noise, rows)


def _heard(synchronised: Synchronised) -> float:
    """Share of the payload's power that is no noise; the frame's power is about one."""
    return float(np.mean(1 / (1 + synchronised.noise_var)))


@njit(cache=True, nogil=True)
def _usable(samples: NDArray[np.complex64]) -> bool:
    """Whether all samples are finite numbers, and none is absurd."""
    good = True
    for antenna in range(samples.shape[0]):
        for n in range(samples.shape[1]):
            sample = samples[antenna, n]
            good &= abs(sample.real) < _LARGEST and abs(sample.imag) < _LARGEST
    return good


@njit(cache=True, nogil=True)
def _level(samples: NDArray[np.complex64]) -> tuple[NDArray[np.complex64], float]:
    """DC offset ``[rx]``, zero where it is hardly more than noise makes it, and mean power.

    The power is that of the strongest antenna.
    """
    antennas, count = samples.shape
    offset, strongest = np.zeros(antennas, np.complex64), 0.0
    # Sums side by side, as wide as vector registers.
    real, imag, square = np.empty((3, 16), np.float32)
    whole = count - count % 16
    for antenna in range(antennas):
        real[:], imag[:], square[:] = 0.0, 0.0, 0.0
        for block in range(0, whole, 16):
            for lane in range(16):
                sample = samples[antenna, block + lane]
                real[lane] += sample.real
                imag[lane] += sample.imag
                square[lane] += sample.real * sample.real + sample.imag * sample.imag
        for n in range(whole, count):
            sample = samples[antenna, n]
            real[0] += sample.real
            imag[0] += sample.imag
            square[0] += sample.real * sample.real + sample.imag * sample.imag
        mean, power = complex(real.sum(), imag.sum()) / count, square.sum() / count
        # The mean of as many samples has this power where there is no offset.
        if abs(mean) ** 2 > _DC_SIGNIFICANCE * power / count:
            offset[antenna] = mean
        strongest = max(strongest, power)
    return offset, strongest


def _unit_gain(power: float) -> float:
    """A gain that makes the mean power of samples about one.

    A power of two: it rounds nothing.

    Args:
        power: of the strongest antenna.
    """
    return float(2.0 ** -round(math.log2(max(power, _LARGEST**-2)) / 2))
