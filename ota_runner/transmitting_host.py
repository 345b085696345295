# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitting host's side of a run: pictures go out here and are decoded elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from gnuradio.semcom.feedback_message import from_parts
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
        self._reports: dict[int, tuple[Report, bytes | None]] = {}
        self._welcome: Welcome | None = None
        self._refused: str | None = None
        self._trouble: str | None = None
        self._disturbances = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="receiver's news", daemon=True)
        self._thread.start()

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
        self._wait(lambda: self.listens or self._control.refusal is not None, FIRST_ANSWER_S)
        if not self.listens:
            because = self._control.obstacle or "start `ota_runner rx` there, or check --peer"
            raise RadioUnavailable(f"no receiver answers at {self._control.endpoint}: {because}")

    def wait_until_it_listens(self, patience_s: float) -> None:
        """Wait while it is away or in trouble.

        Raises:
            UsageError: it came back and cannot decode what is sent.
            LinkFailed: it was away for longer than ``patience_s``.
        """
        if not self._wait(lambda: self.listens, patience_s):
            raise LinkFailed(
                f"the receiver at {self._control.endpoint} was away for {patience_s:g} s: "
                f"{self._trouble or self._control.obstacle or 'it is silent'}"
            )

    def report(
        self, picture: int, timeout_s: float, unless: Callable[[], bool]
    ) -> tuple[Report, bytes | None] | None:
        """The report on a picture and its PNG; None after the time, or once ``unless`` holds."""
        self._wait(lambda: picture in self._reports or unless(), timeout_s)
        with self._changed:
            return self._reports.pop(picture, None)

    def forget(self, picture: int) -> None:
        """Of a picture that is going to be sent, whatever was reported of it before."""
        with self._changed:
            self._reports.pop(picture, None)

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
                    self._welcome = self._trouble = None
                    self._control.send(self._hello)
                else:
                    say("the receiver is back")
            case PeerGone(closed=closed):
                self._disturbances += 1
                how = "has ended" if closed else "is silent: it died, or the network is cut"
                say(f"the receiver {how}; waiting for it to come back")
            case Received(Welcome() as welcome):
                self._welcome = welcome
                say(f"the receiver at {self._control.endpoint} listens")
            case Received(Refused(reason=reason)):
                self._refused = reason
            case Received(Report() as report, blobs):
                if report.run == self._hello.run:
                    self._reports[report.picture] = report, blobs[0] if blobs else None
            case Received(ChannelFeedback(), blobs):
                if self._known is not None:
                    self._known.learn(from_parts(blobs).report)
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
    is back, unless it has a report on it.

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

    def deliver(
        self, picture: int, name: str, transmission: Transmission, state: ChannelState
    ) -> Arrival:
        while True:
            self._peer.wait_until_it_listens(self._patience_s)
            before = self._peer.disturbances
            found = self._attempt(picture, name, transmission, state, before)
            if found is None and self._peer.disturbances != before:
                self._peer.wait_until_it_listens(self._patience_s)
                found = self._peer.report(picture, _LATE_REPORT_S, unless=lambda: False)
            if found is not None:
                self._count(found[0].events)
                signal = signal_record(picture, None, self._link)
                return arrival_of(*found, transmission, signal)
            if self._peer.disturbances == before:
                raise LinkFailed(
                    f"the receiver said nothing on picture {name} for {RECEIVE_TIMEOUT_S:g} s"
                )
            say(f"picture {name} is sent again")

    def _count(self, events: Mapping[str, int]) -> None:
        """Add what went wrong in the receiver's radio; one that was opened anew counts from 0."""
        for kind, count in events.items():
            before = self._told.get(kind, 0)
            self._elsewhere[kind] += count - before if count >= before else count
        self._told = events

    def _attempt(
        self, picture: int, name: str, transmission: Transmission, state: ChannelState, before: int
    ) -> tuple[Report, bytes | None] | None:
        """Send a picture once; what the receiver has to say of it."""
        frames = self._link.stats.frames_sent
        self._peer.forget(picture)
        self._control.send(PictureNext(picture=picture, name=name))
        try:
            self._link.transmit(picture, transmission, state, _TRANSMIT_TIMEOUT_S)
        except (RuntimeError, TimeoutError, OSError) as error:
            raise LinkFailed(f"the link failed: {one_line(error)}") from error
        sent = SentSoFar(
            picture=picture,
            samples=self._link.samples_out,
            frames=self._link.stats.frames_sent - frames,
        )
        self._control.send(sent)
        return self._peer.report(
            picture, RECEIVE_TIMEOUT_S, unless=lambda: self._peer.disturbances != before
        )

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._peer.close()


def take_leave(control: ControlClient, outcome: Outcome | None) -> None:
    """Tell the receiver how the run ended, or that it may go on.

    Args:
        control: the connection.
        outcome: of the run; None where it came to none.
    """
    if outcome is None:
        control.send(Stop(reason="the transmitter could not send"))
    elif outcome.interrupted:
        control.send(Stop(reason="the transmitter was interrupted"))
    elif outcome.broken is not None:  # gone on with, perhaps: the receiver waits
        control.send(Trouble(reason=outcome.broken[:1000]))
    else:
        control.send(End(summary=outcome.summary.model_dump(mode="json")))
