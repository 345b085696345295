# SPDX-License-Identifier: GPL-3.0-or-later
"""A small process that turns a transmitter off if the program that used it is killed.

A program that ends by itself turns its transmitter off; one that is killed outright cannot. The
guardian holds one end of a pipe whose other end closes with the program, however that ends. If
nobody said goodbye before, it opens the device anew and has the driver turn it off.

This file is also that process's program. It imports nothing of GNU Radio before it has to, and
costs a sleeping interpreter until then.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gnuradio.semcom.radios.device import DeviceConfig

_GOODBYE = b"bye"
_TRY_S = 20.0
_AGAIN_S = 1.0


class TransmitGuardian:
    """Watches over a radio from when this is made until :meth:`dismiss`.

    Args:
        radio: its name; its class has a ``switch_off``.
        config: its options.
    """

    def __init__(self, radio: str, config: DeviceConfig) -> None:
        # A session of its own: a terminal's Ctrl-C is for the program alone. Without -P this
        # folder would be searched for modules first.
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, radio, config.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Say that the transmitter is off; safe to call twice."""
        if self._process.poll() is None:
            self._process.communicate(_GOODBYE)


def watch(radio: str, options: str) -> int:
    """Wait for the end of standard input; unless it says goodbye, turn the transmitter off.

    Args:
        radio: its name.
        options: its configuration as JSON.

    Returns:
        Exit code: 0 where the transmitter is off.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read().endswith(_GOODBYE):
        return 0
    kind = import_module("gnuradio.semcom.radios").radio_class(radio)
    config = kind.Config.model_validate_json(options)
    deadline = time.monotonic() + _TRY_S
    while True:
        try:
            kind.switch_off(config)
            return 0
        except Exception:  # a driver may keep the device for some seconds after its program's end
            if time.monotonic() > deadline:
                return 1
            time.sleep(_AGAIN_S)


if __name__ == "__main__":
    sys.exit(watch(*sys.argv[1:]))
