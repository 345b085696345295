# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual radios in a process of their own, for as long as a test or a demonstration takes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any

from semcom_virtual.control import ask

START_S = 180.0
"""That a start may take on a loaded machine, which may have to compile the UHD module."""


class VirtualRadios:
    """Starts ``python -m semcom_virtual``, and ends it with the context.

    ::

        with VirtualRadios("--pluto", "1", "--port", "0") as radios:
            device = adi.Pluto(radios.pluto_uri)

    Args:
        options: of the command line; without ``--port``, Plutos have any that is free.

    Attributes:
        control: where it is asked, see :mod:`semcom_virtual.control`.

    Raises:
        OSError: the process does not start; the message is what it said.
    """

    def __init__(self, *options: object) -> None:
        self._options = [str(option) for option in options]
        if "--port" not in self._options:
            self._options += ["--port", "0"]
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> VirtualRadios:
        self._folder = tempfile.TemporaryDirectory(prefix="semcom-virtual-")
        self.control = f"ipc://{self._folder.name}/control"
        self._log = Path(self._folder.name) / "log"
        command = [sys.executable, "-m", "semcom_virtual", "--stop-with-input"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--control", self.control, *self._options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._await_start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _await_start(self) -> None:
        assert self._process is not None
        deadline = monotonic() + START_S
        while not Path(self.control.removeprefix("ipc://")).exists():
            if self._process.poll() is not None or monotonic() > deadline:
                said = self._log.read_text(errors="replace").strip()
                raise OSError(f"virtual radios did not start: {said or 'they said nothing'}")
            sleep(0.02)
        self.status()

    def _stop(self) -> None:
        process, folder = self._process, self._folder
        self._process = self._folder = None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if folder is not None:
            folder.cleanup()

    def status(self) -> dict[str, dict[str, Any]]:
        """Of all radios by name."""
        status: dict[str, dict[str, Any]] = json.loads(ask(self.control, "status"))
        return status

    def fault(self, fault: str) -> None:
        """Make something go wrong, see :data:`semcom_virtual.faults.FAULT_SYNTAX`.

        Raises:
            ValueError: no such fault.
        """
        ask(self.control, f"fault {fault}")

    @property
    def pluto_uris(self) -> list[str]:
        """For ``--uri``, of all Plutos."""
        return [radio["uri"] for radio in self.status().values() if "uri" in radio]

    @property
    def pluto_uri(self) -> str:
        """Of the first Pluto."""
        return self.pluto_uris[0]

    @property
    def usrp_environment(self) -> dict[str, str]:
        """Variables with which UHD finds the USRPs."""
        return {
            name: value
            for radio in self.status().values()
            for name, value in radio.get("environment", {}).items()
        }

    @property
    def usrp_args(self) -> str:
        """Device arguments of the first USRP."""
        args: str = next(r["args"] for r in self.status().values() if "args" in r)
        return args
