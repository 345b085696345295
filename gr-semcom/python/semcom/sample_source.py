# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples into a flowgraph."""

from __future__ import annotations

import logging
import time

import numpy as np
import pmt
from gnuradio.semcom.curve_keys import keys_or_none
from gnuradio.semcom.endpoints import require_endpoint
from gnuradio.semcom.guard import WORK_DONE, Arrays, GuardedBlock
from gnuradio.semcom.sample_message import SampleMessage
from gnuradio.semcom.sample_order import SampleCounters, SampleOrder
from gnuradio.semcom.sample_socket import SampleListener

from semcom_phy.exchange import ComplexArray

_BUFFER = 1 << 17
_LONGEST_GAP_S = 10.0
_PICTURE = pmt.intern("picture")

_log = logging.getLogger("gnuradio.semcom")


class SampleSource(GuardedBlock):
    """Hears samples over ZMQ from a :class:`gnuradio.semcom.SampleSink`.

    Streams: one output of complex samples an antenna of the sink, tagged ``picture`` where a
    picture begins. What was lost on the way is replaced by zeros, so that a gap costs what was
    lost and no more. A sender that ends, or dies, may come back: its samples follow.

    Args:
        endpoint: to listen at; ``tcp://127.0.0.1:*`` takes a free port.
        antennas: streams, as the sink has.
        sample_rate: samples a second, as the sink has.
        keys: folder of the receiver's keys, see :mod:`gnuradio.semcom.curve_keys`; empty on one
            machine.

    Raises:
        ValueError: an endpoint beyond this machine and no keys, or keys that cannot be read.

    Attributes:
        endpoint: to listen at when the flowgraph starts; then as bound.
        counters: of what came.
        position: samples per antenna of the sender's stream put out so far, as it counts.
        samples_out: samples per antenna put out so far, whoever sent them.
        ends_with_sender: the stream ends when a sender says that it is over.
    """

    def __init__(
        self,
        endpoint: str = "tcp://127.0.0.1:5571",
        antennas: int = 1,
        sample_rate: float = 1e6,
        keys: str = "",
    ) -> None:
        super().__init__("semcom_sample_source", outputs=antennas)
        self._keys = keys_or_none(keys)
        require_endpoint(endpoint, self._keys is not None)
        self.endpoint = endpoint
        self.counters = SampleCounters()
        self.position = 0
        self.samples_out = 0
        self.ends_with_sender = False
        self._antennas, self._sample_rate = antennas, sample_rate
        self._order = SampleOrder(antennas, sample_rate, self.counters)
        self._missing = 0
        self._pending: ComplexArray = np.empty((antennas, 0), np.complex64)
        self._pictures: tuple[tuple[int, int], ...] = ()
        self._ended = False
        self._idle_since = float("inf")
        self._listener: SampleListener | None = None
        self.set_min_output_buffer(_BUFFER)

    def open(self) -> None:
        self.listen()

    @property
    def listens(self) -> bool:
        """Whether it does already."""
        return self._listener is not None

    def listen(self) -> None:
        """Listen already before the flowgraph starts; safe to call twice.

        Raises:
            OSError: the endpoint cannot be bound.
        """
        if not self.listens:
            self._listener = SampleListener(self.endpoint, self._keys)
            self.endpoint = self._listener.endpoint

    @property
    def idle_s(self) -> float:
        """For how long nothing has come, although it would have been taken."""
        return max(0.0, time.monotonic() - self._idle_since)

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if not self._missing and not self._pending.shape[1] and not self._next():
            if self._ended and self.ends_with_sender:
                return WORK_DONE
            self.wake()  # or the scheduler would leave us alone for a while
            return 0
        if self._missing:
            count = min(self._missing, len(outputs[0]))
            self._missing -= count
            for output in outputs:
                output[:count] = 0
        else:
            count = self._put(outputs)
        self.samples_out += count
        if not self._missing and not self._pending.shape[1]:
            self.position = self._order.position
        return count

    def _put(self, outputs: Arrays) -> int:
        """Put out samples of a message."""
        count = min(self._pending.shape[1], len(outputs[0]))
        for port, (output, row) in enumerate(zip(outputs, self._pending, strict=True)):
            output[:count] = row[:count]
            for index, picture in self._pictures:
                if index < count:
                    place = self.nitems_written(port) + index
                    self.add_item_tag(port, place, _PICTURE, pmt.from_long(picture))
        self._pending = self._pending[:, count:]
        self._pictures = tuple((i - count, picture) for i, picture in self._pictures if i >= count)
        return count

    def _next(self) -> bool:
        """Wait a little for a message with samples; whether there is one."""
        assert self._listener is not None
        try:
            message = self._listener.take()
        except ValueError:
            self.counters.unreadable += 1
            return False
        if message is None:
            self._idle_since = min(self._idle_since, time.monotonic())
            return False
        self._idle_since = float("inf")
        unfit = self.counters.unfit
        missing = self._order.take(message)
        if missing is None:
            if self.counters.unfit > unfit == 0:
                self._warn(message)
            return False
        self._ended = message.end
        self._missing = min(missing, int(_LONGEST_GAP_S * self._sample_rate))
        self._pending, self._pictures = message.samples, message.pictures
        if not self._missing and not self._pending.shape[1]:
            self.position = self._order.position
            return False
        return True

    def _warn(self, message: SampleMessage) -> None:
        _log.warning(
            "samples of %d antennas at %g a second are not taken: %d at %g are expected; use one "
            "waveform at both ends",
            message.samples.shape[0],
            message.sample_rate,
            self._antennas,
            self._sample_rate,
        )

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
