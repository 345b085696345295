# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the UHD module meets the virtual USRPs of an air: a socket of this machine."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress

from semcom_virtual.usrp_device import UsrpRefused, VirtualUsrp
from semcom_virtual.usrp_protocol import (
    MOST_COMMAND_BYTES,
    Disconnected,
    Kind,
    Message,
    receive,
    send,
)
from semcom_virtual.usrp_streams import ReceiveStream, TransmitStream

MOST_PACKET = 8192
"""Samples a channel that a packet may have."""

_TCP = "tcp://"
_STREAMS: dict[Kind, type[ReceiveStream | TransmitStream]] = {
    Kind.RECEIVE: ReceiveStream,
    Kind.TRANSMIT: TransmitStream,
}
_log = logging.getLogger(__name__)


class UsrpBridge:
    """Serves devices to the UHD module, in threads of its own.

    Args:
        usrps: the devices.
        address: path of the unix socket to make, or ``tcp://127.0.0.1:PORT`` (0 for any port);
            None for a unix socket in a folder of its own.

    Attributes:
        address: for the module, in the environment as ``SEMCOM_VIRTUAL_USRP``.

    Raises:
        ValueError: an address that other machines can reach.
        OSError: the address is taken.
    """

    def __init__(self, usrps: Sequence[VirtualUsrp], address: str | None = None) -> None:
        self._usrps = {usrp.serial: usrp for usrp in usrps}
        self._folder = tempfile.TemporaryDirectory(prefix="semcom-virtual-usrp-")
        self._listener, self.address = _listen(address or f"{self._folder.name}/socket")
        threading.Thread(target=self._accept, name="virtual USRPs", daemon=True).start()

    def close(self) -> None:
        """End: all devices are gone."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for usrp in self._usrps.values():
            usrp.vanish()
        if not self.address.startswith(_TCP):
            with suppress(FileNotFoundError):
                os.unlink(self.address)
        self._folder.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        buffer = bytearray(MOST_COMMAND_BYTES)
        with connection:
            try:
                while True:
                    message = receive(connection, buffer)
                    if message.kind == Kind.FIND:
                        found = [u.summary() for u in self._usrps.values() if not u.vanished]
                        send(connection, Kind.DONE, "\n".join(found).encode())
                    elif message.kind == Kind.CLAIM:
                        self._control(connection, buffer, bytes(message.body).decode())
                    elif message.kind in _STREAMS:
                        self._stream(connection, message)
                        return
                    else:
                        raise Disconnected(f"{message.kind.name} out of place")
            except (UsrpRefused, UnicodeDecodeError) as error:
                with suppress(Disconnected):
                    send(connection, Kind.REFUSED, str(error).encode())
            except Disconnected as error:
                _log.debug("%s", error)

    def _control(self, connection: socket.socket, buffer: bytearray, serial: str) -> None:
        """Serve the program that has a device until it gives it back."""
        usrp = self._usrps.get(serial)
        if usrp is None or usrp.vanished:
            raise UsrpRefused(f"there is no {serial}")
        key = usrp.claim(connection)
        try:
            send(connection, Kind.DONE, usrp.description().encode(), time=key)
            while True:
                message = receive(connection, buffer)
                if message.kind == Kind.RELEASE:
                    break
                _answer(usrp, connection, message)
        finally:
            usrp.leave(connection)
            usrp.release()
        send(connection, Kind.DONE)

    def _stream(self, connection: socket.socket, message: Message) -> None:
        usrp = next((u for u in self._usrps.values() if u.has_key(message.time)), None)
        channels = list(message.body)
        packet = message.value
        if usrp is None or usrp.vanished:
            raise UsrpRefused("the device is not open")
        if not 1 <= packet <= MOST_PACKET or sorted(channels) not in ([0], [1], [0, 1]):
            raise UsrpRefused("no such stream")
        stream = _STREAMS[message.kind](usrp, connection, channels, int(packet))
        usrp.join(connection)
        try:
            send(connection, Kind.DONE)
            stream.serve()
        finally:
            usrp.leave(connection)


def _answer(usrp: VirtualUsrp, connection: socket.socket, message: Message) -> None:
    """To SET or GET."""
    name = bytes(message.body).decode()
    try:
        if message.kind == Kind.SET:
            value = usrp.set(name, message.time, message.value)
            send(connection, Kind.DONE, value=value)
        elif message.kind == Kind.GET and name == "now":
            send(connection, Kind.DONE, time=usrp.port.now())
        elif message.kind == Kind.GET:
            send(connection, Kind.DONE, value=usrp.get(name, message.time))
        else:
            raise UsrpRefused(f"{message.kind.name} out of place")
    except UsrpRefused as refusal:
        send(connection, Kind.REFUSED, str(refusal).encode())


def _listen(address: str) -> tuple[socket.socket, str]:
    """A listening socket and the address under which it is found."""
    if not address.startswith(_TCP):
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _remove_left_over(address)
        listener.bind(address)
        os.chmod(address, 0o600)
    else:
        host, _, port = address.removeprefix(_TCP).partition(":")
        if host != "127.0.0.1" or not port.isdigit():
            raise ValueError(f"{address}: choose tcp://127.0.0.1:PORT or the path of a socket")
        listener = socket.create_server((host, int(port)))
        address = f"{_TCP}{host}:{listener.getsockname()[1]}"
    listener.listen()
    return listener, address


def _remove_left_over(path: str) -> None:
    """The socket of a process that was killed is in the way of the next."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        try:
            attempt.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except FileNotFoundError:
            pass
