# SPDX-License-Identifier: GPL-3.0-or-later
"""The text protocol of libiio 0.x's network daemon, IIOD.

A client sends lines; the answer begins with a line that holds a number: a length, 0, or a
negative error. Every client has a connection for attributes and one for each buffer that it
opens; what a connection opened is closed with it.
"""

from __future__ import annotations

import errno
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from semcom_virtual.pluto.iio_context import Attribute, Context, Device, IioError

_VERSION = "0.24.virtual"
_LONGEST_LINE = 1024
_LONGEST_VALUE = 1 << 16
_LARGEST_BLOCK = 1 << 26
_KERNEL_BUFFERS = 4
_DEFAULT_TIMEOUT_S = 2.5
_LONGEST_TIMEOUT_S = 86400.0


class Buffer(Protocol):
    """An open buffer: of samples received, or of samples to be sent."""

    samples: int
    sample_bytes: int

    def close(self) -> None:
        """See :mod:`semcom_virtual.pluto.sample_buffers`."""
        ...


class ReadableBuffer(Buffer, Protocol):
    """A buffer of samples received."""

    def read(self, count: int, timeout_s: float) -> bytes:
        """See :mod:`semcom_virtual.pluto.sample_buffers`."""
        ...


class WritableBuffer(Buffer, Protocol):
    """A buffer of samples to be sent."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """See :mod:`semcom_virtual.pluto.sample_buffers`."""
        ...


class Backend(Protocol):
    """What is behind the protocol.

    Attributes:
        context: of the device.
    """

    context: Context

    def open_buffer(
        self, device: Device, elements: list[int], samples: int, blocks: int, cyclic: bool
    ) -> Buffer:
        """Start a buffer.

        Raises:
            IioError: it cannot be started.
        """
        ...

    def close_buffer(self, device: Device, buffer: Buffer) -> None:
        """End it."""
        ...

    def before_transfer(self, timeout_s: float) -> None:
        """Called before samples are moved.

        Raises:
            IioError: they are not.
        """
        ...

    def before_write(self, name: str) -> bool:
        """Called before an attribute is written; whether the value is taken.

        Raises:
            IioError: it is refused.
        """
        ...


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: IiodServer

    def setup(self) -> None:
        """See the base class."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()
        self._backend = self.server.backend
        self._blocks: dict[str, int] = {}
        self._buffers: dict[str, Buffer] = {}
        self._masks: dict[str, str] = {}
        self.server.add(self.request)

    def handle(self) -> None:
        """Answer line by line until the client leaves."""
        commands: dict[str, Callable[[list[str]], bytes]] = {
            "VERSION": lambda words: f"{_VERSION}\n".encode(),
            "HELP": lambda words: b"0\n",
            "PRINT": self._print,
            "TIMEOUT": self._set_timeout,
            "READ": self._read_attribute,
            "WRITE": self._write_attribute,
            "GETTRIG": lambda words: _number(-errno.ENOENT),
            "SETTRIG": lambda words: _number(-errno.ENODEV),
            "SET": self._set_blocks,
            "OPEN": self._open,
            "CLOSE": self._close,
            "READBUF": self._read_samples,
            "WRITEBUF": self._write_samples,
        }
        with suppress(ConnectionError, TimeoutError, ValueError):
            while line := self.rfile.readline(_LONGEST_LINE):
                words = line.decode("ascii", "replace").split()
                if not words:
                    continue
                if words[0].upper() in ("EXIT", "QUIT"):
                    return
                command = commands.get(words[0].upper(), lambda words: _number(-errno.EINVAL))
                try:
                    answer = command(words[1:])
                except IioError as error:
                    answer = _number(-error.number)
                except (IndexError, ValueError):
                    answer = _number(-errno.EINVAL)
                self.wfile.write(answer)

    def finish(self) -> None:
        """What the connection opened is closed."""
        for name, buffer in self._buffers.items():
            self._backend.close_buffer(self._backend.context.device(name), buffer)
        self.server.remove(self.request)
        with suppress(OSError):
            super().finish()

    def _print(self, words: list[str]) -> bytes:
        xml = self._backend.context.xml().encode()
        return _number(len(xml)) + xml + b"\n"

    def _set_timeout(self, words: list[str]) -> bytes:
        milliseconds = int(words[0])
        if not 0 <= milliseconds <= 1000 * _LONGEST_TIMEOUT_S:
            raise IioError(errno.EINVAL)
        self.server.timeout_s = milliseconds / 1000 or _LONGEST_TIMEOUT_S
        return _number(0)

    # Attributes.

    def _attribute(self, words: list[str]) -> tuple[Attribute, str]:
        """By ``DEVICE [INPUT|OUTPUT CHANNEL | DEBUG | BUFFER] NAME``."""
        device = self._backend.context.device(words[0])
        name = words[-1]
        where = device.attributes
        if words[1] in ("INPUT", "OUTPUT"):
            where = device.channel(words[2], words[1] == "OUTPUT").attributes
        elif words[1] == "DEBUG":
            where = device.debug_attributes
        elif words[1] == "BUFFER":
            where = device.buffer_attributes
        if len(words) < 2 or name not in where:
            raise IioError(errno.ENOENT)
        return where[name], name

    def _read_attribute(self, words: list[str]) -> bytes:
        attribute, _ = self._attribute(words)
        value = attribute.read().encode() + b"\0"
        return _number(len(value)) + value + b"\n"

    def _write_attribute(self, words: list[str]) -> bytes:
        length = int(words[-1])
        if not 0 < length <= _LONGEST_VALUE:
            raise IioError(errno.EINVAL)
        # Taken off the connection first, whatever becomes of it.
        text = self.rfile.read(length).rstrip(b"\0\n").decode("ascii", "replace")
        attribute, name = self._attribute(words[:-1])
        if attribute.write is None:
            raise IioError(errno.EACCES)
        if self._backend.before_write(name):
            attribute.write(text)
        return _number(length)

    # Buffers.

    def _set_blocks(self, words: list[str]) -> bytes:
        name, what, count = words
        if what != "BUFFERS_COUNT" or not 1 <= int(count) <= 64:
            raise IioError(errno.EINVAL)
        self._blocks[self._backend.context.device(name).name] = int(count)
        return _number(0)

    def _open(self, words: list[str]) -> bytes:
        device = self._backend.context.device(words[0])
        samples, mask = int(words[1]), int(words[2], 16)
        if device.name in self._buffers:
            raise IioError(errno.EBUSY)
        if mask < 0:
            raise IioError(errno.EINVAL)
        channels = [channel for i, channel in enumerate(device.channels) if mask >> i & 1]
        elements = [channel.scan[0] for channel in channels if channel.scan is not None]
        if len(elements) != len(channels) or not 0 < samples * 2 * len(elements) <= _LARGEST_BLOCK:
            raise IioError(errno.EINVAL)
        cyclic = words[3:] == ["CYCLIC"]
        blocks = self._blocks.get(device.name, _KERNEL_BUFFERS)
        self._masks[device.name] = words[2]
        self._buffers[device.name] = self._backend.open_buffer(
            device, elements, samples, blocks, cyclic
        )
        return _number(0)

    def _close(self, words: list[str]) -> bytes:
        device = self._backend.context.device(words[0])
        if device.name not in self._buffers:
            raise IioError(errno.EBADF)
        self._backend.close_buffer(device, self._buffers.pop(device.name))
        return _number(0)

    def _opened(self, words: list[str]) -> tuple[str, Buffer, int]:
        """Device, buffer and number of bytes of a transfer."""
        name = self._backend.context.device(words[0]).name
        if name not in self._buffers:
            raise IioError(errno.EBADF)
        buffer, length = self._buffers[name], int(words[1])
        block = buffer.samples * buffer.sample_bytes  # libiio moves no more at once
        if not 0 < length <= block or length % buffer.sample_bytes:
            raise IioError(errno.EINVAL)
        return name, buffer, length

    def _read_samples(self, words: list[str]) -> bytes:
        name, buffer, length = self._opened(words)
        if not hasattr(buffer, "read"):
            raise IioError(errno.EPERM)
        self._backend.before_transfer(self.server.timeout_s)
        data = buffer.read(length // buffer.sample_bytes, self.server.timeout_s)
        return _number(len(data)) + self._masks[name].encode() + b"\n" + data

    def _write_samples(self, words: list[str]) -> bytes:
        _, buffer, length = self._opened(words)
        if not hasattr(buffer, "write"):
            raise IioError(errno.EPERM)
        self.wfile.write(_number(length))
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError
        self._backend.before_transfer(self.server.timeout_s)
        buffer.write(data, self.server.timeout_s)
        return _number(length)


def _number(value: int) -> bytes:
    return f"{value}\n".encode()


class IiodServer(socketserver.ThreadingTCPServer):
    """Listens for clients, on this machine alone.

    Args:
        port: 0 for any that is free.
        backend: what is served.

    Attributes:
        timeout_s: of transfers; one for all clients, as in IIOD.

    Raises:
        OSError: the port is in use.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, backend: Backend) -> None:
        self.backend = backend
        self.timeout_s = _DEFAULT_TIMEOUT_S
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Session)
        threading.Thread(target=self.serve_forever, args=(0.05,), name="iiod", daemon=True).start()

    @property
    def port(self) -> int:
        """That it listens on."""
        return int(self.server_address[1])

    def add(self, connection: socket.socket) -> None:
        """A client has come."""
        with self._lock:
            self._connections.add(connection)

    def remove(self, connection: socket.socket) -> None:
        """A client has gone."""
        with self._lock:
            self._connections.discard(connection)

    @property
    def clients(self) -> int:
        """Connections now."""
        return len(self._connections)

    def stop(self) -> None:
        """Cut all connections and listen no more."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
