# SPDX-License-Identifier: GPL-3.0-or-later
"""What a multipath channel is: taps at fixed delays whose gains change with time."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray


class TapProcess(Protocol):
    """Gains of the taps of a channel on an even grid of times; linear in between.

    Attributes:
        delays_s: ``[tap]`` in seconds.
        interval_s: between grid points, in seconds; infinite for a channel that never changes.
    """

    delays_s: NDArray[np.float64]
    interval_s: float

    def gains(self, first: int, count: int) -> ComplexArray:
        """Gains ``[count, tap, rx, tx]`` of grid points ``first, first + 1, ...``."""
        ...


class ConstantTaps:
    """Taps that never change.

    Args:
        delays_s: ``[tap]`` in seconds.
        gains: ``[tap, rx, tx]``.
    """

    def __init__(self, delays_s: NDArray[np.float64], gains: ComplexArray) -> None:
        self.delays_s = delays_s
        self.interval_s = math.inf
        self._gains = gains

    def gains(self, first: int, count: int) -> ComplexArray:
        """See :meth:`TapProcess.gains`."""
        return np.broadcast_to(self._gains, (count, *self._gains.shape))


class Multipath(Protocol):
    """Of what kind a channel is; every picture meets another realisation."""

    def realise(
        self, rx_antennas: int, tx_antennas: int, generator: np.random.Generator
    ) -> TapProcess:
        """Draw a realisation.

        Raises:
            ValueError: the channel is for other numbers of antennas.
        """
        ...
