# SPDX-License-Identifier: GPL-3.0-or-later
"""ADALM-Pluto and other boards with an AD936x, by libiio."""

from __future__ import annotations

import logging
import time
import weakref
from typing import Annotated, Any, Literal, Self

from gnuradio import gr
from gnuradio.semcom.radios.base import (
    Radio,
    RadioConfig,
    RadioConfigError,
    RadioLostError,
)
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.device import DeviceConfig, Finite, require_leave_to_transmit
from gnuradio.semcom.radios.pluto_adi import AdiSink, AdiSource
from gnuradio.semcom.radios.pluto_device import RX_DATA, TX_DATA, PlutoDevice
from gnuradio.semcom.radios.pluto_iio import IioSink, IioSource
from gnuradio.semcom.radios.pluto_limits import AD9361, default_buffer_size, gain_range_rx_db
from gnuradio.semcom.radios.pluto_switch_off import off_at_the_end
from gnuradio.semcom.radios.pluto_watch import IioWatch, StuckWatch
from gnuradio.semcom.radios.whole_bursts import full_scale
from pydantic import Field, model_validator

from semcom_phy.numerology import Numerology

_LOW_GAIN_TX_DB = -20.0
_MIDDLE_GAIN_RX_DB = 40.0

_log = logging.getLogger("gnuradio.semcom")


class PlutoConfig(DeviceConfig):
    """Options of a Pluto."""

    uri: str | None = Field(
        None, description="where it is, as ip:192.168.2.1 or usb:1.5.5; default: look for it"
    )
    serial: str | None = Field(None, description="serial number of the one to use; default: any")
    backend: Literal["adi", "iio"] = Field(
        "adi", description="what streams: adi, pyadi-iio; iio, gr-iio's blocks"
    )
    freq_hz: Annotated[Finite, Field(ge=AD9361.freq_hz.low, le=AD9361.freq_hz.high)] = Field(
        2.45e9, description="carrier frequency in Hz, of transmitter and receiver"
    )
    gain_tx_db: (
        Annotated[Finite, Field(ge=AD9361.gain_tx_db.low, le=AD9361.gain_tx_db.high)] | None
    ) = Field(
        None,
        description="transmit gain in dB, an attenuation: -89.75 to 0; default: the calibration "
        f"profile's, else {_LOW_GAIN_TX_DB:g}",
    )
    gain_rx_db: (
        Annotated[Finite, Field(ge=AD9361.gain_rx_db.low, le=AD9361.gain_rx_db.high)] | None
    ) = Field(
        None,
        description="receive gain in dB, -3 to 71 (up to 1.3 GHz -1 to 73, above 4 GHz -10 to "
        f"62); default: the calibration profile's, else {_MIDDLE_GAIN_RX_DB:g}",
    )
    gain_mode: Literal["manual", "slow_attack", "fast_attack", "hybrid"] = Field(
        "manual", description="who sets the receive gain: manual, or a gain control of the device"
    )
    bandwidth_tx_hz: (
        Annotated[Finite, Field(ge=AD9361.bandwidth_hz.low, le=AD9361.bandwidth_hz.high)] | None
    ) = Field(None, description="transmit filter in Hz; default: the sample rate")
    bandwidth_rx_hz: (
        Annotated[Finite, Field(ge=AD9361.bandwidth_hz.low, le=AD9361.bandwidth_hz.high)] | None
    ) = Field(None, description="receive filter in Hz; default: the sample rate")
    buffer_size: Annotated[int, Field(ge=1024, le=1 << 20)] | None = Field(
        None, description="samples of a buffer; default: a power of 2 of 10 to 20 ms"
    )
    kernel_buffers: Annotated[int, Field(ge=2, le=64)] = Field(
        4, description="buffers that wait in the device, each way"
    )

    @model_validator(mode="after")
    def _gain_is_whose(self) -> Self:
        if self.gain_mode != "manual" and self.gain_rx_db is not None:
            raise ValueError(f"gain_rx_db goes with gain_mode manual, not {self.gain_mode}")
        if self.gain_rx_db is not None:
            problem = gain_range_rx_db(self.freq_hz).problem("gain_rx_db", self.gain_rx_db)
            if problem:
                raise ValueError(f"{problem} at {self.freq_hz / 1e6:g} MHz")
        return self


