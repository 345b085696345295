# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking running virtual radios for their status, and for faults.

A ZMQ request is ``status``, answered by JSON, or ``fault`` and a fault; what is refused is
answered by ``error:`` and one line.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping

import zmq

from semcom_virtual.faults import Fault
from semcom_virtual.kinds import VirtualRadio

_LONGEST_REQUEST = 1024
_REFUSED = "error: "
_ANSWER_S = 10.0


def ask(endpoint: str, request: str) -> str:
    """Send a request to virtual radios that run.

    Raises:
        ValueError: they refuse it, or it is for another machine.
        OSError: they do not answer.
    """
    _require_local(endpoint)
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RCVTIMEO, int(1000 * _ANSWER_S))
    try:
        socket.connect(endpoint)
        socket.send_string(request)
        answer: str = socket.recv_string()
    except zmq.ZMQError:
        raise OSError(f"no virtual radios answer at {endpoint}") from None
    finally:
        socket.close()
    if answer.startswith(_REFUSED):
        raise ValueError(answer.removeprefix(_REFUSED))
    return answer


def _require_local(endpoint: str) -> None:
    if not endpoint.startswith(("ipc://", "tcp://127.0.0.1:")):
        raise ValueError(f"control endpoint '{endpoint}' is not ipc:// or tcp://127.0.0.1:PORT")


class ControlSocket:
    """Answers requests in a thread of its own.

    Args:
        endpoint: of ZMQ, on this machine alone: ``ipc://PATH`` or ``tcp://127.0.0.1:PORT``.
        radios: by name.

    Raises:
        ValueError: an endpoint that other machines can reach.
        OSError: the endpoint is in use.
    """

    def __init__(self, endpoint: str, radios: Mapping[str, VirtualRadio]) -> None:
        _require_local(endpoint)
        self._radios = radios
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.REP)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LONGEST_REQUEST)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise OSError(error.errno, f"{endpoint}: {error}") from None
        threading.Thread(target=self._serve, name="control", daemon=True).start()

    def _serve(self) -> None:
        while True:
            request = self._socket.recv().decode("utf-8", "replace")
            try:
                answer = self._answer(request)
            except (ValueError, OSError) as error:
                answer = f"{_REFUSED}{error}"
            self._socket.send_string(answer)

    def _answer(self, request: str) -> str:
        command, _, argument = request.strip().partition(" ")
        if command == "status" and not argument:
            return json.dumps({name: radio.status() for name, radio in self._radios.items()})
        if command == "fault":
            Fault.parse(argument).schedule(self._radios)
            return "done"
        raise ValueError(f"no request '{request}', choose 'status' or 'fault FAULT'")
