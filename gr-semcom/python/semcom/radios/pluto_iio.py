# SPDX-License-Identifier: GPL-3.0-or-later
"""Streaming a Pluto by gr-iio's blocks.

They are the generic ones: gr-iio 3.10's own for this chip have a thread each that ends the whole
program where a device vanishes, and waits for ever where the flowgraph never started. All
settings are pyadi-iio's: gr-iio tells nobody that one failed.
"""

from __future__ import annotations

from typing import Any

from gnuradio import blocks, gr, iio
from gnuradio.semcom.radios.base import RadioOpenError
from gnuradio.semcom.radios.pluto_bursts import PlutoBursts
from gnuradio.semcom.radios.pluto_device import RX_DATA, TX_DATA
from gnuradio.semcom.radios.pluto_stream import (
    ADC_FULL_SCALE,
    DAC_FULL_SCALE,
    channel_names,
    samples_held,
)

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
            _hold(joined, samples_held(rate_hz))
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
    and ``tx_eob``, which are sent as :class:`PlutoBursts` makes them.

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
        self._bursts = PlutoBursts(antennas, rate_hz, scale, buffer_size)
        self._device = _made(uri, iio.device_sink, TX_DATA, names, _PHY, [], buffer_size)
        self._split = [blocks.complex_to_float() for _ in range(antennas)]
        self._parts = [blocks.float_to_short(1, DAC_FULL_SCALE) for _ in names]
        for port, split in enumerate(self._split):
            self.connect((self, port), (self._bursts, port))
            self.connect((self._bursts, port), split)
        for port, part in enumerate(self._parts):
            _hold(part, max(samples_held(rate_hz), 2 * buffer_size))
            self.connect((self._split[port // 2], port % 2), part)
            self.connect(part, (self._device, port))

    @property
    def samples_sent(self) -> int:
        """Per antenna, that the device has taken, whole buffers."""
        return int(self._device.nitems_read(0))

    @property
    def sending(self) -> bool:
        """Whether the device has not taken yet what is to be sent."""
        return self._bursts.given > self.samples_sent

    def sent(self, samples: int) -> bool:
        """Whether the device has taken what was in the first ``samples`` of the input."""
        return self._bursts.sent(samples, self.samples_sent)

    @property
    def ended(self) -> bool:
        """Whether gr-iio gave up, or was stopped."""
        return _ended(self._device)


def _made(uri: str, block: Any, *options: Any) -> Any:
    try:
        return block(uri, *options)
    except RuntimeError as error:
        raise RadioOpenError(
            f"gr-iio cannot open the device at {uri}: {error}: end other programs that use it, "
            "restart it, or use --backend adi"
        ) from error


def _hold(block: gr.basic_block, samples: int) -> None:
    """Have a block's output wait for one that is late."""
    block.set_log_level("warning")  # buffer sizes are no news, and standard output is a user's
    block.set_min_output_buffer(samples)


def _ended(block: Any) -> bool:
    detail = block.detail()
    return detail is not None and bool(detail.done())
