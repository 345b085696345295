# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts to a SoapySDR device.

gr-soapy's sink loses a burst whose first samples the device does not take within 0.1 s (GNU Radio
3.10: the tag with the burst's length is then read a second time), cannot time one, and tells of
no underflow; so this is written on SoapySDR itself.
"""

from __future__ import annotations

import numpy as np
import pmt
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.soapy_bursts import LENGTH_TAG
from gnuradio.semcom.radios.soapy_device import SoapyDevice

_LEAD_NS = 20_000_000
_WRITE_US = 100_000
_LENGTH = pmt.intern(LENGTH_TAG)


class SoapyWriter(GuardedBlock):
    """Writes the bursts of a :class:`gnuradio.semcom.radios.soapy_bursts.SoapyBursts`.

    Where the device has a clock, every burst is put 20 ms ahead of it, so that both antennas begin
    together and a slow host is late and not torn.

    Streams: one input of complex samples an antenna.

    Args:
        device: set up.
        antennas: streams.

    Attributes:
        underflow: times that the device ran out of samples within a burst, if it says so.
        late: bursts that came after their time, if it says so.

    Raises:
        RuntimeError: the device has no such stream.
    """

    def __init__(self, device: SoapyDevice, antennas: int) -> None:
        super().__init__("semcom_soapy_writer", antennas)
        self._stream = device.open_transmit_stream(antennas)
        self._left = 0
        self.underflow = 0
        self.late = 0

    def open(self) -> None:
        self._stream.activate()

    def close(self) -> None:
        self._stream.deactivate()

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        begins = self._left == 0
        if begins:
            (tag,) = self.get_tags_in_window(0, 0, 1, _LENGTH)
            self._left = pmt.to_long(tag.value)
        count = min(self._left, *(len(samples) for samples in inputs))
        pieces = [np.ascontiguousarray(samples[:count]) for samples in inputs]
        written = self._stream.write(
            pieces, _LEAD_NS if begins else None, count == self._left, _WRITE_US
        )
        if begins and written == 0:
            self._left = 0  # the burst has not begun
        self._left -= written
        for port in range(len(inputs)):
            self.consume(port, written)
        underflow, late = self._stream.status()
        self.underflow += underflow
        self.late += late
        return 0
