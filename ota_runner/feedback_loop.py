# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's options to what its transmitter knows of the channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ota_runner.config import RunConfig, resolve_numerology
from ota_runner.errors import UsageError
from ota_runner.feedback_options import FEEDBACK, SET
from ota_runner.record import FeedbackRecord, PictureRecord
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import Feedback


@dataclass
class FeedbackLoop:
    """What the transmitter knows, and what of it the encoder is told.

    Attributes:
        known: of the channel, which a link has it learn.
        encoder_snr: ``set``, ``feedback`` or a number of dB.
        closed: whether anything that comes back is used.
    """

    known: ChannelKnowledge
    encoder_snr: str = SET
    closed: bool = False

    def __post_init__(self) -> None:
        self._counted = asdict(self.known.counters)

    def told_snr_db(self, set_db: float, known_db: float | None) -> float:
        """What the encoder is told, of the SNR set and the one fed back."""
        if self.encoder_snr == FEEDBACK and known_db is not None:
            return known_db
        return set_db if self.encoder_snr in (SET, FEEDBACK) else float(self.encoder_snr)

    def news(self) -> FeedbackRecord | None:
        """What became of the reports since the last call; None where none are used."""
        if not self.closed:
            return None
        before, self._counted = self._counted, asdict(self.known.counters)
        return FeedbackRecord(**{key: self._counted[key] - before[key] for key in before})

    def catch_up(self, records: Iterable[PictureRecord]) -> None:
        """Learn what was fed back of pictures that a run begun before has sent."""
        for record in records:
            self.known.picture_begins()
            if record.snr_estimated_db is not None:
                self.known.learn(Feedback(snr_db=record.snr_estimated_db))
        self.news()


def feedback_loop(run: RunConfig, simulated: bool) -> FeedbackLoop:
    """The loop of a run.

    Args:
        run: its options.
        simulated: the SNR of its radio's channel is set by the run.

    Raises:
        UsageError: options that contradict each other or the radio.
    """
    delay, asked = run.feedback_delay, run.encoder_snr
    if asked == SET and not simulated:
        raise UsageError(
            f"--encoder-snr set: the SNR of --radio {run.radio} cannot be set; use feedback, or a "
            "number of dB"
        )
    told = asked or (SET if simulated and delay is None else FEEDBACK)
    closed = told == FEEDBACK or run.precoder != "none"
    if delay is not None and not closed:
        raise UsageError(
            f"--feedback-delay: with --encoder-snr {told} and no --precoder nothing is fed back; "
            "leave it out, or use --encoder-snr feedback"
        )
    known = ChannelKnowledge(run.snr, resolve_numerology(run), delay or 0)
    return FeedbackLoop(known, told, closed)
