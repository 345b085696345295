# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on demand: which radio, what, and when."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from semcom_virtual.kinds import VirtualRadio

_MOST = 1e9
"""Seconds, blocks or samples of a fault."""

FAULT_SYNTAX = "[RADIO.]KIND[:ARGUMENT][@SECONDS], as pluto0.vanish:2@5"


@dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        radio: its name; None for every radio that knows the kind.
        kind: of fault.
        argument: empty for none.
        after_s: from now.
    """

    radio: str | None
    kind: str
    argument: str
    after_s: float

    @classmethod
    def parse(cls, text: str) -> Fault:
        """From :data:`FAULT_SYNTAX`.

        Raises:
            ValueError: it is none.
        """
        what, at, when = text.partition("@")
        name, colon, argument = what.partition(":")
        radio, dot, kind = name.rpartition(".")
        try:
            after_s = float(when) if at else 0.0
        except ValueError:
            after_s = -1.0
        if not kind or (dot and not radio) or (colon and not argument) or not 0 <= after_s < 1e6:
            raise ValueError(f"fault '{text}' is not {FAULT_SYNTAX}")
        if not _is_name(argument) and not 0 < float(argument) <= _MOST:
            raise ValueError(f"fault '{text}': choose a number above 0 and up to {_MOST:g}")
        return cls(radio or None, kind, argument, after_s)

    def strike(self, radios: Mapping[str, VirtualRadio]) -> None:
        """Let it happen now.

        Raises:
            ValueError: no such radio, or no radio knows it.
            OSError: a radio that returns finds its port in use.
        """
        if self.radio is not None and self.radio not in radios:
            raise ValueError(f"no radio '{self.radio}' (there are: {', '.join(radios)})")
        chosen = [radio for name, radio in radios.items() if self.radio in (None, name)]
        refusals = []
        for radio in chosen:
            try:
                radio.fault(self.kind, self.argument)
            except ValueError as error:
                refusals.append(error)
        if len(refusals) == len(chosen):
            raise refusals[0] if refusals else ValueError("there is no radio")

    def schedule(self, radios: Mapping[str, VirtualRadio]) -> None:
        """Let it happen when it is to.

        Raises:
            ValueError: as :meth:`strike`, where it is to happen now; later it is said aloud.
            OSError: the same.
        """
        if not self.after_s:
            self.strike(radios)
            return
        timer = threading.Timer(self.after_s, self._strike_later, (radios,))
        timer.daemon = True
        timer.start()

    def _strike_later(self, radios: Mapping[str, VirtualRadio]) -> None:
        try:
            self.strike(radios)
        except (ValueError, OSError) as error:
            print(f"error: {error}", file=sys.stderr, flush=True)


def _is_name(argument: str) -> bool:
    """Whether it is not a number."""
    try:
        float(argument)
    except ValueError:
        return True
    return False
