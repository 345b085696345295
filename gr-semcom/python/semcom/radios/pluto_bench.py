# SPDX-License-Identifier: GPL-3.0-or-later
"""A Pluto on the bench, see :class:`gnuradio.semcom.radios.bench.Bench`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from gnuradio.semcom.radios.base import RadioConfig, RadioLostError
from gnuradio.semcom.radios.bench import GainRange
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.device import require_leave_to_transmit
from gnuradio.semcom.radios.pluto import PlutoConfig
from gnuradio.semcom.radios.pluto_device import RX_DATA, PlutoDevice, without_frames
from gnuradio.semcom.radios.pluto_limits import default_buffer_size
from gnuradio.semcom.radios.pluto_stream import ADC_FULL_SCALE, to_converter
from gnuradio.semcom.radios.pluto_switch_off import off_at_the_end

from semcom_phy.exchange import ComplexArray

_KERNEL_BUFFERS = 16
_SETTLE_S = 0.02
"""Thrown away after each change of a setting: tracking loops and filters."""
_START_S = 0.1
"""From when samples are given to the transmitter to when it sends them, at most."""


class PlutoBench:
    """A Pluto that plays and captures by pyadi-iio.

    Args:
        config: its options, of which gains are ignored: the lowest are set.
        rate_hz: sample rate.
        tx_antennas, rx_antennas: to be used.
        corrections: with the limits of the device's profiles.

    Raises:
        RadioConfigError: no leave to transmit, or a value that the device cannot have.
        RadioOpenError: it is not there, or does not take a setting.
    """

    radio = "pluto"

    def __init__(
        self,
        config: PlutoConfig,
        rate_hz: float,
        tx_antennas: int,
        rx_antennas: int,
        corrections: Corrections,
    ) -> None:
        self._device = PlutoDevice(config.uri, config.serial, tx_antennas, rx_antennas)
        device, limits = self._device, self._device.limits
        self.model, self.serial = device.model, device.serial
        self.tx_antennas, self.rx_antennas = tx_antennas, rx_antennas
        require_leave_to_transmit(self.radio, config, limits.gain_tx_db.low, corrections)
        self._off = off_at_the_end(self, device, config)
        self.rate_hz = device.set_rate_hz(rate_hz)
        device.set_tx_bandwidth_hz(config.bandwidth_tx_hz)
        device.set_rx_bandwidth_hz(config.bandwidth_rx_hz)
        device.set_kernel_buffers(RX_DATA, _KERNEL_BUFFERS)
        self.set_freq_hz(config.freq_hz, config.freq_hz)
        gains = device.gain_range_rx_db()
        self.gain_tx = GainRange(limits.gain_tx_db.low, limits.gain_tx_db.high, 0.25)
        self.gain_rx = GainRange(gains.low, gains.high, 1.0)
        device.set_gain_rx("manual", gains.low)
        device.require_samples(default_buffer_size(self.rate_hz))
        device.switch_transmitter_on()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._off()
        self._device.end_streams()

    @property
    def freq_hz(self) -> float:
        return float(self._device.adi.tx_lo)

    def set_freq_hz(self, tx_hz: float, rx_hz: float) -> None:
        self._device.set_tx_freq_hz(tx_hz)
        self._device.set_rx_freq_hz(rx_hz)

    def set_gain_tx_db(self, gain_db: float) -> float:
        return self._device.set_gain_tx_db(gain_db)

    def set_gain_rx_db(self, gain_db: float) -> float:
        got = self._device.set_gain_rx("manual", gain_db)
        assert got is not None
        return got

    def temperature_c(self) -> float | None:
        return self._device.temperature_c()

    def capture(self, samples: int) -> ComplexArray:
        heard = self._hear()
        self._take(heard, round(_SETTLE_S * self.rate_hz))
        return self._take(heard, samples)

    def exchange(self, sent: ComplexArray, samples: int) -> ComplexArray:
        heard = self._hear()
        self._take(heard, round(_SETTLE_S * self.rate_hz))
        self._send(sent)
        found = self._take(heard, samples + round(_START_S * self.rate_hz))
        self._device.adi.tx_destroy_buffer()
        start = _loudest(found, sent.shape[1]) - (samples - sent.shape[1]) // 2
        start = min(max(start, 0), found.shape[1] - samples)
        return found[:, start : start + samples]

    def _send(self, sent: ComplexArray) -> None:
        whole = to_converter(sent)
        try:
            self._device.adi.tx(whole[0] if self.tx_antennas == 1 else list(whole))
        except OSError as error:
            raise self._lost(error) from without_frames(error)

    def _hear(self) -> Iterator[ComplexArray]:
        """Buffers ``[antennas, n]`` from now on, without gaps."""
        self._device.adi.rx_destroy_buffer()
        while True:
            try:
                heard = np.asarray(self._device.adi.rx(), np.complex64)
            except OSError as error:
                raise self._lost(error) from without_frames(error)
            yield heard.reshape(self.rx_antennas, -1) / np.float32(ADC_FULL_SCALE)

    @staticmethod
    def _take(heard: Iterator[ComplexArray], samples: int) -> ComplexArray:
        pieces: list[ComplexArray] = []
        while sum(piece.shape[1] for piece in pieces) < samples:
            pieces.append(next(heard))
        return np.concatenate(pieces, axis=1)[:, :samples]

    def _lost(self, error: OSError) -> RadioLostError:
        return RadioLostError(
            f"the Pluto at {self._device.uri} is gone ({error.strerror or error}): check its cable "
            "and power"
        )


def _loudest(samples: ComplexArray, length: int) -> int:
    """Where the ``length`` samples of most power begin in ``[antennas, n]``."""
    power = np.sum(np.abs(samples - samples.mean(axis=1, keepdims=True)) ** 2, axis=0)
    total = np.cumsum(np.append(0.0, power.astype(np.float64)))
    return int(np.argmax(total[length:] - total[:-length]))


def open_bench(
    config: RadioConfig,
    rate_hz: float,
    tx_antennas: int,
    rx_antennas: int,
    corrections: Corrections | None = None,
) -> PlutoBench:
    """Open a Pluto for calibration, its transmitter at its lowest gain."""
    assert isinstance(config, PlutoConfig)
    return PlutoBench(config, rate_hz, tx_antennas, rx_antennas, corrections or Corrections())