class PlutoRadio(Radio):
    """A Pluto: sink and source by pyadi-iio or by gr-iio.

    Args:
        config: see :class:`PlutoConfig`.
        numerology: sample rate and antennas.
        corrections: what calibration found of the device; None for nothing.

    Raises:
        RadioConfigError: a rate or a value that the device cannot have.
        RadioOpenError: it is not there, is another one, or does not take a setting.
    """

    name = "pluto"
    Config = PlutoConfig

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, PlutoConfig)
        self._options = config
        problem = AD9361.rate_hz.problem("sample rate", numerology.sample_rate)
        if problem:
            raise RadioConfigError(f"radio 'pluto': {problem}")
        self._size = config.buffer_size or default_buffer_size(numerology.sample_rate)
        self._device = PlutoDevice(
            config.uri, config.serial, numerology.tx_antennas, numerology.rx_antennas
        )
        self._actual: dict[str, Any] = {
            "uri": self._device.uri,
            "model": self._device.model,
            "serial": self._device.serial,
            "firmware": self._device.firmware,
            "chip": self._device.chip,
            "buffer_size": self._size,
            "rate_hz": self._device.set_rate_hz(numerology.sample_rate),
        }
        self._sink: AdiSink | IioSink | None = None
        self._source: AdiSource | IioSource | None = None
        self._off: weakref.finalize[Any, Any] | None = None
        self._watch = StuckWatch()
        self._iio_watch = IioWatch(self._device, self.events)
        self._gone: RadioLostError | None = None
        self._closed = False
        self._taken: tuple[int, float] | None = None
        self._last: tuple[int, int] | None = None
        self._log_state("opened")

    @classmethod
    def serial_number(cls, config: RadioConfig) -> str | None:
        assert isinstance(config, PlutoConfig)
        return PlutoDevice(config.uri, config.serial).serial

    @classmethod
    def switch_off(cls, config: RadioConfig) -> None:
        """Switch the transmitter of a device off, whoever left it on.

        Raises:
            RadioOpenError: the device is not there or refuses.
        """
        assert isinstance(config, PlutoConfig)
        PlutoDevice(config.uri, config.serial).switch_transmitter_off()

    @property
    def sink(self) -> gr.basic_block:
        if self._sink is None:
            self._sink = self._make_sink()
        return self._sink

    def _make_sink(self) -> AdiSink | IioSink:
        config, antennas = self._options, self.numerology.tx_antennas
        gain_db = _LOW_GAIN_TX_DB if config.gain_tx_db is None else config.gain_tx_db
        require_leave_to_transmit(self.name, config, gain_db, self.corrections)
        rate_hz, device = self.numerology.sample_rate, self._device
        self._off = off_at_the_end(self, device, config)
        device.set_kernel_buffers(TX_DATA, config.kernel_buffers)
        self._actual["tx_freq_hz"] = device.set_tx_freq_hz(config.freq_hz)
        self._actual["tx_bandwidth_hz"] = device.set_tx_bandwidth_hz(config.bandwidth_tx_hz)
        scale = full_scale(config.backoff_db, self.numerology)
        sink: AdiSink | IioSink
        if config.backend == "adi":
            sink = AdiSink(device, antennas, rate_hz, scale, self._size, self.events, self._lost_by)
        else:
            sink = IioSink(device.uri, antennas, rate_hz, scale, self._size)
        device.switch_transmitter_on()
        self._actual["gain_tx_db"] = device.set_gain_tx_db(gain_db)
        return sink

    @property
    def source(self) -> gr.basic_block:
        if self._source is None:
            self._source = self._make_source()
        return self._source

    def _make_source(self) -> AdiSource | IioSource:
        config, antennas, device = self._options, self.numerology.rx_antennas, self._device
        rate_hz = self.numerology.sample_rate
        device.set_kernel_buffers(RX_DATA, config.kernel_buffers)
        frequency = config.freq_hz + self.corrections.carrier_hz
        self._actual["rx_freq_hz"] = device.set_rx_freq_hz(frequency)
        self._actual["rx_bandwidth_hz"] = device.set_rx_bandwidth_hz(config.bandwidth_rx_hz)
        gain_db = None
        if config.gain_mode == "manual":
            gain_db = _MIDDLE_GAIN_RX_DB if config.gain_rx_db is None else config.gain_rx_db
        self._actual["gain_rx_db"] = device.set_gain_rx(config.gain_mode, gain_db)
        self._actual["rssi_db"] = device.rssi_db()
        device.require_samples(self._size)
        if config.backend == "iio":
            return IioSource(device.uri, antennas, rate_hz, self._size)
        return AdiSource(
            device,
            antennas,
            rate_hz,
            self._size,
            config.kernel_buffers,
            self.events,
            self._lost_by,
        )

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        return tuple(block for block in (self._sink, self._source) if block is not None)

    def _lost_by(self, error: OSError | str) -> RadioLostError:
        """What is raised as the device is gone; the first reason stands."""
        if self._gone is None:
            self.events.lost_device += 1
            why = error if isinstance(error, str) else error.strerror or str(error)
            self._gone = RadioLostError(
                f"the Pluto at {self._device.uri} is gone ({why}): check its cable and power, and "
                "go on with --resume"
            )
        return self._gone

    def transmitted(self, sent: int) -> bool:
        if self._sink is None or not self._sink.sent(sent):
            return False
        if self._taken is None or self._taken[0] != sent:
            self._taken = sent, time.monotonic()
        in_device = self._options.kernel_buffers * self._size / self.numerology.sample_rate
        return time.monotonic() > self._taken[1] + in_device

    def drained(self, sent: int, received: int) -> bool:
        if self._sink is not None and not self._sink.sent(sent):
            return False
        if self._last is None or self._last[0] != sent:
            self._last = sent, received + self._under_way()
        return received >= self._last[1]

    def _under_way(self) -> int:
        """Samples that may be between sink and receiver."""
        buffers = 2 * self._options.kernel_buffers + 2
        held = self._source.samples_held if isinstance(self._source, AdiSource) else 0
        return buffers * self._size + held

    def check(self) -> None:
        if self._gone is None and not self._closed:
            stuck = self._watch.stuck(self._sink, self._source)
            if stuck:
                raise self._lost_by(stuck)
            self._iio_watch.count(self._sink, self._source)
        if self._gone is not None:
            raise self._gone

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._log_state("closed")
        if self._off is not None:
            self._off()
        self._device.end_streams()

    def _log_state(self, what: str) -> None:
        """Temperature and received power, into the log and the description."""
        state = {"temperature_c": self._device.temperature_c(), "rssi_db": self._device.rssi_db()}
        self._actual.update({f"{key}_when_{what}": value for key, value in state.items()})
        _log.info("Pluto %s at %s %s: %s", self._device.serial, self._device.uri, what, state)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "device": dict(self._actual)}
