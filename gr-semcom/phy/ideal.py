# SPDX-License-Identifier: GPL-3.0-or-later
"""The symbol-level link: Gaussian noise on every payload symbol, without a waveform.

Fragmentation, interleaving and the digital pipe are those of the waveform, so that receptions
are distributed as over the air on a channel of that SNR, estimation errors aside. The link also
carries sections under an ideal code, which no waveform does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from semcom_phy.awgn import add_noise
from semcom_phy.capacity import with_bounds, with_stand_ins
from semcom_phy.exchange import ChannelState, Reception, Transmission
from semcom_phy.fragments import Frame, ReceivedFrame, assemble, fragment
from semcom_phy.link import LinkStats
from semcom_phy.numerology import NARROW, Numerology


@dataclass(frozen=True, eq=False)
class _Sent:
    """A picture on its way: its frames, the noise that it will meet, when it was sent."""

    picture: int
    transmission: Transmission
    frames: list[Frame]
    snr_db: float
    time_s: float


class IdealLink(AbstractContextManager["IdealLink"]):
    """A link of known SNR, additive white Gaussian noise and nothing else.

    The noise depends on nothing but ``seed`` and the picture's number: the same picture meets
    the same noise whatever else is sent, erased or not.

    Args:
        snr_db: Es/N0 per complex symbol of unit power; the complex noise variance is
            ``10^(-snr_db/10)``.
        numerology: decides into how many frames a picture is cut.
        seed: of noise and random erasures.
        erase: fragments of every picture that never arrive.
        erase_probability: probability with which each other fragment is lost, independently.

    Raises:
        ValueError: an SNR that is no number, or a probability outside 0 to 1.
    """

    def __init__(
        self,
        snr_db: float = 10.0,
        numerology: Numerology = NARROW,
        seed: int = 0,
        erase: Collection[int] = (),
        erase_probability: float = 0.0,
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
        self._stats = LinkStats()
        self._sample = 0
        self._waiting: deque[_Sent] = deque()
        self._closed = False

    def transfer(
        self, transmission: Transmission, picture: int, snr_db: float | None = None
    ) -> Reception:
        """Send a picture and receive it.

        Args:
            transmission: what the codec made of the picture.
            picture: its number in the run.
            snr_db: for this picture; None for the link's own.

        Returns:
            The reception; everything is erased where no fragment arrived.

        Raises:
            ValueError: the transmission does not fit into frames, or an SNR that is no number.
        """
        snr = self.snr_db if snr_db is None else _checked(snr_db)
        return self._carry(self._prepare(picture, transmission, snr))

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise, see :meth:`semcom_phy.link.SimulatedLink.set_snr_db`."""
        self.snr_db = _checked(snr_db)

    def _prepare(self, picture: int, transmission: Transmission, snr_db: float) -> _Sent:
        # Nothing is precoded here, so the frames name no feedback.
        frames = fragment(with_stand_ins(transmission), picture, self.numerology)
        return _Sent(picture, transmission, frames, snr_db, time.monotonic())

    def _carry(self, sent: _Sent) -> Reception:
        frames = sent.frames
        erased = self._erasures(sent.picture, len(frames))
        rng = np.random.default_rng([self.seed, sent.picture, 0])
        received = {}
        for index, frame in enumerate(frames):
            noisy = self._receive_frame(frame, sent.snr_db, rng)
            if not erased[index]:
                received[index] = noisy
        self._stats.frames_sent += len(frames)
        self._stats.frames_received += len(received)
        self._stats.samples += sum(frame.payload.shape[1] for frame in frames)
        reception = assemble(frames[0].header.picture, len(frames), received)
        return with_bounds(reception, sent.transmission)

    def _erasures(self, picture: int, fragments: int) -> np.ndarray:
        """Which fragments are lost; drawn apart from the noise, which erasures leave alone."""
        rng = np.random.default_rng([self.seed, picture, 1])
        erased = rng.random(fragments) < self.erase_probability
        erased[[index for index in self.erase if 0 <= index < fragments]] = True
        return erased

    def _receive_frame(
        self, frame: Frame, snr_db: float, rng: np.random.Generator
    ) -> ReceivedFrame:
        variance = np.float32(10.0 ** (-snr_db / 10.0))
        received = ReceivedFrame(
            header=frame.header,
            payload=add_noise(frame.payload, float(variance), rng),
            noise_var=np.full(frame.payload.shape, variance, np.float32),
            csi=None,
            snr_db=snr_db,
            cfo_hz=0.0,
            start_sample=self._sample,
            sample_rate=self.numerology.sample_rate,
        )
        self._sample += self.numerology.frame_samples(frame.payload.shape[1])
        return received

    @property
    def stats(self) -> LinkStats:
        """What was carried so far; ``samples`` counts channel uses, as there is no waveform."""
        return replace(self._stats)

    def send(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send a picture, see :class:`semcom_phy.link.Link`."""
        self._require_open()
        self._waiting.append(self._prepare(picture, transmission, self.snr_db))

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
