# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding in a child process, which a damaged stream may crash, hang or fill, but not the run."""

from __future__ import annotations

import atexit
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

import numpy as np

from semcom_models.source.base import RGB8, DamagedStream, NotInstalled
from semcom_models.source.messages import read_object, write_message

WORKER = (sys.executable, "-P", "-m", "semcom_models.source.worker")

START_TIMEOUT_S = 60.0
"""Within which Python has started and imported NumPy, on a slow disk too."""


class DecoderProcess:
    r"""A child process that decodes, one stream at a time; threads wait for each other.

    It starts when it is first needed, and is replaced once a decoder has crashed in it or was too
    slow. Nothing of its answers is believed.

    Args:
        command: starts a process that :func:`~semcom_models.source.worker.serve`\ s.
    """

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, name: str, stream: bytes, height: int, width: int, timeout_s: float) -> RGB8:
        """See :func:`decode_safely`."""
        request = {"codec": name, "height": height, "width": width, "timeout_s": timeout_s}
        with self._lock:
            process = self._running()
            try:
                with _deadline(process, timeout_s):
                    return _ask(process, request, stream)
            except TimeoutError:
                self._stop()
                raise DamagedStream(
                    f"the {name} decoder was stopped after {timeout_s:g} s"
                ) from None
            except (EOFError, OSError):
                ended = _name_of_end(process)
                self._stop()
                raise DamagedStream(f"the {name} decoder crashed ({ended})") from None
            except (DamagedStream, NotInstalled):
                raise
            except ValueError as error:
                self._stop()
                raise DamagedStream(f"the {name} decoder gave no picture: {error}") from None
            except BaseException:  # interrupted: nobody knows what comes next
                self._stop()
                raise

    def close(self) -> None:
        """End the process; the next decoding starts another."""
        with self._lock:
            self._stop()

    def forget(self) -> None:
        """Leave the process to the parent, after a fork."""
        self._lock, self._process = threading.Lock(), None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._stop()
        if self._process is None:
            self._process = process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the run; its own children end with it
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # each thread reserves memory
            )
            try:
                with _deadline(process, START_TIMEOUT_S):
                    read_object(cast("Any", process.stdout))
            except BaseException as error:
                self._stop()
                if isinstance(error, EOFError | TimeoutError | ValueError):
                    raise RuntimeError("the process that decodes pictures did not start") from error
                raise
        return self._process

    def _stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            _kill(process)
            with process:  # closes the pipes and waits
                pass


_decoders = DecoderProcess()
atexit.register(_decoders.close)
os.register_at_fork(after_in_child=_decoders.forget)


def decode_safely(
    name: str, stream: bytes, height: int, width: int, timeout_s: float = 10.0
) -> RGB8:
    """Decode a stream that anybody may have made, or noise may have damaged.

    Args:
        name: of the codec, as for :func:`semcom_models.source.get`.
        stream: bytes as they arrived.
        height: that the picture must have.
        width: that the picture must have.
        timeout_s: after which the decoder is stopped.

    Returns:
        uint8 ``[height, width, 3]``.

    Raises:
        DamagedStream: no picture of that size; also if the decoder crashed, took too long or more
            memory than it may have.
        NotInstalled: the decoder is not there.
    """
    return _decoders.decode(name, stream, height, width, timeout_s)


def _ask(process: subprocess.Popen[bytes], request: dict[str, Any], stream: bytes) -> RGB8:
    """Send a request and take the answer, which can be anything."""
    assert process.stdin is not None
    assert process.stdout is not None
    write_message(cast("Any", process.stdin), request, stream)
    answer = read_object(cast("Any", process.stdout))
    if "not_installed" in answer:
        raise NotInstalled(answer["not_installed"])
    if "damaged" in answer:
        raise DamagedStream(answer["damaged"])
    shape = (request["height"], request["width"], 3)
    if answer["bytes"] != math.prod(shape):
        raise ValueError(f"{answer['bytes']} bytes are none of {shape[1]}x{shape[0]}")
    rgb = np.empty(shape, np.uint8)
    if cast("Any", process.stdout).readinto(rgb.data.cast("B")) < rgb.size:
        raise EOFError
    return rgb


@contextmanager
def _deadline(process: subprocess.Popen[bytes], timeout_s: float) -> Iterator[None]:
    """Kill the process when the time is over, which ends all reading from it.

    Raises:
        TimeoutError: it was killed.
    """
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        _kill(process)

    watchdog = threading.Timer(timeout_s, expire)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()
        if expired.is_set():
            raise TimeoutError


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _name_of_end(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(1)
    except subprocess.TimeoutExpired:
        return "it closed its output"
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"
