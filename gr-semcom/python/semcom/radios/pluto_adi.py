# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming a Pluto by pyadi-iio."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.base import RadioEvents, RadioOpenError
from gnuradio.semcom.radios.pluto_bursts import PlutoBursts
from gnuradio.semcom.radios.pluto_device import PlutoDevice, without_frames
from gnuradio.semcom.radios.pluto_stream import (
    ADC_FULL_SCALE,
    LossesByTime,
    samples_held,
    to_converter,
)

from semcom_phy.exchange import ComplexArray

_STOP_S = 3.0
_POLL_S = 0.05

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


class AdiSink(gr.hier_block2):  # type: ignore[misc]
    """What a Pluto sends.

    Streams: one input of complex samples a transmit antenna, with bursts between tags ``tx_sob``
    and ``tx_eob``, which are sent as :class:`PlutoBursts` makes them.

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
        inputs = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "semcom_pluto_sink", inputs, gr.io_signature(0, 0, 0))
        self._bursts = PlutoBursts(antennas, rate_hz, scale, buffer_size)
        ends = self._bursts.ends
        self._buffers = AdiBuffers(device, antennas, rate_hz, buffer_size, ends, events, lost)
        for port in range(antennas):
            self.connect((self, port), (self._bursts, port), (self._buffers, port))

    @property
    def asked_since(self) -> float | None:
        """When samples were given to the device that it has not taken yet, if any."""
        return self._buffers.asked_since

    def sent(self, samples: int) -> bool:
        """Whether the device has taken what was in the first ``samples`` of the input."""
        return self._bursts.sent(samples, self._buffers.taken)


class AdiBuffers(GuardedBlock):
    """Hands whole buffers to a Pluto.

    Streams: one input of complex samples of full scale 1 a transmit antenna.

    Args:
        device: open and set.
        antennas: 1 or 2.
        rate_hz: sample rate.
        size: of a buffer.
        ends: samples up to the end of each burst, see :class:`PlutoBursts`.
        events: to count in.
        lost: makes the error of a device that is gone.

    Raises:
        RadioOpenError: the device takes no samples.

    Attributes:
        taken: samples per antenna that the device has taken.
        asked_since: when samples were given to it that it has not taken yet, by the monotonic
            clock; None while there are none.
    """

    def __init__(
        self,
        device: PlutoDevice,
        antennas: int,
        rate_hz: float,
        size: int,
        ends: deque[int],
        events: RadioEvents,
        lost: Lost,
    ) -> None:
        super().__init__("semcom_pluto_buffers", inputs=antennas)
        self._device, self._antennas, self._size, self._ends = device, antennas, size, ends
        self._events, self._lost = events, lost
        self._buffer_s = size / rate_hz
        self._within_burst = 0
        self._begun_at = 0.0
        self.taken = 0
        self.asked_since: float | None = None
        self._try_once()

    def _try_once(self) -> None:
        try:
            self._push(np.zeros((self._antennas, self._size), np.complex64))
        except OSError as error:
            raise RadioOpenError(
                f"the device at {self._device.uri} takes no samples: {error.strerror or error}: "
                "end other programs that use it, or restart it"
            ) from without_frames(error)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [self._size] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if min(len(samples) for samples in inputs) < self._size:
            return 0
        buffer = np.stack([samples[: self._size] for samples in inputs])
        try:
            self._send(buffer)
        except OSError as error:
            raise self._lost(error) from without_frames(error)
        for port in range(len(inputs)):
            self.consume(port, self._size)
        return 0

    def _send(self, buffer: ComplexArray) -> None:
        """Send a buffer, and see before a burst's last one whether the device ran dry within."""
        is_last = bool(self._ends) and self._ends[0] <= self.taken + self._size
        if is_last and self._within_burst:
            late = time.monotonic() - self._begun_at > self._within_burst * self._buffer_s
            told = self._device.took_underflow()
            self._events.underflow += late if told is None else told
        self._push(buffer)
        if not self._within_burst:
            self._device.took_underflow()  # since the burst before
            self._begun_at = time.monotonic()
        self._within_burst = 0 if is_last else self._within_burst + 1
        if is_last:
            self._ends.popleft()
        self.taken += self._size

    def _push(self, samples: ComplexArray) -> None:
        self.asked_since = time.monotonic()
        whole = to_converter(samples)
        self._device.adi.tx(whole[0] if self._antennas == 1 else list(whole))
        self.asked_since = None
