# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming a Pluto by pyadi-iio: blocks with a thread each, which the device's pace holds up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import numpy as np
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.base import RadioEvents, RadioOpenError
from gnuradio.semcom.radios.pluto_buffers import WholeBuffers, marks
from gnuradio.semcom.radios.pluto_device import PlutoDevice
from gnuradio.semcom.radios.pluto_stream import (
    ADC_FULL_SCALE,
    LossesByTime,
    samples_held,
    to_converter,
)

from semcom_phy.exchange import ComplexArray

_STOP_S = 3.0
_POLL_S = 0.05
_MOST_WAITING = 1 << 23
"""Samples taken from the flowgraph that the device has not yet."""

Lost = Callable[[OSError], Exception]
"""Makes the error of a device that is gone."""


class AdiSource(GuardedBlock):
    """What a Pluto receives.

    Streams: one output of complex samples of full scale 1 a receive antenna. Where the device
    says that samples were lost, an overflow is counted; it does not say how many, so the stream
    goes on without them.

    Args:
        device: open and set.
        antennas: 1 or 2.
        rate_hz: sample rate.
        buffer_size: samples of a buffer.
        kernel_buffers: that the device has.
        events: to count in.
        lost: makes the error of a device that is gone.

    Attributes:
        asked_since: when the samples were asked for that have not come yet, by the monotonic
            clock; None while none are asked for.
    """

    def __init__(
        self,
        device: PlutoDevice,
        antennas: int,
        rate_hz: float,
        buffer_size: int,
        kernel_buffers: int,
        events: RadioEvents,
        lost: Lost,
    ) -> None:
        super().__init__("semcom_pluto_source", outputs=antennas)
        self._device, self._antennas = device, antennas
        self._events, self._lost = events, lost
        self._by_time = LossesByTime(rate_hz, (kernel_buffers + 1) * buffer_size)
        buffers = max(2, samples_held(rate_hz) // buffer_size)
        self._buffers: queue.Queue[ComplexArray] = queue.Queue(buffers)
        self._left: ComplexArray = np.empty((antennas, 0), np.complex64)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.asked_since: float | None = None
        self._size = buffer_size
        self.set_min_output_buffer(2 * buffer_size)

    @property
    def samples_held(self) -> int:
        """Per antenna, received and not yet given to the flowgraph; about."""
        return int(self._left.shape[1]) + self._buffers.qsize() * self._size

    def open(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._receive, name="pluto-rx", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)  # one that does not end waits for a device that is gone

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        space, written = len(outputs[0]), 0
        while written < space and (self._left.shape[1] or self._next_buffer()):
            count = min(space - written, self._left.shape[1])
            for output, row in zip(outputs, self._left, strict=True):
                output[written : written + count] = row[:count]
            self._left = self._left[:, count:]
            written += count
        return written

    def _next_buffer(self) -> bool:
        try:
            self._left = self._buffers.get_nowait()
        except queue.Empty:
            return False
        return True

    def _receive(self) -> None:
        try:
            self._device.took_overflow()  # of before
            while not self._stopping.is_set():
                self.asked_since = time.monotonic()
                heard = self._device.adi.rx()
                self.asked_since = None
                self._count_losses(self._size)
                self._hand_over(
                    np.asarray(heard, np.complex64).reshape(self._antennas, -1)
                    / np.float32(ADC_FULL_SCALE)
                )
            self._device.adi.rx_destroy_buffer()
        except OSError as error:
            if not self._stopping.is_set():
                self.fail(self._lost(error))
        except Exception as error:
            self.fail(error)

    def _count_losses(self, samples: int) -> None:
        by_time = self._by_time.lost(samples, time.monotonic())
        told = self._device.took_overflow()
        self._events.overflow += by_time if told is None else told

    def _hand_over(self, samples: ComplexArray) -> None:
        while not self._stopping.is_set():
            try:
                self._buffers.put(samples, timeout=_POLL_S)
            except queue.Full:
                continue
            self.wake()
            return


class AdiSink(GuardedBlock):
    """What a Pluto sends.

    Streams: one input of complex samples a transmit antenna, with bursts between tags ``tx_sob``
    and ``tx_eob``, which are sent as :class:`WholeBuffers` says.

    Args:
        device: open and set.
        antennas: 1 or 2.
        rate_hz: sample rate.
        scale: by which samples are multiplied, to have a full scale of 1.
        buffer_size: samples of a buffer.
        events: to count in.
        lost: makes the error of a device that is gone.

    Raises:
        RadioOpenError: the device takes no samples.

    Attributes:
        samples_in: samples per antenna taken so far.
        asked_since: when samples were given to the device that it has not taken yet, by the
            monotonic clock; None while there are none.
    """

    def __init__(
        self,
        device: PlutoDevice,
        antennas: int,
        rate_hz: float,
        scale: float,
        buffer_size: int,
        events: RadioEvents,
        lost: Lost,
    ) -> None:
        super().__init__("semcom_pluto_sink", inputs=antennas)
        self._device, self._antennas, self._scale = device, antennas, np.float32(scale)
        self._events, self._lost = events, lost
        self._buffer_s = buffer_size / rate_hz
        self._whole = WholeBuffers(antennas, buffer_size)
        self._size = buffer_size
        self._bursts: queue.SimpleQueue[list[ComplexArray]] = queue.SimpleQueue()
        self._waiting = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.samples_in = 0
        self.asked_since: float | None = None
        self._sent_at = time.monotonic()
        self._try_once()

    def _try_once(self) -> None:
        try:
            self._push(np.zeros((self._antennas, self._size), np.complex64))
        except OSError as error:
            raise RadioOpenError(
                f"the device at {self._device.uri} takes no samples: {error.strerror or error}: "
                "end other programs that use it, or restart it"
            ) from error

    def open(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._send, name="pluto-tx", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._bursts.put([])
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def sent(self, samples: int) -> bool:
        """Whether the device has taken what was in the first ``samples`` of the input."""
        with self._changed:
            return self.samples_in == samples and self._waiting == 0 == self._whole.waiting

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        with self._changed:
            full = self._waiting > _MOST_WAITING
            if full and not self._changed.wait_for(lambda: self._waiting <= _MOST_WAITING, _POLL_S):
                return 0
        count = min(len(samples) for samples in inputs)
        begins, ends = (marks(self, key, count) for key in ("tx_sob", "tx_eob"))
        samples = np.stack([samples[:count] for samples in inputs]) * self._scale
        with self._changed:
            buffers = self._whole.push(samples, begins, ends)
            self._waiting += sum(buffer.shape[1] for buffer in buffers)
            self.samples_in += count
        if buffers:
            self._bursts.put(buffers)
        for port in range(len(inputs)):
            self.consume(port, count)
        return 0

    def _send(self) -> None:
        try:
            while True:
                buffers = self._bursts.get()
                if self._stopping.is_set():
                    return
                self._send_burst(buffers)
        except OSError as error:
            if not self._stopping.is_set():
                self.fail(self._lost(error))
        except Exception as error:
            self.fail(error)

    def _send_burst(self, buffers: list[ComplexArray]) -> None:
        """Send buffers that belong together, and see whether the device ran dry meanwhile."""
        begun, late = self._sent_at, False
        for number, buffer in enumerate(buffers):
            if self._stopping.is_set():
                return
            if 0 < number == len(buffers) - 1:
                told = self._device.took_underflow()
                self._events.underflow += late if told is None else told
            self._push(buffer)
            late |= number > 0 and self._sent_at - begun > number * self._buffer_s + _POLL_S
            if number == 0:
                begun = self._sent_at
                self._device.took_underflow()  # since the burst before
            with self._changed:
                self._waiting -= buffer.shape[1]
                self._changed.notify_all()

    def _push(self, samples: ComplexArray) -> None:
        self.asked_since = time.monotonic()
        whole = to_converter(samples)
        self._device.adi.tx(whole[0] if self._antennas == 1 else list(whole))
        self.asked_since = None
        self._sent_at = time.monotonic()
