# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbol-level link: every payload symbol meets channel and noise, without a waveform.

Fragmentation, interleaving and the digital pipe are those of the waveform, as are the times and
carriers of the symbols, so that receptions are distributed as over the air on the same channel,
for a receiver that knows the channel and misses no frame. The link also carries sections under an
ideal code, which no waveform does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from semcom_phy.capacity import with_bounds, with_stand_ins
from semcom_phy.channel import ChannelConfig, realise
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports, Feedback, snr_feedback
from semcom_phy.exchange import (
    ChannelState,
    Combiner,
    ComplexArray,
    Precoder,
    Reception,
    Transmission,
)
from semcom_phy.fragments import Frame, ReceivedFrame, assemble, fragment
from semcom_phy.known_channel import KnownChannel
from semcom_phy.link import LinkStats
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.tap_process import ConstantTaps, Multipath


@dataclass(frozen=True, eq=False)
class _Sent:
    """A picture on its way: its frames, the noise that it will meet, when it was sent."""

    picture: int
    transmission: Transmission
    frames: list[Frame]
    state: ChannelState
    snr_db: float
    time_s: float


class IdealLink(AbstractContextManager["IdealLink"]):
    """A link of known SNR over a known channel.

    A picture meets the realisation of the channel that the simulated radio ``loopback`` of the
    same seed has for the picture's number, every symbol at the time and on the carrier that the
    waveform sends it. The receiver knows channel and noise; nothing is lost to preambles,
    estimates or headers. Noise and erasures, too, depend on nothing but ``seed`` and the picture's
    number: the same picture meets the same noise whatever else is sent, erased or not.

    Args:
        snr_db: Es/N0 per complex symbol of unit power over a path of unit gain; the complex noise
            variance is ``10^(-snr_db/10)`` on each receive antenna.
        numerology: decides into how many frames a picture is cut, and when and on which carriers
            they are sent.
        seed: of channel, noise and random erasures.
        erase: fragments of every picture that never arrive.
        erase_probability: probability with which each other fragment is lost, independently.
        multipath: a fading channel or a trace; None for white Gaussian noise and nothing else
            (all antennas at one end share the signal where the other has fewer).
        continues: the channel goes on from picture to picture, by the samples of the frames, in
            the place of a realisation for each.
        precoder: fed with the latest CSI that is known, before any with that of a picture's
            :class:`ChannelState`; None for none.
        combiner: at the receiver, told the same CSI; None for unbiased linear MMSE detection of
            streams that were not precoded.
        reports: the receiver's on the channel of each frame; None for none.
        known: what the transmitter knows of the channel, which learns them, and the SNR of each
            picture; None where nothing is fed back.

    Raises:
        ValueError: an SNR that is no number, a probability outside 0 to 1, or a trace of other
            numbers of antennas.
    """

    def __init__(
        self,
        snr_db: float = 10.0,
        numerology: Numerology = NARROW,
        seed: int = 0,
        erase: Collection[int] = (),
        erase_probability: float = 0.0,
        multipath: Multipath | None = None,
        precoder: Precoder | None = None,
        combiner: Combiner | None = None,
        continues: bool = False,
        reports: CsiReports | None = None,
        known: ChannelKnowledge | None = None,
    ) -> None:
        if not 0.0 <= erase_probability <= 1.0:
            raise ValueError(f"erase_probability is {erase_probability}; it must lie in 0 to 1")
        if seed < 0:
            raise ValueError(f"seed is {seed}; it must not be negative")
        self.snr_db = _checked(snr_db)
        self.numerology = numerology
        self.seed = seed
        self.erase = frozenset(erase)
        self.erase_probability = erase_probability
        self._channel = ChannelConfig(multipath=multipath)
        realise(self._channel, numerology, seed)  # says now what does not fit
        self._precoder, self._combiner = precoder, combiner
        self._reports, self._known = reports, known or ChannelKnowledge()
        self._continues = continues
        self._stats = LinkStats()
        self._sample = 0
        self._waiting: deque[_Sent] = deque()
        self._closed = False

    def transfer(
        self,
        transmission: Transmission,
        picture: int,
        snr_db: float | None = None,
        state: ChannelState | None = None,
    ) -> Reception:
        """Send a picture and receive it.

        Args:
            transmission: what the codec made of the picture.
            picture: its number in the run.
            snr_db: for this picture; None for the link's own.
            state: what the transmitter knows of the channel; None for nothing.

        Returns:
            The reception; everything is erased where no fragment arrived.

        Raises:
            ValueError: the transmission does not fit into frames, or an SNR that is no number.
        """
        snr = self.snr_db if snr_db is None else _checked(snr_db)
        return self._carry(self._prepare(picture, transmission, state or ChannelState(), snr))

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise, see :meth:`semcom_phy.link.SimulatedLink.set_snr_db`."""
        self.snr_db = _checked(snr_db)

    def _prepare(
        self, picture: int, transmission: Transmission, state: ChannelState, snr_db: float
    ) -> _Sent:
        frames = fragment(with_stand_ins(transmission), picture, self.numerology)
        return _Sent(picture, transmission, frames, state, snr_db, time.monotonic())

    def _carry(self, sent: _Sent) -> Reception:
        frames = sent.frames
        erased = self._erasures(sent.picture, len(frames))
        received: dict[int, ReceivedFrame] = {}
        for index, frame in enumerate(self._received_frames(sent)):
            if not erased[index]:
                received[index] = frame
                self._feed_back(None if self._reports is None else self._reports.report(frame))
        self._stats.frames_sent += len(frames)
        self._stats.frames_received += len(received)
        self._stats.samples += sum(frame.payload.shape[1] for frame in frames)
        reception = assemble(frames[0].header.picture, len(frames), received)
        if received:
            self._feed_back(snr_feedback(reception))
        return with_bounds(reception, sent.transmission)

    def _feed_back(self, report: Feedback | None) -> None:
        if report is not None:
            self._known.learn(report)

    def _erasures(self, picture: int, fragments: int) -> np.ndarray:
        """Which fragments are lost; drawn apart from the noise, which erasures leave alone."""
        rng = np.random.default_rng([self.seed, picture, 1])
        erased = rng.random(fragments) < self.erase_probability
        erased[[index for index in self.erase if 0 <= index < fragments]] = True
        return erased

    def _received_frames(self, sent: _Sent) -> Iterator[ReceivedFrame]:
        """All frames of a picture as they arrive, erased ones too."""
        numerology, seed = self.numerology, [self.seed, sent.picture]
        rng = np.random.default_rng([*seed, 0])
        noise_var = 10.0 ** (-sent.snr_db / 10.0)
        faded = realise(self._channel, numerology, self.seed if self._continues else seed)
        straight = np.eye(numerology.rx_antennas, dtype=np.complex64)
        process = faded or ConstantTaps(np.zeros(1), straight[None])
        channel = KnownChannel(process, numerology, self._precoder, self._combiner)
        begin = 0 if self._continues else self._sample
        for unaddressed in sent.frames:
            frame, told = self._precoded_for(unaddressed, sent.state)
            received = channel.carry(frame, self._sample - begin, noise_var, told, rng)
            # Of a channel that does nothing there is nothing to tell.
            csi = received.csi if faded else None
            yield replace(received, start_sample=self._sample, csi=csi)
            self._sample += numerology.frame_samples(frame.payload.shape[1])

    def _precoded_for(
        self, frame: Frame, submitted: ChannelState
    ) -> tuple[Frame, ComplexArray | None]:
        """A frame that says which channel it is precoded for, and that channel."""
        if self._precoder is None:
            return frame, None
        known = self._known.state()
        state = submitted if known.csi is None else known
        return replace(frame, header=replace(frame.header, csi_id=state.csi_id)), state.csi

    @property
    def stats(self) -> LinkStats:
        """What was carried so far; ``samples`` counts channel uses, as there is no waveform."""
        return replace(self._stats, stream_time_s=self._sample / self.numerology.sample_rate)

    def send(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send a picture, see :class:`semcom_phy.link.Link`."""
        self._require_open()
        self._waiting.append(self._prepare(picture, transmission, state, self.snr_db))

    def receive(self, timeout_s: float = 60.0) -> Reception | None:
        """The reception of the oldest picture sent, see :class:`semcom_phy.link.Link`."""
        self._require_open()
        if not self._waiting:
            raise RuntimeError("no picture is on its way: send one first")
        sent = self._waiting.popleft()
        reception = self._carry(sent)
        self._stats.seconds += time.monotonic() - sent.time_s
        return reception if reception.fragments.any() else None

    def close(self) -> None:
        """Refuse further pictures; safe to call twice."""
        self._closed = True
        self._waiting.clear()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("the link is closed")

    def __exit__(self, *raised: object) -> None:
        self.close()


def _checked(snr_db: float) -> float:
    if not -100.0 <= snr_db <= 200.0:
        raise ValueError(f"snr_db is {snr_db}; it must be a number of dB from -100 to 200")
    return float(snr_db)
