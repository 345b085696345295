# SPDX-License-Identifier: GPL-3.0-or-later
"""A USRP on the bench, by UHD's own Python API; its process cannot have a ``UsrpRadio`` too."""

from __future__ import annotations

import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Self

import numpy as np
from gnuradio.semcom.radios.base import (
    RadioConfig,
    RadioConfigError,
    RadioLostError,
    RadioOpenError,
)
from gnuradio.semcom.radios.bench import Bench, GainRange
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.device import require_leave_to_transmit
from gnuradio.semcom.radios.transmit_guardian import TransmitGuardian
from gnuradio.semcom.radios.usrp_api import uhd_api
from gnuradio.semcom.radios.usrp_checks import (
    errors_of_uhd,
    require,
    require_one_of,
    require_rate,
    set_clocks,
)
from gnuradio.semcom.radios.usrp_config import UsrpConfig, choose_usrp, device_address, find_usrp

from semcom_phy.exchange import ComplexArray

_SETTLE_S = 0.02
_LEAD_S = 0.05
_PATIENCE_S = 3.0
_TRIES = 3


def open_device(address: str) -> Any:
    """A ``MultiUSRP``.

    Raises:
        RadioOpenError: it cannot be opened.
    """
    with errors_of_uhd(RadioOpenError, f"USRP ({address})", address):
        return uhd_api().usrp.MultiUSRP(address)


def turn_off(device: Any) -> None:
    """Lowest transmit gain on all channels of a ``MultiUSRP``."""
    for channel in range(device.get_tx_num_channels()):
        device.set_tx_gain(device.get_tx_gain_range(channel).start(), channel)


def _turn_off_for_good(device: Any, guardian: TransmitGuardian) -> None:
    try:
        turn_off(device)
    except RuntimeError:  # it is gone: the guardian tries when this program has ended
        return
    guardian.dismiss()


def switch_off(config: UsrpConfig) -> None:
    """Open a device anew and turn its transmitters off.

    Raises:
        RadioOpenError: it cannot be opened, or does not answer.
    """
    address = device_address(config, find_usrp(config))
    device = open_device(address)
    with errors_of_uhd(RadioOpenError, f"USRP ({address})", address):
        turn_off(device)


