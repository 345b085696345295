# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving host's side of a run: what arrives is decoded, kept and reported."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from gnuradio.semcom.feedback_message import NumberedFeedback, to_parts
from gnuradio.semcom.receive_link import ReceiveLink
from pydantic import JsonValue

from ota_runner.console import say
from ota_runner.control_messages import (
    ChannelFeedback,
    End,
    Hello,
    Message,
    PictureNext,
    Refused,
    Report,
    SentSoFar,
    Stop,
    Trouble,
    Welcome,
    Well,
)
from ota_runner.control_peer import PeerBack, PeerGone
from ota_runner.control_socket import ControlServer, Received
from ota_runner.errors import OutputFailed, RunnerError, one_line
from ota_runner.received_run import ReceivedRun
from ota_runner.reception_report import report_of
from ota_runner.record import first_difference
from ota_runner.signal_records import signal_record
from ota_runner.versions import package_version
from semcom_models.codecs import registry
from semcom_models.codecs.base import decode_picture
from semcom_models.data import save_picture
from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import Reception

_POLL_S = 0.02
_REOPEN_S = 1.0
_KEPT = 4


@dataclass
class _Expected:
    """The picture that the transmitter said it is sending.

    Attributes:
        picture: its number in the run.
        attempt: which this is.
        name: its name.
        sent: samples per antenna that the transmitter had put into its sink behind it; None while
            it has not said so.
    """

    picture: int
    attempt: int
    name: str
    sent: int | None = None


@dataclass(frozen=True)
class Terms:
    """What transmitter and receiver must agree on, and where the receiver keeps a run.

    Attributes:
        numerology: all its numbers.
        settings: what else, by option.
        config: resolved options of this host.
        weights: folder or file of weights to look in first.
        output: folder, None for one named by the date.
        sample_rate: in samples per second.
        command: as typed.
    """

    numerology: dict[str, JsonValue]
    settings: dict[str, JsonValue]
    config: dict[str, Any]
    weights: Path | None
    output: Path | None
    sample_rate: float
    command: str


