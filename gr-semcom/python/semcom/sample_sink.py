# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples out of a flowgraph."""

from __future__ import annotations

import secrets
import time

import numpy as np
import pmt
import zmq
from gnuradio.semcom.connection_watch import ConnectionWatch
from gnuradio.semcom.curve_keys import keys_or_none
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.sample_message import LARGEST_SAMPLES, SampleMessage, to_parts
from gnuradio.semcom.sample_pace import SamplePace

from semcom_phy.exchange import ComplexArray

_WAITING = 8
_POLL_MS = 50
_LINGER_MS = 1000
_SILENCE_MS = 3000
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
        own = keys_or_none(keys)
        require_endpoint(endpoint, own is not None)
        self.samples_in = 0
        self.session = 1 + secrets.randbits(61)
        self._sample_rate = sample_rate
        self._antennas = antennas
        self._pace = SamplePace(sample_rate) if pace else None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket: zmq.Socket[bytes] = self._context.socket(zmq.PUSH)
        self._socket.set_hwm(_WAITING)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        for option in (zmq.HEARTBEAT_TIMEOUT, zmq.HANDSHAKE_IVL, zmq.CONNECT_TIMEOUT):
            self._socket.setsockopt(option, _SILENCE_MS)
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, _SILENCE_MS // 3)
        self._watch = ConnectionWatch(self._socket, endpoint, True, own is not None)
        if own is not None:
            own.connect(self._socket)
        self._socket.connect(endpoint)

    @property
    def refusal(self) -> str | None:
        """Why the other end does not take us, one line; None where it does, or is not there."""
        return self._watch.refusal

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(LARGEST_SAMPLES, *(len(samples) for samples in inputs))
        if self._pace is not None:
            count = min(count, self._pace.at_once)
            time.sleep(min(self._pace.pause_s(), _POLL_MS / 1000))
            if self._pace.pause_s():
                return 0
        tags = self.get_tags_in_window(0, 0, count, _PICTURE)
        begun = self.nitems_read(0)
        pictures = tuple((tag.offset - begun, pmt.to_long(tag.value)) for tag in tags)
        taken = self._send(np.stack([samples[:count] for samples in inputs]), pictures)
        if not taken:
            self._socket.poll(_POLL_MS, zmq.POLLOUT)
            self._watch.update()
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
        message = SampleMessage(
            self.session, self.samples_in, samples, self._sample_rate, pictures, end
        )
        try:
            self._socket.send_multipart(to_parts(message), zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Say that it is over, free the socket; safe to call twice."""
        if self._socket.closed:
            return
        self._socket.poll(_POLL_MS, zmq.POLLOUT)
        self._send(np.empty((self._antennas, 0), np.complex64), end=True)
        self._watch.close()
        self._socket.close(linger=_LINGER_MS)
        self._context.term()
