# SPDX-License-Identifier: GPL-3.0-or-later
"""What the UHD module and the air say to each other; ``uhd/protocol.hpp`` says the same in C++.

A connection carries messages, each a header (:data:`HEADER`) and ``length`` bytes of body,
little-endian. Times are samples of the device's clock, at the device's sample rate. A connection
that ends without ``RELEASE``, or while a stream runs, tells that the other side is gone.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

HEADER = struct.Struct("<HHIqd")
"""Kind, flags, bytes of the body, time, value."""

NOW = -1
"""A ``START`` at once."""

MOST_COMMAND_BYTES = 4096
"""Of the body of a message that does not carry samples."""


class Kind(IntEnum):
    """Of a message."""

    # Control: the module asks, the air answers DONE or REFUSED (body: why).
    FIND = 1  # DONE: a line a device, as key=value,key=value
    CLAIM = 2  # body: serial. DONE: description, a line; time: the key of its streams
    RELEASE = 3
    SET = 4  # body: setting, time: channel, value: wanted. DONE: value: as it is now
    GET = 5  # body: reading, time: channel. DONE: value; time: of the device
    DONE = 10
    REFUSED = 11
    # The first message of a stream's connection. time: the key; body: channels, a byte each;
    # value: most samples of a packet.
    RECEIVE = 20
    TRANSMIT = 21
    # To a receive stream.
    START = 22  # time: of the first sample, or NOW; value: samples, 0 for until STOP
    STOP = 23
    # Of both; body: complex64, one channel after the other.
    SAMPLES = 24
    # From a receive stream: START was too late.
    LATE_COMMAND = 25
    # From a transmit stream; time: when.
    BURST_ACK = 26
    UNDERFLOW = 27
    LATE = 28


class Flag(IntFlag):
    """Of a message with samples."""

    FIRST = 1  # of a burst, or of what a START asked for
    LAST = 2
    TIMED = 4  # the header's time counts


class Disconnected(ConnectionError):
    """The other side has closed the connection, or sends what is not of this protocol."""


@dataclass(frozen=True)
class Message:
    """One message; ``body`` is valid until the next is read into the same buffer."""

    kind: Kind
    flags: Flag
    time: int
    value: float
    body: memoryview


def receive(connection: socket.socket, buffer: bytearray) -> Message:
    """Wait for the next message.

    Args:
        connection: a stream socket.
        buffer: takes the body, which may not be longer.

    Raises:
        Disconnected: there is no next message.
    """
    view = memoryview(buffer)
    header = bytearray(HEADER.size)
    _fill(connection, memoryview(header))
    kind, flags, length, time, value = HEADER.unpack(header)
    if length > len(buffer):
        raise Disconnected(f"a message of {length} bytes")
    _fill(connection, view[:length])
    try:
        return Message(Kind(kind), Flag(flags), time, value, view[:length])
    except ValueError as error:
        raise Disconnected(str(error)) from error


def send(
    connection: socket.socket,
    kind: Kind,
    body: bytes | memoryview = b"",
    *,
    flags: int = 0,
    time: int = 0,
    value: float = 0.0,
) -> None:
    """Send a message; waits until the socket has taken it.

    Raises:
        Disconnected: the other side is gone.
    """
    header = HEADER.pack(kind, flags, len(body), time, value)
    try:
        sent = connection.sendmsg([header, body])
        for part, offset in ((header, 0), (body, len(header))):
            if sent < offset + len(part):
                connection.sendall(memoryview(part)[max(sent - offset, 0) :])
                sent = offset + len(part)
    except OSError as error:
        raise Disconnected(str(error)) from error


def _fill(connection: socket.socket, view: memoryview) -> None:
    while view:
        try:
            count = connection.recv_into(view, len(view), socket.MSG_WAITALL)
        except OSError as error:
            raise Disconnected(str(error)) from error
        if count == 0:
            raise Disconnected("the connection is closed")
        view = view[count:]
