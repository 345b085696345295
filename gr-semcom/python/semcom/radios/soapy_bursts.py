# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts as gr-soapy wants them: a tag says how long each is, and nobody says when it is sent."""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio.semcom.radios.whole_bursts import MOST_HELD, Burst, WholeBursts

from semcom_phy.exchange import ComplexArray

LENGTH_TAG = "burst_length"


class SoapyBursts(WholeBursts):
    """Tags the first sample of every burst with its length, for a gr-soapy sink.

    As a burst cannot be given a time, the silence behind it is sent as part of it.

    Args:
        antennas: streams in, and out.
        scale: that samples are multiplied by.
        silence: samples behind each burst.
    """

    def __init__(self, antennas: int, scale: float, silence: int) -> None:
        super().__init__("semcom_soapy_bursts", antennas, scale)
        self._quiet: ComplexArray = np.zeros((antennas, silence), np.complex64)

    def complete(self, burst: Burst) -> None:
        burst.pieces.append(self._quiet)
        burst.samples += self._quiet.shape[1]

    def begin(self, burst: Burst, sample: int) -> None:
        if not burst.complete:
            raise ValueError(
                f"a picture of more than {MOST_HELD} samples is too long for --radio soapy, which "
                "sends each in one piece: send smaller pictures, or a lower --cbr"
            )
        self.add_item_tag(0, sample, pmt.intern(LENGTH_TAG), pmt.from_long(burst.samples))
