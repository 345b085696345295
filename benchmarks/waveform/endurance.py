# SPDX-License-Identifier: GPL-3.0-or-later
"""Endurance: no frame missed, none made up, memory flat and time linear in samples.

``python -m benchmarks.waveform.endurance --frames 100000`` sends so many frames; ``--noise 1e9``
lets the receiver search so many samples of noise; ``--seconds 3600`` is so much of a stream of
pictures and noise at the sample rate. A line of JSON each tenth of the way, and one at the end.
Every sample meets fresh noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.bursts import SIDE, gaussian, with_noise
from benchmarks.memory import resident_mib
from benchmarks.modem import CHANNEL_USES, kodak_transmission, transmit
from semcom_phy.exchange import CodecLabel, ComplexArray, PictureHeader, SectionEntry
from semcom_phy.fragments import Assembler, Frame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.receiver import Receiver

BLOCK = 1 << 18
FRAMES_IN_A_BLOCK = 100
LONGEST_GAP = 2000
"""Samples of silence between two frames, on top of the guard, are drawn from 0 to this."""

LATE = 8
"""Samples by which a frame may be found early or late."""

PICTURES = 4
PAUSE_S = 1.0


@dataclass
class FrameCount:
    """Frames sent and received.

    Attributes:
        sent: frames sent.
        received: those that arrived with the header and at the place that they were sent with; the
            last ones of a block are still on their way.
        false: frames reported that were not sent.
        header_failures: preambles found whose header was not decoded.
        samples: that the receiver took.
    """

    sent: int = 0
    received: int = 0
    false: int = 0
    header_failures: int = 0
    samples: int = 0

    @property
    def missed(self) -> int:
        """Frames sent that did not arrive."""
        return self.sent - self.received


def _tenths(total: int) -> set[int]:
    return {-(-total * tenth // 10) for tenth in range(1, 11)}


class _Sender:
    """Shortest frames with random headers, carrier offsets and gaps, as one endless stream."""

    def __init__(self, numerology: Numerology, rng: np.random.Generator) -> None:
        self._numerology, self._rng = numerology, rng
        self._modulator = Modulator(numerology)
        self._symbols = numerology.data_carriers_per_symbol
        self.position = 0
        self.on_the_air: dict[FrameHeader, int] = {}  # and where each begins

    def block(self, frames: int) -> ComplexArray:
        """The next samples ``[1, n]``."""
        pieces = []
        for _ in range(frames):
            gap = np.zeros(int(self._rng.integers(LONGEST_GAP + 1)), np.complex64)
            header = self._header()
            burst = self._burst(header)
            self.on_the_air[header] = self.position + gap.size
            self.position += gap.size + burst.size
            pieces += [gap, burst]
        return np.concatenate(pieces)[None]

    def _header(self) -> FrameHeader:
        number, preset, rate = (int(self._rng.integers(n)) for n in (1 << 16, 1 << 8, 1 << 8))
        # Numbers of the weights are never drawn twice, but once in some million runs.
        label = CodecLabel(1, preset, int(self._rng.integers(1 << 32)), rate)
        section = SectionEntry(digital=False, length=self._symbols)
        return FrameHeader(PictureHeader(number, SIDE, SIDE, label, (section,)))

    def _burst(self, header: FrameHeader) -> ComplexArray:
        payload = gaussian((1, self._symbols), self._rng)
        samples = self._modulator.frame(Frame(header, payload))[0]
        limit = self._numerology.max_cfo_hz / self._numerology.sample_rate
        cfo, phase = self._rng.uniform(-limit, limit), self._rng.uniform()
        turns = np.exp(2j * np.pi * (cfo * np.arange(samples.size) + phase))
        return np.asarray(samples * turns.astype(np.complex64))


def count_frames(
    frames: int, snr_db: float = 5.0, seed: int = 1, numerology: Numerology = NARROW
) -> Iterator[FrameCount]:
    """Send the shortest frames there are, and count those that arrive.

    Every frame has a carrier offset of its own within what the receiver searches, a header and a
    gap before it of its own.

    Args:
        frames: to send.
        snr_db: Es/N0.
        seed: of all that is drawn.
        numerology: of one antenna.

    Yields:
        What was counted, after each block of frames; the last one is complete.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    sender, receiver, count = _Sender(numerology, rng), Receiver(numerology), FrameCount()
    while count.sent < frames:
        wanted = min(FRAMES_IN_A_BLOCK, frames - count.sent)
        samples = with_noise(sender.block(wanted), snr_db, rng)
        count.sent += wanted
        count.samples += samples.shape[1]
        received = receiver.push(samples)
        if count.sent == frames:
            received += receiver.flush()
        for frame in received:
            place = sender.on_the_air.pop(frame.header, None)
            found = place is not None and abs(frame.start_sample - place) <= LATE
            count.received += found
            count.false += not found
        count.header_failures = receiver.counters.header_failures
        yield count


