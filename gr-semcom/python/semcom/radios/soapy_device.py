# SPDX-License-Identifier: GPL-3.0-or-later
"""A device by SoapySDR: finding it, its limits, its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import Any

from gnuradio.semcom.radios.base import RadioConfigError, RadioLostError, RadioOpenError
from gnuradio.semcom.radios.usrp_api import quiet_uhd

from semcom_phy.exchange import ComplexArray

RECEIVE, TRANSMIT = "receive", "transmit"


def soapy_api() -> ModuleType:
    """SoapySDR's Python API; its log and those of drivers are silent.

    Raises:
        RadioOpenError: it is not there.
    """
    quiet_uhd()  # its driver logs by itself
    try:
        import SoapySDR
    except ImportError as error:
        raise RadioOpenError(
            "SoapySDR cannot be imported: install the package python3-soapysdr"
        ) from error
    if "SOAPY_SDR_LOG_LEVEL" not in os.environ:
        SoapySDR.setLogLevel(SoapySDR.SOAPY_SDR_FATAL)
    module: ModuleType = SoapySDR
    return module


@contextmanager
def errors_of_soapy(kind: type[Exception], what: str) -> Iterator[None]:
    """Have calls of SoapySDR raise errors of ours.

    Args:
        kind: of error.
        what: the beginning of its message.

    Raises:
        Exception: of that kind, where SoapySDR raised one of its own.
    """
    try:
        yield
    except RuntimeError as error:
        raise kind(f"{what}: {error}") from error


def find_device(arguments: str) -> dict[str, str]:
    """The device that SoapySDR's arguments name.

    Args:
        arguments: such as ``driver=lime``; empty for the only one.

    Raises:
        RadioOpenError: there is none, or more than one.
    """
    with errors_of_soapy(RadioOpenError, f"SoapySDR cannot search for '{arguments}'"):
        found = [dict(device) for device in soapy_api().Device.enumerate(arguments)]
    if not found:
        named = f"'{arguments}'" if arguments else "any device"
        raise RadioOpenError(
            f"SoapySDR does not find {named}: look at `SoapySDRUtil --find`, at the device's power "
            "and cable, and whether the package soapysdr-module-... of its driver is installed"
        )
    if len(found) > 1:
        there = "; ".join(_arguments(device) for device in found)
        raise RadioOpenError(f"SoapySDR finds more than one device, choose by --device: {there}")
    return found[0]


class SoapyDevice:
    """An open device, of which gr-soapy opens the same by :attr:`arguments`.

    Args:
        found: as SoapySDR describes it.

    Raises:
        RadioOpenError: it cannot be opened.

    Attributes:
        arguments: that open it.
        name: in words.
    """

    def __init__(self, found: dict[str, str]) -> None:
        api = soapy_api()
        self.arguments = _arguments(found)
        self.name = found.get("label", self.arguments)
        self.found = found
        self._directions = {RECEIVE: api.SOAPY_SDR_RX, TRANSMIT: api.SOAPY_SDR_TX}
        with errors_of_soapy(RadioOpenError, f"SoapySDR cannot open {self.name}"):
            self._device = api.Device(self.arguments)

    def default_gain_db(self, end: str) -> float:
        """The lowest of a transmitter, the middle of a receiver."""
        gains = self._device.getGainRange(self._directions[end], 0)
        low, high = gains.minimum(), gains.maximum()
        return float(low if end == TRANSMIT else (low + high) / 2)

    def set_up(
        self,
        end: str,
        channels: int,
        rate_hz: float,
        freq_hz: float,
        gain_db: float,
        antenna: str | None,
        bandwidth_hz: float | None,
    ) -> dict[str, Any]:
        """Set up one end but for its gain; the settings as read back.

        Args:
            end: :data:`RECEIVE` or :data:`TRANSMIT`.
            channels: the first so many.
            rate_hz: samples a second.
            freq_hz: carrier.
            gain_db: that each channel is to have.
            antenna: None for the device's choice.
            bandwidth_hz: None for the device's choice.

        Raises:
            RadioConfigError: a value out of the device's range.
        """
        device, way = self._device, self._directions[end]
        if channels > device.getNumChannels(way):
            raise RadioConfigError(
                f"radio 'soapy': {channels} antennas to {end}, but {self.name} has "
                f"{device.getNumChannels(way)}: use fewer --antennas"
            )
        for channel in range(channels):
            gains = device.getGainRange(way, channel)
            self._require("--rate", rate_hz, device.getSampleRateRange(way, channel))
            self._require("--freq", freq_hz, device.getFrequencyRange(way, channel))
            self._require(f"--gain-{'tx' if end == TRANSMIT else 'rx'}", gain_db, [gains])
            device.setSampleRate(way, channel, rate_hz)
            device.setFrequency(way, channel, freq_hz)
            if bandwidth_hz is not None:
                self._require("--bandwidth", bandwidth_hz, device.getBandwidthRange(way, channel))
                device.setBandwidth(way, channel, bandwidth_hz)
            if antenna is not None:
                there = device.listAntennas(way, channel)
                if antenna not in there:
                    raise RadioConfigError(
                        f"radio 'soapy': {self.name} has no antenna '{antenna}' to {end}: choose "
                        f"{', '.join(there)}"
                    )
                device.setAntenna(way, channel, antenna)
        actual = self._read_back(way, channels)
        if abs(actual["rate_hz"] - rate_hz) > 1e-6 * rate_hz:
            raise RadioConfigError(
                f"radio 'soapy': {self.name} makes {actual['rate_hz']:.9g} samples a second of the "
                f"{rate_hz:.9g} asked for: choose --rate {actual['rate_hz']:.9g}"
            )
        return actual

    def set_gain(self, end: str, channels: int, gain_db: float) -> list[float]:
        """Set the gain of the first so many channels, none automatic; what was read back."""
        device, way = self._device, self._directions[end]
        for channel in range(channels):
            if device.hasGainMode(way, channel):
                device.setGainMode(way, channel, False)
            device.setGain(way, channel, gain_db)
        return [float(device.getGain(way, channel)) for channel in range(channels)]

    def _require(self, option: str, value: float, ranges: Any) -> None:
        """Check a value against ranges; a device that gives none takes anything."""
        spans = [(span.minimum(), span.maximum()) for span in ranges]
        if spans and not any(low <= value <= high for low, high in spans):
            there = ", ".join(f"{low:g} to {high:g}" for low, high in spans)
            raise RadioConfigError(
                f"radio 'soapy': {option} {value:g} is out of range of {self.name}: choose {there}"
            )

    def _read_back(self, way: int, channels: int) -> dict[str, Any]:
        device, each = self._device, range(channels)
        return {
            "rate_hz": device.getSampleRate(way, 0),
            "freq_hz": [device.getFrequency(way, channel) for channel in each],
            "gain_db": [device.getGain(way, channel) for channel in each],
            "antenna": [device.getAntenna(way, channel) for channel in each],
            "bandwidth_hz": [device.getBandwidth(way, channel) for channel in each],
        }

    def set_clock_source(self, source: str) -> None:
        """Choose the reference clock.

        Raises:
            RadioConfigError: there is no such.
        """
        there = self._device.listClockSources()
        if source not in there:
            raise RadioConfigError(
                f"radio 'soapy': {self.name} has no clock '{source}', there is: "
                f"{', '.join(there) or 'none to choose'}"
            )
        self._device.setClockSource(source)

    def open_transmit_stream(self, channels: int) -> TransmitStream:
        """A stream of the first so many channels.

        Raises:
            RuntimeError: the device has no such.
        """
        return TransmitStream(self._device, list(range(channels)))

    def turn_off(self) -> None:
        """Lowest gain on all transmitters."""
        way = self._directions[TRANSMIT]
        for channel in range(self._device.getNumChannels(way)):
            self._device.setGain(way, channel, self._device.getGainRange(way, channel).minimum())


class TransmitStream:
    """Samples to a device.

    Args:
        device: of SoapySDR's API.
        channels: that send.

    Raises:
        RuntimeError: the device has no such stream.
    """

    def __init__(self, device: Any, channels: list[int]) -> None:
        api = soapy_api()
        self._api, self._device = api, device
        self._stream = device.setupStream(api.SOAPY_SDR_TX, api.SOAPY_SDR_CF32, channels)
        self._timed = device.hasHardwareTime()
        self._has_status = True

    def activate(self) -> None:
        """Begin.

        Raises:
            RadioLostError: the device does not.
        """
        with self._asked():
            code = self._device.activateStream(self._stream)
        if code != 0:
            raise RadioLostError(f"the device does not begin to send: {self._api.errToStr(code)}")

    def deactivate(self) -> None:
        """End.

        Raises:
            RadioLostError: the device does not answer.
        """
        with self._asked():
            self._device.deactivateStream(self._stream)

    def _asked(self) -> AbstractContextManager[None]:
        return errors_of_soapy(RadioLostError, "the device does not answer any more")

    def write(
        self, pieces: Sequence[ComplexArray], lead_ns: int | None, ends: bool, wait_us: int
    ) -> int:
        """Write samples; how many the device took.

        Args:
            pieces: an array a channel.
            lead_ns: of a burst that begins: how long ahead of the device's clock, if it has one.
            ends: the last sample is the burst's.
            wait_us: for room.

        Raises:
            RadioLostError: the device takes none any more.
        """
        api, device = self._api, self._device
        flags = api.SOAPY_SDR_END_BURST if ends else 0
        time_ns = 0
        count = len(pieces[0])
        with self._asked():
            if lead_ns is not None and self._timed:
                flags |= api.SOAPY_SDR_HAS_TIME
                time_ns = device.getHardwareTime() + lead_ns
            taken = device.writeStream(self._stream, pieces, count, flags, time_ns, wait_us).ret
        if taken >= 0 or taken in (api.SOAPY_SDR_TIMEOUT, api.SOAPY_SDR_UNDERFLOW):
            return max(int(taken), 0)
        raise RadioLostError(f"the device takes no samples any more: {api.errToStr(taken)}")

    def status(self) -> tuple[int, int]:
        """Underflows and late bursts that the device has told of since this was last asked.

        Raises:
            RadioLostError: the device does not answer.
        """
        counts = {self._api.SOAPY_SDR_UNDERFLOW: 0, self._api.SOAPY_SDR_TIME_ERROR: 0}
        while self._has_status:
            with self._asked():
                told = self._device.readStreamStatus(self._stream, 0).ret
            if told == self._api.SOAPY_SDR_TIMEOUT:
                break
            self._has_status = told != self._api.SOAPY_SDR_NOT_SUPPORTED
            if told in counts:
                counts[told] += 1
        return (
            counts[self._api.SOAPY_SDR_UNDERFLOW],
            counts[self._api.SOAPY_SDR_TIME_ERROR],
        )


def _arguments(found: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in found.items())
