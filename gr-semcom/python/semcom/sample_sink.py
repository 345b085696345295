# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples out of a flowgraph."""

from __future__ import annotations

import secrets
import time

import numpy as np
import pmt
from gnuradio.semcom.curve_keys import keys_or_none
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.sample_message import LARGEST_SAMPLES, SampleMessage
from gnuradio.semcom.sample_pace import SamplePace
from gnuradio.semcom.sample_socket import SampleSender

from semcom_phy.exchange import ComplexArray

_LONGEST_PAUSE_S = 0.05
_PICTURE = pmt.intern("picture")


class SampleSink(GuardedBlock):
    """Sends samples over ZMQ to a :class:`gnuradio.semcom.SampleSource`, and loses none.

    Streams: one input of complex samples a transmit antenna. They wait while nobody takes them,
    and are taken as fast as the other end is, but with ``pace`` no faster than the sample rate.
    Of all tags only ``picture`` goes along, for a simulated channel at the other end.

    Args:
        endpoint: at which the source listens; the two may start in any order.
        antennas: streams.
        sample_rate: samples a second.
        keys: folder of the transmitter's keys, see :mod:`gnuradio.semcom.curve_keys`; empty on
            one machine.
        pace: take samples in real time, as a converter does.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or keys that cannot be read.

    Attributes:
        endpoint: to call when the flowgraph starts.
        samples_in: samples per antenna sent so far.
        session: of this sender.
    """

    def __init__(
        self,
        endpoint: str = "tcp://127.0.0.1:5571",
        antennas: int = 1,
        sample_rate: float = 1e6,
        keys: str = "",
        pace: bool = False,
    ) -> None:
        super().__init__("semcom_sample_sink", inputs=antennas)
        self._keys = keys_or_none(keys)
        require_endpoint(endpoint, self._keys is not None, calls=True)
        self.endpoint = endpoint
        self.samples_in = 0
        self.session = 1 + secrets.randbits(61)
        self._sample_rate = sample_rate
        self._antennas = antennas
        self._pace = SamplePace(sample_rate) if pace else None
        self._sender: SampleSender | None = None

    def open(self) -> None:
        self._sender = SampleSender(self.endpoint, self._keys)

    @property
    def refusal(self) -> str | None:
        """Why the other end does not take us, one line; None where it does, or is not there."""
        return None if self._sender is None else self._sender.refusal

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(LARGEST_SAMPLES, *(len(samples) for samples in inputs))
        if self._pace is not None:
            count = min(count, self._pace.at_once)
            time.sleep(min(self._pace.pause_s(), _LONGEST_PAUSE_S))
            if self._pace.pause_s():
                return 0
        tags = self.get_tags_in_window(0, 0, count, _PICTURE)
        begun = self.nitems_read(0)
        pictures = tuple((tag.offset - begun, pmt.to_long(tag.value)) for tag in tags)
        if not self._send(np.stack([samples[:count] for samples in inputs]), pictures):
            return 0
        if self._pace is not None:
            self._pace.take(count)
        for port in range(len(inputs)):
            self.consume(port, count)
        self.samples_in += count
        return 0

    def _send(
        self, samples: ComplexArray, pictures: tuple[tuple[int, int], ...] = (), end: bool = False
    ) -> bool:
        """Send samples ``[antennas, n]``; False where nobody takes them now."""
        assert self._sender is not None
        return self._sender.send(
            SampleMessage(self.session, self.samples_in, samples, self._sample_rate, pictures, end)
        )

    def close(self) -> None:
        if self._sender is not None:
            self._send(np.empty((self._antennas, 0), np.complex64), end=True)
            self._sender.close()
            self._sender = None
