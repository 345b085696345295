# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming a Pluto by gr-iio's blocks.

They are the generic ones: gr-iio 3.10's own for this chip have a thread each that ends the whole
program where a device vanishes, and waits for ever where the flowgraph never started. All
settings are pyadi-iio's: gr-iio tells nobody that one failed.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from gnuradio import blocks, gr, iio
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.base import RadioOpenError
from gnuradio.semcom.radios.pluto_buffers import WholeBuffers, marks
from gnuradio.semcom.radios.pluto_device import RX_DATA, TX_DATA
from gnuradio.semcom.radios.pluto_stream import (
    ADC_FULL_SCALE,
    DAC_FULL_SCALE,
    channel_names,
    samples_held,
)

from semcom_phy.exchange import ComplexArray

_PHY = "ad9361-phy"


class IioSource(gr.hier_block2):  # type: ignore[misc]
    """What a Pluto receives.

    Streams: one output of complex samples of full scale 1 a receive antenna.

    Args:
        uri: of the device.
        antennas: 1 or 2.
        rate_hz: sample rate.
        buffer_size: samples of a buffer.

    Raises:
        RadioOpenError: gr-iio cannot open it.
    """

    def __init__(self, uri: str, antennas: int, rate_hz: float, buffer_size: int) -> None:
        outputs = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "semcom_pluto_source", gr.io_signature(0, 0, 0), outputs)
        names = channel_names(antennas)
        self._device = _made(uri, iio.device_source, RX_DATA, names, _PHY, [], buffer_size)
        self._joined = [blocks.float_to_complex() for _ in range(antennas)]
        self._parts = [blocks.short_to_float(1, ADC_FULL_SCALE) for _ in names]
        for port, part in enumerate(self._parts):
            self.connect((self._device, port), part)
            self.connect(part, (self._joined[port // 2], port % 2))
        for port, joined in enumerate(self._joined):
            _hold(joined, rate_hz)
            self.connect(joined, (self, port))

    @property
    def samples_out(self) -> int:
        """Per antenna, given to the flowgraph so far."""
        return int(self._joined[0].nitems_written(0))

    @property
    def ended(self) -> bool:
        """Whether gr-iio gave up, or was stopped."""
        return _ended(self._device)


class IioSink(gr.hier_block2):  # type: ignore[misc]
    """What a Pluto sends.

    Streams: one input of complex samples a transmit antenna, with bursts between tags ``tx_sob``
    and ``tx_eob``, which are sent as :class:`WholeBuffers` says.

    Args:
        uri: of the device.
        antennas: 1 or 2.
        rate_hz: sample rate.
        scale: by which samples are multiplied, to have a full scale of 1.
        buffer_size: samples of a buffer.

    Raises:
        RadioOpenError: gr-iio cannot open it.
    """

    def __init__(
        self, uri: str, antennas: int, rate_hz: float, scale: float, buffer_size: int
    ) -> None:
        inputs = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        gr.hier_block2.__init__(self, "semcom_pluto_sink", inputs, gr.io_signature(0, 0, 0))
        names = channel_names(antennas)
        self._size = buffer_size
        self._bursts = WholeBufferBlock(antennas, buffer_size, scale)
        _hold(self._bursts, rate_hz)
        self._device = _made(uri, iio.device_sink, TX_DATA, names, _PHY, [], buffer_size)
        self._split = [blocks.complex_to_float() for _ in range(antennas)]
        self._parts = [blocks.float_to_short(1, DAC_FULL_SCALE) for _ in names]
        for port, split in enumerate(self._split):
            self.connect((self, port), (self._bursts, port))
            self.connect((self._bursts, port), split)
        for port, part in enumerate(self._parts):
            _hold(part, rate_hz)
            self.connect((self._split[port // 2], port % 2), part)
            self.connect(part, (self._device, port))

    @property
    def samples_in(self) -> int:
        """Per antenna, taken so far."""
        return self._bursts.samples_in

    @property
    def samples_sent(self) -> int:
        """Per antenna, that the device has taken, whole buffers."""
        return int(self._device.nitems_read(0))

    @property
    def sending(self) -> bool:
        """Whether the device has not taken yet what is to be sent."""
        return self._bursts.samples_given > self.samples_sent

    def sent(self, samples: int) -> bool:
        """Whether the device has taken what was in the first ``samples`` of the input."""
        return self.samples_in == samples and self._bursts.waiting == 0 and not self.sending

    @property
    def ended(self) -> bool:
        """Whether gr-iio gave up, or was stopped."""
        return _ended(self._device)


class WholeBufferBlock(GuardedBlock):
    """:class:`WholeBuffers` as a block, in front of a sink that takes nothing else.

    Streams: one input and one output of complex samples an antenna.

    Args:
        antennas: 1 or 2.
        size: of a buffer, in samples.
        scale: by which samples are multiplied.

    Attributes:
        samples_in: samples per antenna taken so far.
        samples_given: samples per antenna that are to be sent, of whole buffers.
    """

    def __init__(self, antennas: int, size: int, scale: float) -> None:
        super().__init__("semcom_whole_buffers", antennas, antennas)
        self._whole, self._scale = WholeBuffers(antennas, size), np.float32(scale)
        self._ready: deque[ComplexArray] = deque()
        self.samples_in = 0
        self.samples_given = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)

    @property
    def waiting(self) -> int:
        """Samples of a burst whose end has not come."""
        return self._whole.waiting

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        # Asking for nothing gets out what is ready though no more comes in.
        return [0 if self._ready else 1] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if not self._ready:
            self._take(inputs)
        space, written = len(outputs[0]), 0
        while self._ready and written < space:
            count = min(space - written, self._ready[0].shape[1])
            for output, row in zip(outputs, self._ready[0], strict=True):
                output[written : written + count] = row[:count]
            written += count
            self._ready[0] = self._ready[0][:, count:]
            if self._ready[0].shape[1] == 0:
                self._ready.popleft()
        return written

    def _take(self, inputs: Arrays) -> None:
        count = min(len(samples) for samples in inputs)
        begins, ends = (marks(self, key, count) for key in ("tx_sob", "tx_eob"))
        samples = np.stack([samples[:count] for samples in inputs]) * self._scale
        buffers = self._whole.push(samples, begins, ends)
        self._ready.extend(buffers)
        self.samples_given += sum(buffer.shape[1] for buffer in buffers)
        self.samples_in += count  # last: who sees it must see what became of the samples
        for port in range(len(inputs)):
            self.consume(port, count)


def _made(uri: str, block: Any, *options: Any) -> Any:
    try:
        return block(uri, *options)
    except RuntimeError as error:
        raise RadioOpenError(
            f"gr-iio cannot open the device at {uri}: {error}: end other programs that use it, "
            "restart it, or use --backend adi"
        ) from error


def _hold(block: gr.basic_block, rate_hz: float) -> None:
    """Have a block's output wait for one that is late."""
    block.set_log_level("warning")  # buffer sizes are no news, and standard output is a user's
    block.set_min_output_buffer(samples_held(rate_hz))


def _ended(block: Any) -> bool:
    detail = block.detail()
    return detail is not None and bool(detail.done())
