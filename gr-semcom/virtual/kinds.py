# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of virtual radios, and what all of them do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from semcom_virtual.air import Air
from semcom_virtual.pluto.pluto import VirtualPluto, pluto_model
from semcom_virtual.radio_model import Imperfections
from semcom_virtual.usrp_radio import start_usrps


class VirtualRadio(Protocol):
    """A radio that programs use through its vendor's library."""

    def describe(self) -> str:
        """How programs reach it, on one line."""
        ...

    def status(self) -> dict[str, object]:
        """How programs reach it, and what it is doing, as plain values."""
        ...

    def fault(self, kind: str, argument: str) -> None:
        """Make something go wrong.

        Args:
            kind: of fault.
            argument: empty for none.

        Raises:
            ValueError: no such fault; the message says which there are.
        """
        ...

    def close(self) -> None:
        """It is gone."""
        ...


@dataclass(frozen=True)
class RadioOptions:
    """Of all radios of a kind.

    Attributes:
        antennas: 1 or 2.
        converter_bits: None for those that the radio has.
        port: TCP port of the first, 0 for any; where a kind needs one.
        imperfections: of each radio: as many as there are to be.
    """

    antennas: int
    converter_bits: int | None
    port: int
    imperfections: tuple[Imperfections, ...]


StartRadios = Callable[[Air, RadioOptions], Sequence[VirtualRadio]]
"""Puts radios of a kind on an air.

Raises:
    ValueError: options that the kind does not have.
    OSError: a port or an address is in use.
"""


def start_plutos(air: Air, options: RadioOptions) -> list[VirtualPluto]:
    """PlutoSDRs on TCP ports ``port``, ``port + 1``, ..."""
    if options.converter_bits is None:
        model = pluto_model(options.antennas)
    else:
        model = pluto_model(options.antennas, options.converter_bits)
    plutos: list[VirtualPluto] = []
    try:
        for number, imperfections in enumerate(options.imperfections):
            port = options.port and options.port + number
            plutos.append(VirtualPluto(air, port, number, model, imperfections))
    except OSError:
        for pluto in plutos:
            with suppress(OSError):
                pluto.close()
        raise
    return plutos


KINDS: dict[str, StartRadios] = {"pluto": start_plutos, "usrp": start_usrps}