class UsrpBench(Bench):
    """See :class:`gnuradio.semcom.radios.bench.Bench`; both ends are timed by one clock.

    Args:
        config: of the device, of which the transmit gain is ignored: the lowest is set.
        rate_hz: samples a second.
        tx_antennas, rx_antennas: that are used.
        corrections: with the limits of the device's profiles.

    Raises:
        RadioConfigError: an option out of the device's range, or no leave to transmit.
        RadioOpenError: no such device, it cannot be opened, or does not lock to its clock.
        RadioLostError: it went, as from any method, or is too slow.
    """

    radio = "usrp"

    def __init__(
        self,
        config: UsrpConfig,
        rate_hz: float,
        tx_antennas: int,
        rx_antennas: int,
        corrections: Corrections,
    ) -> None:
        chosen = choose_usrp(config, rate_hz, tx_antennas, rx_antennas)
        require_leave_to_transmit(self.radio, config, chosen.gain_tx_db, corrections)
        self._config, self._uhd = config, uhd_api()
        self.tx_antennas, self.rx_antennas = tx_antennas, rx_antennas
        self._device = open_device(chosen.address)
        found = chosen.found
        self.model = found.get("product", chosen.model.name)
        self.serial = found.get("serial", "")
        own = config.model_copy(update={"serial": self.serial or config.serial})
        guardian = TransmitGuardian(self.radio, own)
        self._close = weakref.finalize(self, _turn_off_for_good, self._device, guardian)
        with errors_of_uhd(RadioConfigError, "radio 'usrp'", chosen.address):
            self._set_up(rate_hz)
            self.gain_tx = _gain_range(self._device.get_tx_gain_range(0))
            self.gain_rx = _gain_range(self._device.get_rx_gain_range(0))
            self.rate_hz = float(self._device.get_rx_rate(0))
            self._transmitter = self._device.get_tx_stream(self._stream(tx_antennas))
            self._receiver = self._device.get_rx_stream(self._stream(rx_antennas))
        self.set_freq_hz(config.freq_hz, config.freq_hz)
        self.set_gain_rx_db(chosen.gain_rx_db)
        self.set_gain_tx_db(self.gain_tx.low)

    def _set_up(self, rate_hz: float) -> None:
        device, config = self._device, self._config
        set_clocks(device, config.clock_source, config.time_source)
        if config.subdevice is not None:
            subdevice = self._uhd.usrp.SubdevSpec(config.subdevice)
            device.set_tx_subdev_spec(subdevice)
            device.set_rx_subdev_spec(subdevice)
        device.set_tx_rate(rate_hz)
        device.set_rx_rate(rate_hz)
        self._set_up_end("tx", self.tx_antennas, rate_hz, config.antenna_tx)
        self._set_up_end("rx", self.rx_antennas, rate_hz, config.antenna_rx)

    def _set_up_end(self, way: str, antennas: int, rate_hz: float, connector: str | None) -> None:
        """Check and set up ``tx`` or ``rx``."""

        def end(name: str) -> Any:
            return getattr(self._device, name.format(way))

        there = end("get_{}_num_channels")()
        if antennas > there:
            raise RadioConfigError(
                f"radio 'usrp': {antennas} antennas at one end, but the device has {there}: use "
                "fewer --antennas, or another --subdevice"
            )
        require_rate(end("get_{}_rate")(0), rate_hz)
        freq_hz, bandwidth_hz = self._config.freq_hz, self._config.bandwidth_hz
        for channel in range(antennas):
            require(end("get_{}_freq_range")(channel), freq_hz, "--freq")
            if connector is not None:
                require_one_of(end("get_{}_antennas")(channel), connector, f"--antenna-{way}")
                end("set_{}_antenna")(connector, channel)
            if bandwidth_hz is not None:
                require(end("get_{}_bandwidth_range")(channel), bandwidth_hz, "--bandwidth")
                end("set_{}_bandwidth")(bandwidth_hz, channel)

    def _stream(self, antennas: int) -> Any:
        arguments = self._uhd.usrp.StreamArgs("fc32", self._config.otw_format)
        arguments.channels = list(range(antennas))
        return arguments

    def _asked(self) -> AbstractContextManager[None]:
        """Around every call of a device that was set up: what UHD raises now is its loss."""
        return errors_of_uhd(RadioLostError, f"{self.model} does not answer any more")

    @property
    def freq_hz(self) -> float:
        with self._asked():
            return float(self._device.get_rx_freq(0))

    def set_freq_hz(self, tx_hz: float, rx_hz: float) -> None:
        request = self._uhd.types.TuneRequest
        with self._asked():
            for channel in range(self.tx_antennas):
                self._device.set_tx_freq(request(tx_hz), channel)
            for channel in range(self.rx_antennas):
                self._device.set_rx_freq(request(rx_hz), channel)

    def set_gain_tx_db(self, gain_db: float) -> float:
        with self._asked():
            for channel in range(self.tx_antennas):
                self._device.set_tx_gain(gain_db, channel)
            return float(self._device.get_tx_gain(0))

    def set_gain_rx_db(self, gain_db: float) -> float:
        with self._asked():
            for channel in range(self.rx_antennas):
                self._device.set_rx_gain(gain_db, channel)
            return float(self._device.get_rx_gain(0))

    def temperature_c(self) -> float | None:
        with self._asked():
            if "temp" not in self._device.get_rx_sensor_names(0):
                return None
            return float(self._device.get_rx_sensor("temp", 0).to_real())

    def capture(self, samples: int) -> ComplexArray:
        for _ in range(_TRIES):
            heard = self._receive(self._in(_SETTLE_S), samples)
            if heard is not None:
                return heard
        raise self._too_slow("receive")

    def exchange(self, sent: ComplexArray, samples: int) -> ComplexArray:
        for _ in range(_TRIES):
            begin_s = self._in(_LEAD_S)
            with ThreadPoolExecutor(1) as sender:
                sending = sender.submit(self._send, sent, begin_s)
                heard = self._receive(begin_s, samples)
                sending.result()
            if self._was_sent() and heard is not None:
                return heard
        raise self._too_slow("send")

    def _in(self, seconds: float) -> float:
        """A time of the device, so far ahead."""
        with self._asked():
            return float(self._device.get_time_now().get_real_secs()) + seconds

    def _too_slow(self, what: str) -> RadioLostError:
        return RadioLostError(
            f"{self.model} did not {what} in time, {_TRIES} times: use a lower rate"
        )

    def _receive(self, begin_s: float, samples: int) -> ComplexArray | None:
        """``samples`` of the receiver from a time of the device; None where that was over."""
        types = self._uhd.types
        command = types.StreamCMD(types.StreamMode.num_done)
        command.num_samps = samples
        command.stream_now = False
        command.time_spec = types.TimeSpec(begin_s)
        with self._asked():
            self._receiver.issue_stream_cmd(command)
        heard = np.zeros((self.rx_antennas, samples), np.complex64)
        taken, metadata, code = 0, types.RXMetadata(), types.RXMetadataErrorCode
        deadline = time.monotonic() + _PATIENCE_S + 2 * samples / self.rate_hz
        while taken < samples:
            piece = np.zeros((self.rx_antennas, samples - taken), np.complex64)
            with self._asked():
                count = self._receiver.recv(piece, metadata, 0.5)
            heard[:, taken : taken + count] = piece[:, :count]
            taken += count
            if metadata.error_code == code.late:
                self._let_pass(deadline)
                return None
            if metadata.error_code not in (code.none, code.timeout):
                raise RadioLostError(
                    f"{self.model} dropped samples ({metadata.strerror()}): use a lower rate"
                )
            if time.monotonic() > deadline:
                raise RadioLostError(
                    f"{self.model} gives no samples ({metadata.strerror()}): look at its power "
                    "and cable"
                )
        return heard

    def _let_pass(self, deadline: float) -> None:
        """Take what a late command left behind: every channel says that it was late."""
        types = self._uhd.types
        piece, metadata = np.zeros((self.rx_antennas, 1000), np.complex64), types.RXMetadata()
        while time.monotonic() < deadline:
            with self._asked():
                self._receiver.recv(piece, metadata, 0.1)
            if metadata.error_code == types.RXMetadataErrorCode.timeout:
                return

    def _send(self, sent: ComplexArray, begin_s: float) -> None:
        """One burst at a time of the device."""
        metadata = self._uhd.types.TXMetadata()
        metadata.start_of_burst = metadata.end_of_burst = metadata.has_time_spec = True
        metadata.time_spec = self._uhd.types.TimeSpec(begin_s)
        timeout_s = _PATIENCE_S + sent.shape[1] / self.rate_hz
        with self._asked():
            self._transmitter.send(np.ascontiguousarray(sent, np.complex64), metadata, timeout_s)

    def _was_sent(self) -> bool:
        """Whether nothing was late or missing of the last burst."""
        code = self._uhd.types.TXMetadataEventCode
        message, whole = self._uhd.types.TXAsyncMetadata(), True
        with self._asked():
            while self._transmitter.recv_async_msg(message, 0.1):
                if message.event_code == code.burst_ack:
                    return whole
                whole = False
        return whole

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()


def _gain_range(limits: Any) -> GainRange:
    return GainRange(limits.start(), limits.stop(), limits.step())


def open_bench(
    config: RadioConfig,
    rate_hz: float,
    tx_antennas: int,
    rx_antennas: int,
    corrections: Corrections | None = None,
) -> Bench:
    """A bench, see :data:`gnuradio.semcom.radios.bench.OpenBench`.

    Raises:
        RadioConfigError: an option out of range.
        RadioOpenError: no such device.
    """
    assert isinstance(config, UsrpConfig)
    return UsrpBench(config, rate_hz, tx_antennas, rx_antennas, corrections or Corrections())