class ReceivingHost:
    """Serves one run: receives, decodes, records and reports its pictures.

    Args:
        open_link: opens the receiving half of a link, and describes its radio; called again where
            the radio was lost.
        control: the connection to the transmitter.
        terms: of a run.

    Attributes:
        run: what was received, None before a transmitter has come.
    """

    def __init__(
        self,
        open_link: Callable[[Callable[[Feedback], None]], tuple[ReceiveLink, dict[str, Any]]],
        control: ControlServer,
        terms: Terms,
    ) -> None:
        self._open_link, self._control, self._terms = open_link, control, terms
        self._told = 0
        self._link: ReceiveLink | None = None
        self._description: dict[str, Any] = {}
        self._expected: _Expected | None = None
        self._arrived: dict[int, Reception] = {}
        self._reopen_at = 0.0
        self._welcomed = False
        self.run: ReceivedRun | None = None
        self._ended: End | Stop | None = None

    @property
    def summary(self) -> dict[str, Any] | None:
        """The transmitter's of a run that came to its end."""
        return dict(self._ended.summary) if isinstance(self._ended, End) else None

    @property
    def stopped_because(self) -> str | None:
        """Why the transmitter stopped the run, None where it did not."""
        return self._ended.reason if isinstance(self._ended, Stop) else None

    def serve(self) -> None:
        """Receive a run until its transmitter ends it.

        Raises:
            RadioUnavailable, UsageError: the radio is not there, or does not take its options.
            OutputFailed: the folder cannot be written any more.
        """
        self._link, self._description = self._open_link(self._feed_back)
        say(f"waiting for a transmitter at {self._control.endpoint}")
        try:
            while self._ended is None:
                self._hear_the_transmitter()
                self._receive()
        finally:
            self._close_link()

    def _hear_the_transmitter(self) -> None:
        while (event := self._control.receive(0)) is not None and self._ended is None:
            match event:
                case PeerBack(new_session=new):
                    self._welcomed = self._welcomed and not new
                    say("a transmitter is there" if new else "the transmitter is back")
                case PeerGone(closed=closed):
                    how = "has ended" if closed else "is silent: it died, or the network is cut"
                    say(f"the transmitter {how}; waiting for it to come back")
                case Received(Hello() as hello):
                    self._begin(hello)
                case Received(message) if self._welcomed:
                    self._follow(message)

    def _follow(self, message: Message) -> None:
        """Do what a transmitter says that was welcomed; of another run it says nothing."""
        assert self.run is not None
        if getattr(message, "run", self.run.hello.run) != self.run.hello.run:
            return
        match message:
            case PictureNext(picture=picture, attempt=attempt, name=name):
                # It may have arrived before this message. Without a radio it cannot arrive.
                if self._link is not None and picture < self.run.hello.pictures:
                    self._expected = _Expected(picture, attempt, name)
            case SentSoFar(picture=picture, attempt=attempt, samples=samples):
                expected = self._expected
                if expected is not None and (expected.picture, expected.attempt) == (
                    picture,
                    attempt,
                ):
                    expected.sent = samples
            case Trouble(reason=reason):
                say(f"trouble at the transmitter: {reason}; waiting for it to come back")
            case End() | Stop():
                self._ended = message

    def _begin(self, hello: Hello) -> None:
        """Welcome a transmitter, or refuse it."""
        self._expected = None
        self._arrived.clear()
        reason = _difference(hello, self._terms)
        if reason is None and (self.run is None or self.run.hello.run != hello.run):
            terms = self._terms
            if self.run is not None:
                reason = "the receiver has begun another run; start it anew for this one"
            else:
                try:
                    self.run = ReceivedRun(
                        terms.output,
                        hello,
                        terms.config,
                        self._description,
                        terms.sample_rate,
                        terms.weights,
                        terms.command,
                    )
                except (ValueError, RunnerError) as error:
                    reason = one_line(error)
        self._welcomed = reason is None
        if reason is not None:
            say(f"a transmitter was refused: {reason}")
            self._control.send(Refused(run=hello.run, reason=reason[:1000]))
            return
        if hello.version != package_version():
            say(f"the transmitter has version {hello.version}, this is {package_version()}")
        radio = {"radio": self._terms.config["radio"], **self._description}
        self._control.send(Welcome(run=hello.run, version=package_version(), radio=radio))
        say(f"receiving {hello.pictures} pictures of {hello.scheme}")
        if self._link is None:
            self._control.send(Trouble(reason="the radio is lost"))

    def _receive(self) -> None:
        """Take what arrives for a moment, and deal with the picture that is expected."""
        if self._link is None:
            self._reopen()
            return
        expected = self._expected
        try:
            reception = self._link.receive(_POLL_S)
            receptions = [] if reception is None else [reception]
            over = (
                expected is not None
                and expected.sent is not None
                and self._link.heard_all(expected.sent)
            )
            if over:
                receptions += self._link.flush()
        except (OSError, RuntimeError, TimeoutError) as error:
            self._lose_the_radio(error)
            return
        for each in receptions:
            self._keep(each)
        if expected is None:
            return
        number = expected.picture % 0x10000
        found = self._arrived.get(number)
        # What is not whole may be the end of an attempt that was broken off.
        if over or (found is not None and found.fragments.all()):
            self._arrived.pop(number, None)
            self._expected = None
            self._settle(expected, found)

    def _keep(self, reception: Reception) -> None:
        """Of a picture that arrives more than once, what has most of it."""
        number = reception.header.picture
        kept = self._arrived.get(number)
        if kept is None or reception.fragments.sum() >= kept.fragments.sum():
            self._arrived[number] = reception
        while len(self._arrived) > _KEPT:
            self._arrived.pop(next(iter(self._arrived)))

    def _settle(self, expected: _Expected, reception: Reception | None) -> None:
        """Decode, record and report a picture that arrived, or never will."""
        assert self.run is not None
        assert self._link is not None
        run, link, png = self.run, self._link, b""
        signal = signal_record(expected.picture, reception, link)
        report = Report(
            run=run.hello.run,
            picture=expected.picture,
            attempt=expected.attempt,
            status="lost",
            signal=signal,
            events=asdict(link.radio.events),
        )
        if reception is not None:
            report, png = self._decoded(report_of(report, reception, signal), expected, reception)
        run.append(expected.name, report, reception)
        self._control.send(report, *([png] if png else []))
        say(_line_on(expected, report))

    def _decoded(
        self, report: Report, expected: _Expected, reception: Reception
    ) -> tuple[Report, bytes]:
        """The report with what became of decoding, and the picture as PNG."""
        assert self.run is not None
        begun = time.monotonic()
        try:
            codec = registry.for_label(reception.header.label, self._terms.weights)
            with torch.no_grad():
                decoded = decode_picture(codec, reception)
        except Exception as error:  # one picture's trouble is not the next one's
            failed = {"status": "failed", "reason": one_line(error)[:1000]}
            return report.model_copy(update=failed), b""
        took = time.monotonic() - begun
        path = self.run.folder.path / self.run.file_for(expected.picture, expected.name)
        try:
            save_picture(path, decoded)
            png = path.read_bytes()
        except OSError as error:
            self._control.send(Trouble(reason=f"cannot write {path.name}: {error.strerror}"))
            raise OutputFailed(
                f"cannot write to {path}: {error.strerror}; make room, then start the receiver anew"
            ) from error
        return report.model_copy(update={"decode_s": took}), png

    def _feed_back(self, report: Feedback) -> None:
        """Tell the transmitter of the channel; called by the receiver's thread."""
        self._told += 1
        numbered = NumberedFeedback(self._told, replace(report, session=self._control.session))
        self._control.send(ChannelFeedback(), *to_parts(numbered))

    def _lose_the_radio(self, error: Exception) -> None:
        """What is on its way is lost; the transmitter sends it again once the radio is back."""
        reason = one_line(error)
        say(f"{reason}; trying to open it again")
        self._control.send(Trouble(reason=reason[:1000]))
        self._close_link()
        self._expected = None
        self._arrived.clear()

    def _reopen(self) -> None:
        if time.monotonic() < self._reopen_at:
            time.sleep(_POLL_S)
            return
        self._reopen_at = time.monotonic() + _REOPEN_S
        try:
            self._link, self._description = self._open_link(self._feed_back)
        except RunnerError:
            return
        say("the radio is back")
        self._control.send(Well())

    def _close_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(Exception):  # of a radio that is gone
                link.close()


def _difference(hello: Hello, terms: Terms) -> str | None:
    """How what a transmitter sends differs from what is received here; None where it does not."""
    for of, theirs, ours in (
        ("waveform", hello.numerology, terms.numerology),
        ("link", hello.settings, terms.settings),
    ):
        name = first_difference(theirs, ours, ignored=("name",))
        if name is not None:
            return (
                f"its {of} has {name}: {theirs.get(name)}, the receiver's {ours.get(name)}: give "
                "both ends the same --numerology, --rate, --antennas and --precoder"
            )
    return None


def _line_on(expected: _Expected, report: Report) -> str:
    """What a person at the receiver reads of a picture."""
    text = f"picture {expected.name} {report.status}"
    if report.snr_estimated_db is not None:
        text += f", SNR {report.snr_estimated_db:.1f} dB"
    if report.fragments_lost:
        text += f", {len(report.fragments_lost)} of {report.fragments} frames lost"
    return f"{text}: {report.reason}" if report.reason else text
