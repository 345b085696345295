# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of two ends that encrypt what they tell each other and admit nobody else: ZMQ's CURVE.

Each end has a folder with two certificates as :mod:`zmq.auth` writes them: its own with the
secret, ``own.key_secret``, and the other end's public one, ``peer.key``.

Source: ZMTP's mechanism CURVE, https://rfc.zeromq.org/spec/25/, and ZAP, .../spec/27/.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

_OWN, _PEER = "own", "peer"
_DOMAIN = "semcom"
_KEY_BYTES = 40  # in Z85
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class CurveKeys:
    """Of one end, in Z85.

    Attributes:
        public, secret: its own.
        peer: the other end's public one.
    """

    public: bytes
    secret: bytes = field(repr=False)
    peer: bytes

    def admit(self, context: zmq.Context[zmq.Socket[bytes]]) -> ThreadAuthenticator:
        """Have the sockets of a context that are bound admit the other end alone.

        Returns:
            The thread that does so; to be stopped before the context is.
        """
        authenticator = ThreadAuthenticator(context)
        authenticator.start()
        authenticator.configure_curve_callback(_DOMAIN, _Only(self.peer))
        return authenticator

    def bind(self, socket: zmq.Socket[bytes]) -> None:
        """Prepare a socket that will be bound."""
        self._own(socket)
        socket.curve_server = True
        # Else anybody would be admitted where nobody is there to ask.
        socket.setsockopt_string(zmq.ZAP_DOMAIN, _DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def connect(self, socket: zmq.Socket[bytes]) -> None:
        """Prepare a socket that will be connected."""
        self._own(socket)
        socket.curve_serverkey = self.peer

    def _own(self, socket: zmq.Socket[bytes]) -> None:
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret


class _Only:
    """Whom the authenticator asks."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return key == self._key


def load_keys(folder: Path) -> CurveKeys:
    """The keys in a folder that :func:`make_keys` made.

    Raises:
        ValueError: there are none, they are damaged, or others could read the secret one.
    """
    secret_file, peer_file = folder / f"{_OWN}.key_secret", folder / f"{_PEER}.key"
    public, secret = _certificate(secret_file)
    mode = secret_file.stat().st_mode
    if mode & _OTHERS:
        raise ValueError(
            f"{secret_file} can be read by others (mode {stat.S_IMODE(mode):04o}): "
            f"chmod 600 {secret_file}, or make new keys if somebody may have read it"
        )
    if secret is None:
        raise ValueError(f"{secret_file} holds no secret key: make keys with `ota_runner keys`")
    peer, _ = _certificate(peer_file)
    return CurveKeys(public, secret, peer)


def keys_or_none(folder: str) -> CurveKeys | None:
    """The keys in a folder, None where an option names none.

    Raises:
        ValueError: as :func:`load_keys`.
    """
    return load_keys(Path(folder)) if folder else None


def make_keys(ends: tuple[Path, Path]) -> None:
    """Make the keys of two ends.

    Args:
        ends: a folder for each, made here; to be copied to its host, and nowhere else.

    Raises:
        FileExistsError: there are keys already.
        OSError: they cannot be written.
    """
    for folder in ends:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if any(folder.glob("*.key*")):
            raise FileExistsError(f"{folder} holds keys already")
    for folder, other in (ends, ends[::-1]):
        # The library opens files with the default mode: nobody may read them meanwhile either.
        before = os.umask(0o077)
        try:
            public, secret = zmq.auth.create_certificates(folder, _OWN)
        finally:
            os.umask(before)
        Path(secret).chmod(0o600)
        Path(public).replace(other / f"{_PEER}.key")


def _certificate(file: Path) -> tuple[bytes, bytes | None]:
    try:
        found = zmq.auth.load_certificate(file)
    except (OSError, ValueError) as error:
        reason = "there is no such file" if not file.exists() else str(error)
        raise ValueError(
            f"cannot read the key {file}: {reason}; make keys with `ota_runner keys`"
        ) from error
    if any(key is not None and len(key) != _KEY_BYTES for key in found):
        raise ValueError(f"{file} is damaged: make keys with `ota_runner keys`")
    return found