def search_noise(
    samples: int, seed: int = 1, numerology: Numerology = NARROW
) -> Iterator[dict[str, int]]:
    """Let the receiver search noise.

    Args:
        samples: of noise.
        seed: of it.
        numerology: of one antenna.

    Yields:
        After each block samples so far and the receiver's counters.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    receiver, done = Receiver(numerology), 0
    while done < samples:
        wanted = min(BLOCK, samples - done)
        receiver.push(gaussian((1, wanted), rng))
        done += wanted
        if done == samples:
            receiver.flush()
        yield {"samples": done, **asdict(receiver.counters)}


@dataclass(frozen=True)
class Stretch:
    """The receiver after part of a long stream.

    Attributes:
        stream_s: of the stream so far, by its own clock.
        cpu_s: processor time of receiver and assembler so far.
        resident_mib: memory of the process.
        frames: received so far.
        pictures: complete ones so far.
        sent: frames sent so far.
    """

    stream_s: float
    cpu_s: float
    resident_mib: float
    frames: int
    pictures: int
    sent: int


def run_long(
    seconds: float, snr_db: float = 10.0, seed: int = 1, numerology: Numerology = NARROW
) -> Iterator[Stretch]:
    """Receive pictures of Kodak's size with pauses between them, for a long time.

    Args:
        seconds: of stream time.
        snr_db: Es/N0.
        seed: of pictures and noise.
        numerology: of one antenna.

    Yields:
        What was spent after each round of pictures.
    """
    rng = np.random.Generator(np.random.SFC64(seed))
    pause = np.zeros((1, round(PAUSE_S * numerology.sample_rate)), np.complex64)
    bursts = [transmit(kodak_transmission(rng), numerology) for _ in range(PICTURES)]
    receiver, assembler = Receiver(numerology), Assembler(numerology)
    each = -(-CHANNEL_USES // numerology.fragment_capacity)
    samples, cpu_s, pictures, sent = 0, 0.0, 0, 0
    while samples < seconds * numerology.sample_rate:
        for burst in bursts:
            piece = with_noise(np.concatenate([burst, pause], axis=1), snr_db, rng)
            begin = time.process_time()
            for frame in receiver.push(piece):
                pictures += sum(bool(r.fragments.all()) for r in assembler.add(frame))
            cpu_s += time.process_time() - begin
            samples += piece.shape[1]
            sent += each
        frames = receiver.counters.frames
        stream_s = samples / numerology.sample_rate
        yield Stretch(stream_s, cpu_s, resident_mib(), frames, pictures, sent)


def _print(test: str, seed: int, counts: dict[str, float]) -> None:
    print(json.dumps({"test": test, "seed": seed, **counts}), flush=True)


def _run_frames(frames: int, snr_db: float, seed: int) -> bool:
    marks = _tenths(-(-frames // FRAMES_IN_A_BLOCK))
    for block, count in enumerate(count_frames(frames, snr_db, seed), 1):
        if block in marks:
            _print("frames", seed, {"snr_db": snr_db, **asdict(count)})
    _print("frames", seed, {"missed": count.missed, "false": count.false})
    return count.missed == count.false == 0


def _run_noise(samples: int, seed: int) -> bool:
    marks = _tenths(-(-samples // BLOCK))
    for block, counts in enumerate(search_noise(samples, seed), 1):
        if block in marks:
            _print("noise", seed, dict(counts))
    return counts["frames"] == 0


def _run_long(seconds: float, seed: int) -> bool:
    mark, stretches = 0.0, []
    for stretch in run_long(seconds, seed=seed):
        if stretch.stream_s >= min(mark + seconds / 10, seconds):
            mark = stretch.stream_s
            stretches.append(stretch)
            _print("long", seed, asdict(stretch))
    return stretches[-1].frames >= stretches[-1].sent - 1


def main() -> int:
    """Run what is asked for; 1 where a frame was missed or made up."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.waveform.endurance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--frames", type=int, default=0, help="frames to send")
    parser.add_argument("--snr", type=float, default=5.0, help="their Es/N0 in dB")
    parser.add_argument("--noise", type=float, default=0, help="samples of noise to search")
    parser.add_argument("--seconds", type=float, default=0, help="of a long stream")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not any((arguments.frames, arguments.noise, arguments.seconds)):
        parser.error("nothing asked for: give --frames, --noise or --seconds")
    good = True
    if arguments.frames > 0:
        good &= _run_frames(arguments.frames, arguments.snr, arguments.seed)
    if arguments.noise > 0:
        good &= _run_noise(int(arguments.noise), arguments.seed)
    if arguments.seconds > 0:
        good &= _run_long(arguments.seconds, arguments.seed)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
