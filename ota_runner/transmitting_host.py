# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitting host's side of a run: pictures go out here and are decoded elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from gnuradio.semcom.feedback_order import FeedbackOrder
from gnuradio.semcom.transmit_link import TransmitLink

from ota_runner.console import say
from ota_runner.control_messages import (
    ChannelFeedback,
    End,
    Hello,
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
from ota_runner.control_socket import ControlClient, Received
from ota_runner.delivery import RECEIVE_TIMEOUT_S, Arrival
from ota_runner.errors import LinkFailed, RadioUnavailable, UsageError, one_line
from ota_runner.main_job import Outcome
from ota_runner.reception_report import arrival_of
from ota_runner.signal_records import signal_record
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.exchange import ChannelState, Transmission
from semcom_phy.link import LinkStats

FIRST_ANSWER_S = 30.0
"""A receiver that has not answered by then is not there."""

MOST_ATTEMPTS = 5
"""A picture during which the receiver went away so often has failed; the next one may not."""

_TRANSMIT_TIMEOUT_S = 30.0
_LATE_REPORT_S = 2.0
_POLL_S = 0.1


class ReceivingPeer:
    """What the transmitting host knows of the receiving one; a thread listens.

    Args:
        control: the connection to it.
        hello: what is going to be sent.
        known: learns the reports on the channel; None where nothing is fed back.

    Attributes:
        radio: what the receiver said of its radio.
    """

    def __init__(
        self, control: ControlClient, hello: Hello, known: ChannelKnowledge | None = None
    ) -> None:
        self._control, self._hello, self._known = control, hello, known
        self._changed = threading.Condition()
        self._order = None if known is None else FeedbackOrder(known.counters)
        self._reports: dict[tuple[int, int], tuple[Report, bytes | None]] = {}
        self._welcome: Welcome | None = None
        self._refused: str | None = None
        self._trouble: str | None = None
        self._disturbances = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="receiver's news", daemon=True)
        self._thread.start()

    @property
    def run(self) -> str:
        """By which both ends know the run."""
        return self._hello.run

    @property
    def radio(self) -> dict[str, object]:
        return dict(self._welcome.radio) if self._welcome else {}

    @property
    def disturbances(self) -> int:
        """How often it has gone, come back or been in trouble: a picture meanwhile is in doubt."""
        return self._disturbances

    @property
    def listens(self) -> bool:
        """Whether it receives what is sent now."""
        return self._control.peer_alive and self._welcome is not None and self._trouble is None

    def meet(self) -> None:
        """Wait until it listens for the first time.

        Raises:
            UsageError: it cannot decode what is going to be sent.
            RadioUnavailable: nobody answers, or the other end does not take our key.
        """
        say(f"looking for the receiver at {self._control.endpoint}, for {FIRST_ANSWER_S:g} s")
        self._wait(lambda: self.listens or self._control.refusal is not None, FIRST_ANSWER_S)
        if not self.listens:
            because = self._control.obstacle or "start `ota_runner rx` there, or check --peer"
            raise RadioUnavailable(f"no receiver answers at {self._control.endpoint}: {because}")

    def wait_until_it_listens(self, patience_s: float) -> None:
        """Wait while it is away or in trouble.

        Raises:
            LinkFailed: it was away for longer than ``patience_s``, or came back and refuses.
        """
        try:
            there = self._wait(lambda: self.listens, patience_s)
        except UsageError as error:
            raise LinkFailed(one_line(error)) from error
        if not there:
            raise LinkFailed(
                f"the receiver at {self._control.endpoint} was away for {patience_s:g} s: "
                f"{self._trouble or self._control.obstacle or 'it is silent'}"
            )

    def report(
        self, picture: int, attempt: int, timeout_s: float, unless: Callable[[], bool]
    ) -> tuple[Report, bytes | None] | None:
        """The report on a picture and its PNG; None after the time, or once ``unless`` holds."""
        which = picture, attempt
        self._wait(lambda: which in self._reports or unless(), timeout_s)
        with self._changed:
            found = self._reports.pop(which, None)
            self._reports.clear()  # what else came is about pictures and attempts that are over
        return found

    def _wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not until():
                if self._refused is not None:
                    raise UsageError(f"the receiver refuses the run: {self._refused}")
                if time.monotonic() > deadline:
                    return False
                self._changed.wait(_POLL_S)
        return True

    def _listen(self) -> None:
        while not self._stopping.is_set():
            event = self._control.receive(_POLL_S)
            if event is not None:
                with self._changed:
                    self._take(event)
                    self._changed.notify_all()

    def _take(self, event: Received | PeerBack | PeerGone) -> None:
        match event:
            case PeerBack(new_session=new):
                self._disturbances += 1
                if new:
                    self._welcome = self._trouble = self._refused = None
                    self._control.send(self._hello)
                else:
                    say("the receiver is back")
            case PeerGone(closed=closed):
                self._disturbances += 1
                how = "has ended" if closed else "is silent: it died, or the network is cut"
                say(f"the receiver {how}; waiting for it to come back")
            case Received(Welcome() as welcome):
                self._welcome = welcome
                if welcome.version != self._hello.version:
                    say(
                        f"the receiver has version {welcome.version}, this is {self._hello.version}"
                    )
                say(f"the receiver at {self._control.endpoint} listens")
            case Received(Refused(reason=reason)):
                self._refused = reason
            case Received(Report() as report, blobs):
                if report.run == self._hello.run:
                    png = blobs[0] if blobs else None
                    self._reports[report.picture, report.attempt] = report, png
            case Received(ChannelFeedback(), blobs):
                if self._known is not None and self._order is not None:
                    news = self._order.take(blobs)
                    if news is not None:
                        self._known.learn(news)
            case Received(Trouble(reason=reason)):
                self._disturbances += 1
                self._trouble = reason
                say(f"trouble at the receiver: {reason}; waiting until it is mended")
            case Received(Well()):
                self._trouble = None
                say("the receiver is well again")

    def close(self) -> None:
        """Stop listening; the connection stays."""
        self._stopping.set()
        self._thread.join()


