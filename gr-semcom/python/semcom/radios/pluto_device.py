# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a Pluto by pyadi-iio, each of them read back and compared."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable
from typing import Any

from gnuradio.semcom.radios.base import RadioConfigError, RadioOpenError
from gnuradio.semcom.radios.pluto_discovery import library, open_pluto, serial_of
from gnuradio.semcom.radios.pluto_limits import Range, chip_limits

RX_DATA = "cf-ad9361-lpc"
TX_DATA = "cf-ad9361-dds-core-lpc"
_STATUS = 0x80000088
_TX_UNDERFLOW, _RX_OVERFLOW = 1, 4
_FREQ_TOLERANCE_HZ = 16  # the synthesisers' steps at 6 GHz are a few Hz
_RATE_TOLERANCE = 1e-5
_BANDWIDTH_TOLERANCE = 0.01
_GAIN_TX_TOLERANCE_DB = 0.25  # a step
_GAIN_RX_TOLERANCE_DB = 1.0  # a step

_GONE = {errno.ETIMEDOUT, errno.EPIPE, errno.ENODEV, errno.ECONNRESET, errno.EBADF, errno.EIO}


class PlutoDevice:
    """A Pluto, or another board with an AD9361, AD9363 or AD9364.

    Args:
        uri, serial: see :func:`gnuradio.semcom.radios.pluto_discovery.open_pluto`.
        tx_antennas, rx_antennas: to be used, 1 or 2.

    Attributes:
        adi: pyadi-iio's object, which streams too.
        uri: by which it was opened.
        model, serial, firmware, chip: as it says itself.
        limits: of its chip.

    Raises:
        RadioOpenError: it is not there or not what was asked for.
    """

    def __init__(
        self, uri: str | None, serial: str | None, tx_antennas: int = 1, rx_antennas: int = 1
    ) -> None:
        self.uri, context = open_pluto(uri, serial)
        self.context = context
        self.serial = serial_of(context)
        self.model = str(context.attrs.get("hw_model", "AD936x"))
        self.firmware = str(context.attrs.get("fw_version", "unknown"))
        self.chip = str(context.attrs.get("ad9361-phy,model", "ad9361"))
        self._phy = context.find_device("ad9361-phy")
        self._tx_antennas, self._rx_antennas = tx_antennas, rx_antennas
        self._require_channels()
        two = max(tx_antennas, rx_antennas) == 2
        adi = library("adi")
        kind = adi.ad9361 if two else adi.Pluto
        self.adi = kind(uri_ctx=context)
        # Left to Python, the context may go before its buffers, and libiio crashes.
        self._streams = weakref.finalize(self, _end_streams, self.adi)
        self.adi.tx_enabled_channels = list(range(tx_antennas))
        self.adi.rx_enabled_channels = list(range(rx_antennas))
        self.limits = chip_limits(self.chip)

    def _require_channels(self) -> None:
        for data, output, antennas in (
            (RX_DATA, False, self._rx_antennas),
            (TX_DATA, True, self._tx_antennas),
        ):
            device = self.context.find_device(data)
            wanted = [f"voltage{i}" for i in range(2 * antennas)]
            if any(device.find_channel(name, output) is None for name in wanted):
                raise RadioOpenError(
                    f"the device at {self.uri} ({self.model}, {self.chip}, firmware "
                    f"{self.firmware}) has one antenna each way, and two are asked: on a Pluto of "
                    "revision C or later `fw_setenv mode 2r2t` and a restart give it two"
                )

    def gain_range_rx_db(self) -> Range:
        """Of the receiver at the frequency it is tuned to."""
        return self._available(self.limits.gain_rx_db, "voltage0", False, "hardwaregain_available")

    def _available(self, otherwise: Range, channel: str, output: bool, attribute: str) -> Range:
        text = self._read(self._phy.find_channel(channel, output), attribute)
        return otherwise if text is None else otherwise.as_read(text)

    @staticmethod
    def _read(of: Any, attribute: str) -> str | None:
        """An attribute of a channel; None where there is none or it cannot be read now."""
        if of is None or attribute not in of.attrs:
            return None
        try:
            return str(of.attrs[attribute].value)
        except OSError:
            return None

    def set_rate_hz(self, rate_hz: float) -> float:
        """Choose the sample rate of both directions; what was read back.

        Below 25 MHz / 12 the chip's FIR filter decimates, which pyadi-iio sees to. A device that
        has the rate already is left alone: another program may be sending with it.
        """
        self._require("sample rate", self.limits.rate_hz, rate_hz)
        asked, tolerance = round(rate_hz), max(1.0, rate_hz * _RATE_TOLERANCE)
        enabled = self._read(self._phy.find_channel("out", False), "voltage_filter_fir_en")
        same = enabled == "1" and abs(self._rate_hz() - asked) <= tolerance
        return self._set("sample_rate", asked, "sample rate", "S/s", tolerance, write=not same)

    def _rate_hz(self) -> float:
        try:
            return float(self.adi.sample_rate)
        except OSError as error:
            raise RadioOpenError(
                f"the device at {self.uri} does not tell its sample rate: {error.strerror or error}"
            ) from error

    def set_tx_freq_hz(self, freq_hz: float) -> float:
        """Tune the transmitter; what was read back."""
        return self._tune("tx_lo", "transmit frequency", "altvoltage1", freq_hz)

    def set_rx_freq_hz(self, freq_hz: float) -> float:
        """Tune the receiver; what was read back."""
        return self._tune("rx_lo", "receive frequency", "altvoltage0", freq_hz)

    def _tune(self, name: str, what: str, channel: str, freq_hz: float) -> float:
        limits = self._available(self.limits.freq_hz, channel, True, "frequency_available")
        self._require(what, limits, freq_hz)
        return self._set(name, round(freq_hz), what, "Hz", _FREQ_TOLERANCE_HZ)

    def set_tx_bandwidth_hz(self, bandwidth_hz: float | None) -> float:
        """Choose the transmitter's analogue filter, None for the sample rate; what was read."""
        return self._filter("tx_rf_bandwidth", "transmit bandwidth", True, bandwidth_hz)

    def set_rx_bandwidth_hz(self, bandwidth_hz: float | None) -> float:
        """Choose the receiver's analogue filter, None for the sample rate; what was read."""
        return self._filter("rx_rf_bandwidth", "receive bandwidth", False, bandwidth_hz)

    def _filter(self, name: str, what: str, output: bool, bandwidth_hz: float | None) -> float:
        limits = self._available(
            self.limits.bandwidth_hz, "voltage0", output, "rf_bandwidth_available"
        )
        if bandwidth_hz is None:
            bandwidth_hz = min(max(self._rate_hz(), limits.low), limits.high)
        self._require(what, limits, bandwidth_hz)
        value, tolerance = round(bandwidth_hz), bandwidth_hz * _BANDWIDTH_TOLERANCE
        return self._set(name, value, what, "Hz", tolerance)

    def set_gain_tx_db(self, gain_db: float) -> float:
        """Set all transmit antennas' gain, not above 0 dB; what was read back of the last."""
        self._require("transmit gain", self.limits.gain_tx_db, gain_db)
        got = gain_db
        for antenna in range(self._tx_antennas):
            name = f"tx_hardwaregain_chan{antenna}"
            got = self._set(name, float(gain_db), "transmit gain", "dB", _GAIN_TX_TOLERANCE_DB)
        return got

    def set_gain_rx(self, mode: str, gain_db: float | None) -> float | None:
        """Set all receive antennas' gain.

        Args:
            mode: of gain control, as the driver names it.
            gain_db: in mode ``manual``; else None.

        Returns:
            What was read back of the last antenna's gain; None where the device chooses it.
        """
        got = None
        for antenna in range(self._rx_antennas):
            self._set_text(f"gain_control_mode_chan{antenna}", mode, "gain mode")
            if gain_db is not None:
                self._require("receive gain", self.gain_range_rx_db(), gain_db)
                name = f"rx_hardwaregain_chan{antenna}"
                got = self._set(name, float(gain_db), "receive gain", "dB", _GAIN_RX_TOLERANCE_DB)
        return got

    def set_kernel_buffers(self, data: str, count: int) -> None:
        """Choose how many buffers wait in the device, before a stream of ``data`` is opened.

        Nothing tells how many there are.
        """
        device = self.context.find_device(data)
        self._try("kernel buffers", str(count), lambda: device.set_kernel_buffers_count(count))

    def require_samples(self, buffer_size: int) -> None:
        """Receive one buffer, to find out whether the device gives any.

        Args:
            buffer_size: of pyadi-iio's buffers from now on.

        Raises:
            RadioOpenError: it does not.
        """
        self.adi.rx_buffer_size = buffer_size
        try:
            self.adi.rx()
        except OSError as error:
            raise RadioOpenError(
                f"the device at {self.uri} gives no samples: {error.strerror or error}: end other "
                "programs that use it, or restart it"
            ) from without_frames(error)
        self.adi.rx_destroy_buffer()

    def switch_transmitter_on(self) -> None:
        """Give the transmitters their carrier."""
        self._power_tx_lo(down=False)

    def switch_transmitter_off(self) -> None:
        """Take the carrier away, attenuate all antennas most, silence tones.

        Goes through all of it even if the device refuses some.

        Raises:
            RadioOpenError: the device refused something, or is gone.
        """
        problems: list[OSError] = []
        for step in (lambda: self._power_tx_lo(down=True), self._attenuate, self.adi.disable_dds):
            try:
                step()
            except OSError as error:
                problems.append(error)
                if _is_gone(error):
                    break
        if problems:
            raise RadioOpenError(f"cannot switch the transmitter off: {problems[0]}")

    def _attenuate(self) -> None:
        for antenna in range(2):
            channel = self._phy.find_channel(f"voltage{antenna}", True)
            if channel is not None and "hardwaregain" in channel.attrs:
                channel.attrs["hardwaregain"].value = str(self.limits.gain_tx_db.low)

    def end_streams(self) -> None:
        """End pyadi-iio's streams for good, once no thread uses them; safe to call twice."""
        self._streams()

    def _power_tx_lo(self, down: bool) -> None:
        attribute = self._phy.find_channel("altvoltage1", True).attrs["powerdown"]
        asked = "1" if down else "0"

        def write() -> str:
            attribute.value = asked
            return str(attribute.value).strip()

        what = "power-down of the transmitter's carrier"
        self._same(what, asked, self._try(what, asked, write))

    def _require(self, what: str, limits: Range, value: float) -> None:
        problem = limits.problem(what, value)
        if problem:
            raise RadioConfigError(
                f"radio 'pluto': {problem} on this device ({self.model}, {self.chip})"
            )

    def _set(
        self, name: str, value: float, what: str, unit: str, tolerance: float, write: bool = True
    ) -> float:
        """Write a number by pyadi-iio, and read it back."""
        asked = f"{value:g} {unit}" if unit == "dB" else f"{value:d} {unit}"
        if write:
            self._try(what, asked, lambda: setattr(self.adi, name, value))
        got = float(self._try(what, asked, lambda: getattr(self.adi, name)))
        if not abs(got - value) <= tolerance:
            self._same(what, asked, f"{got:.10g} {unit}")
        return got

    def _set_text(self, name: str, value: str, what: str) -> None:
        self._try(what, value, lambda: setattr(self.adi, name, value))
        self._same(what, value, str(self._try(what, value, lambda: getattr(self.adi, name))))

    def _try(self, what: str, asked: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except OSError as error:
            raise RadioOpenError(
                f"the device at {self.uri} did not take {what} {asked}: {error.strerror or error}"
            ) from error

    def _same(self, what: str, asked: str, got: str) -> None:
        if asked != got:
            raise RadioOpenError(f"{what}: asked {asked}, the device at {self.uri} has {got}")

    def temperature_c(self) -> float | None:
        """Of the chip; None where it does not say."""
        text = self._read(self._phy.find_channel("temp0", False), "input")
        return None if text is None else float(text) / 1000

    def rssi_db(self) -> list[float]:
        """Of each receive antenna, dB below full scale of the receiver; empty where not told."""
        found = []
        for antenna in range(self._rx_antennas):
            text = self._read(self._phy.find_channel(f"voltage{antenna}", False), "rssi")
            if text is not None:
                found.append(float(text.split()[0]))
        return found

    def took_overflow(self) -> bool | None:
        """Whether samples were lost since this was last asked; None where it is not told."""
        return self._took(RX_DATA, _RX_OVERFLOW)

    def took_underflow(self) -> bool | None:
        """Whether the transmitter ran dry since this was last asked; None where not told."""
        return self._took(TX_DATA, _TX_UNDERFLOW)

    def _took(self, data: str, bit: int) -> bool | None:
        """A bit of the status register of a data device, which writing it clears."""
        device = self.context.find_device(data)
        try:
            if not device.reg_read(_STATUS) & bit:
                return False
            device.reg_write(_STATUS, bit)
        except OSError:
            return None
        return True


def without_frames(error: OSError) -> OSError:
    """An error of a stream, fit to be a cause.

    The frames of its traceback hold pylibiio's buffer. Whoever keeps what is raised would keep the
    buffer until its context is gone, and libiio crashes.
    """
    return error.with_traceback(None)


def _end_streams(device: Any) -> None:
    device.rx_destroy_buffer()
    device.tx_destroy_buffer()


def _is_gone(error: OSError) -> bool:
    """Whether nothing else that is asked of the device can succeed."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return cause.errno in _GONE
