# SPDX-License-Identifier: GPL-3.0-or-later
"""The streams of a virtual USRP: between a connection of the UHD module and a feed of the air."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from time import sleep

import numpy as np

from semcom_virtual.feed import FeedClosedError
from semcom_virtual.rx_feed import RxFeed
from semcom_virtual.usrp_device import VirtualUsrp
from semcom_virtual.usrp_protocol import (
    MOST_COMMAND_BYTES,
    NOW,
    Disconnected,
    Flag,
    Kind,
    Message,
    receive,
    send,
)

READ_S = 0.02
"""A packet with fewer samples than fit is sent after so long."""

EVENTS_S = 0.01
"""How often a transmitter is asked what became of its bursts."""

_EVENTS = {"burst_ack": Kind.BURST_ACK, "underflow": Kind.UNDERFLOW, "late": Kind.LATE}
_SAMPLE_BYTES = np.dtype(np.complex64).itemsize


class ReceiveStream:
    """Samples to the module, on its command.

    The socket carries the flow control: a program that does not read fills it, and then the feed.

    Args:
        usrp: whose receiver it is.
        connection: to the module.
        channels: of the receiver.
        packet: most samples of a packet.
    """

    def __init__(
        self, usrp: VirtualUsrp, connection: socket.socket, channels: Sequence[int], packet: int
    ) -> None:
        self._usrp, self._connection = usrp, connection
        self._channels, self._packet = channels, packet
        self._feed: RxFeed | None = None
        self._sender: threading.Thread | None = None

    def serve(self) -> None:
        """Obey commands until the module is gone."""
        buffer = bytearray(MOST_COMMAND_BYTES)
        try:
            while True:
                command = receive(self._connection, buffer)
                self._stop()
                if command.kind == Kind.START:
                    self._start(command)
        except Disconnected:
            pass
        finally:
            self._stop()

    def _start(self, command: Message) -> None:
        if not math.isfinite(command.value):
            raise Disconnected(f"{command.value} samples")
        port = self._usrp.port
        if command.time != NOW and command.time < port.now() and not self._usrp.patient:
            if self._sender is not None:
                self._sender.join()  # its last packet goes first
            send(self._connection, Kind.LATE_COMMAND, time=port.now())
            return
        first = None if command.time == NOW else command.time
        self._feed = self._usrp.open_rx(self._channels, first, self._packet)
        self._sender = threading.Thread(
            target=self._send,
            args=(self._feed, int(command.value), self._sender),
            name=f"{self._usrp.serial} rx",
            daemon=True,
        )
        self._sender.start()

    def _stop(self) -> None:
        if self._feed is not None:
            self._feed.close()
            self._feed = None

    def _send(self, feed: RxFeed, wanted: int, before: threading.Thread | None) -> None:
        """Send ``wanted`` samples, 0 for all there are, once the thread ``before`` has ended."""
        if before is not None:
            before.join()
        flags = Flag.FIRST
        left = wanted or math.inf
        try:
            while left > 0:
                samples, time = feed.read(int(min(self._packet, left)), READ_S)
                if not samples.size:
                    continue
                left -= samples.shape[1]
                if left <= 0:
                    flags |= Flag.LAST
                body = np.ascontiguousarray(samples).view(np.uint8).data.cast("B")
                send(self._connection, Kind.SAMPLES, body, flags=flags, time=time)
                flags = Flag(0)
        except (FeedClosedError, Disconnected):
            pass
        finally:
            feed.close()


class TransmitStream:
    """Samples from the module, and back to it what became of them.

    Args:
        usrp: whose transmitter it is.
        connection: to the module.
        channels: of the transmitter.
        packet: most samples of a packet.
    """

    def __init__(
        self, usrp: VirtualUsrp, connection: socket.socket, channels: Sequence[int], packet: int
    ) -> None:
        self._usrp, self._connection = usrp, connection
        self._channels, self._packet = channels, packet
        self._feed = usrp.open_tx(channels)
        self._written = threading.Event()
        self._in_burst = False

    def serve(self) -> None:
        """Send what comes until the module is gone."""
        events = threading.Thread(
            target=self._tell, name=f"{self._usrp.serial} events", daemon=True
        )
        events.start()
        buffer = bytearray(len(self._channels) * self._packet * _SAMPLE_BYTES)
        try:
            while True:
                self._write(receive(self._connection, buffer))
        except (Disconnected, FeedClosedError):
            pass
        finally:
            self._end()
            events.join()

    def _write(self, message: Message) -> None:
        channels = len(self._channels)
        if message.kind != Kind.SAMPLES or len(message.body) % (channels * _SAMPLE_BYTES):
            raise Disconnected("no samples")
        samples = np.frombuffer(message.body, np.complex64).reshape(channels, -1)
        time = message.time if Flag.TIMED in message.flags else None
        start, end = Flag.FIRST in message.flags, Flag.LAST in message.flags
        while True:
            accepted = self._feed.write(samples, time, start, end, timeout_s=1.0)
            if accepted == samples.shape[1]:
                break
            if accepted:
                samples, time, start = samples[:, accepted:], None, False
        self._in_burst = not end
        self._written.set()

    def _tell(self) -> None:
        """Tell the module of events, asking for them while there can be any."""
        feed = self._feed
        try:
            while not feed.closed:
                self._written.clear()
                expecting = self._in_burst or feed.held > 0
                for kind, time in feed.events():
                    send(self._connection, _EVENTS[kind], time=time)
                if expecting:
                    sleep(EVENTS_S)
                else:
                    self._written.wait()
        except Disconnected:
            pass

    def _end(self) -> None:
        """What was sent before the module closed its stream still goes out."""
        with suppress(FeedClosedError):
            self._feed.drained(1.0)
        self._feed.close()
        self._written.set()