class HostDelivery(AbstractContextManager["HostDelivery"]):
    """Over a radio here to a receiver on another host, which decodes.

    A picture on its way while the receiver went away, or was in trouble, is sent again once it
    is back, unless it has a report on that attempt.

    Args:
        link: the transmitting half, up; leaving this context closes it.
        peer: the receiver; leaving this context stops listening to it.
        control: the connection.
        patience_s: how long to wait for a receiver that has gone.
    """

    def __init__(
        self,
        link: TransmitLink,
        peer: ReceivingPeer,
        control: ControlClient,
        patience_s: float,
    ) -> None:
        self._link, self._peer, self._control = link, peer, control
        self._patience_s = patience_s
        self._told: Mapping[str, int] = {}
        self._elsewhere: Counter[str] = Counter()

    @property
    def stats(self) -> LinkStats:
        """What was carried so far, with what the radios of both ends say went wrong."""
        own = self._link.stats
        events = dict(own.radio_events or {})
        for kind in events:
            events[kind] += self._elsewhere[kind]
        return replace(own, radio_events=events)

    def set_snr_db(self, snr_db: float) -> None:
        raise LinkFailed("the SNR of a radio cannot be set between two hosts")

    @property
    def stream_time_s(self) -> float | None:
        return None  # the receiver's clock is elsewhere

    def deliver(
        self, picture: int, name: str, transmission: Transmission, state: ChannelState
    ) -> Arrival:
        for attempt in range(1, MOST_ATTEMPTS + 1):
            self._peer.wait_until_it_listens(self._patience_s)
            begun, before = self._link.stats, self._peer.disturbances
            found = self._attempt(attempt, picture, name, transmission, state)
            if found is not None:
                self._count(found[0].events)
                signal = signal_record(picture, None, self._link)
                arrival = arrival_of(*found, transmission, signal)
                return replace(arrival, since=begun, attempts=attempt)
            if self._peer.disturbances == before:
                raise LinkFailed(
                    f"the receiver said nothing on picture {name} for {RECEIVE_TIMEOUT_S:g} s"
                )
            say(f"picture {name} is sent again")
        raise ValueError(f"the receiver went away {MOST_ATTEMPTS} times while it was sent")

    def _attempt(
        self, attempt: int, picture: int, name: str, transmission: Transmission, state: ChannelState
    ) -> tuple[Report, bytes | None] | None:
        """Send a picture once; what the receiver has to say of it, None where it went away."""
        run, before = self._peer.run, self._peer.disturbances
        which: dict[str, Any] = {"run": run, "picture": picture, "attempt": attempt}
        self._control.send(PictureNext(**which, name=_printable(name)))
        absence = _Absence(self._peer, self._patience_s)
        try:
            self._link.transmit(
                picture, transmission, state, _TRANSMIT_TIMEOUT_S, excused=absence.excuses
            )
        except (RuntimeError, TimeoutError, OSError) as error:
            raise LinkFailed(f"the link failed: {one_line(error)}") from error
        self._control.send(SentSoFar(**which, samples=self._link.samples_out))
        try:
            found = self._peer.report(
                picture,
                attempt,
                RECEIVE_TIMEOUT_S,
                unless=lambda: self._peer.disturbances != before,
            )
            if found is None and self._peer.disturbances != before:
                self._peer.wait_until_it_listens(self._patience_s)
                found = self._peer.report(picture, attempt, _LATE_REPORT_S, unless=lambda: False)
        except UsageError as error:
            raise LinkFailed(one_line(error)) from error
        return found

    def _count(self, events: Mapping[str, int]) -> None:
        """Add what went wrong in the receiver's radio; one that was opened anew counts from 0."""
        for kind, count in events.items():
            before = self._told.get(kind, 0)
            self._elsewhere[kind] += count - before if count >= before else count
        self._told = events

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._peer.close()


class _Absence:
    """While the receiver is away its radio may take no samples, for as long as it is waited for."""

    def __init__(self, peer: ReceivingPeer, patience_s: float) -> None:
        self._peer, self._patience_s = peer, patience_s
        self._until: float | None = None

    def excuses(self) -> bool:
        """Whether the receiver is away, and not for too long."""
        if self._peer.listens:
            self._until = None
            return False
        if self._until is None:
            self._until = time.monotonic() + self._patience_s
        return time.monotonic() < self._until


def _printable(name: str) -> str:
    """A picture's name as a message takes it."""
    return "".join(each if each.isprintable() else "?" for each in name)[:255] or "?"


def take_leave(control: ControlClient, run: str, outcome: Outcome | None) -> None:
    """Tell the receiver how the run ended, or that it may go on.

    Args:
        control: the connection.
        run: which.
        outcome: of the run; None where it was not begun, which the receiver need not know.
    """
    if outcome is None:
        return
    if outcome.interrupted:
        control.send(Stop(run=run, reason="the transmitter was interrupted"))
    elif outcome.broken is not None:  # gone on with, perhaps: the receiver waits
        control.send(Trouble(reason=_printable(outcome.broken)))
    else:
        control.send(End(run=run, summary=outcome.summary.model_dump(mode="json")))
