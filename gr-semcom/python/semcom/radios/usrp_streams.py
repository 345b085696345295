# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a USRP in a flowgraph, set up and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gnuradio import gr
from gnuradio.semcom.radios.base import RadioConfigError, RadioLostError, RadioOpenError
from gnuradio.semcom.radios.gap_filler import GapFiller, samples_of_a_pause
from gnuradio.semcom.radios.usrp_api import gr_uhd
from gnuradio.semcom.radios.usrp_blocks import UsrpReceiveEnd, UsrpTransmitEnd
from gnuradio.semcom.radios.usrp_burst_timer import BurstTimer
from gnuradio.semcom.radios.usrp_checks import (
    errors_of_uhd,
    require,
    require_one_of,
    require_rate,
    set_clocks,
)
from gnuradio.semcom.radios.usrp_events import UsrpEvents

_SENSORS = {"temp": "temperature_c", "rssi": "rssi_db"}


@dataclass(frozen=True)
class UsrpSettings:
    """What one end of a USRP is set to.

    Attributes:
        address: UHD's device arguments; both ends of a device must have the same.
        channels: antennas that are used, the first so many.
        rate_hz: samples a second.
        freq_hz: carrier.
        gain_db: of every channel.
        antenna: its connector; None for the device's own choice.
        bandwidth_hz: of the analogue filter; None for the device's own choice.
        subdevice: which front ends are the channels; None for the device's own choice.
        clock_source, time_source: None for the device's own choice.
        otw_format: of samples on the wire.
        backend: what streams: ``gr-uhd``, or ``uhd`` for our own blocks on UHD's Python API.
    """

    address: str
    channels: int
    rate_hz: float
    freq_hz: float
    gain_db: float
    antenna: str | None
    bandwidth_hz: float | None
    subdevice: str | None
    clock_source: str | None
    time_source: str | None
    otw_format: str
    backend: str


class UsrpSink(gr.hier_block2):  # type: ignore[misc]
    """Sends bursts, each at a time of the device's clock, once it is turned on.

    Args:
        settings: of the transmitter.
        lead_s, scale: of :class:`gnuradio.semcom.radios.usrp_burst_timer.BurstTimer`.

    Raises:
        RadioOpenError: the device cannot be opened.
        RadioConfigError: it cannot do what is asked.

    Attributes:
        device: gr-uhd's block, or ours in its place.
        timer: before it.
        events: what the device said.
        actual: settings as read back.
    """

    def __init__(self, settings: UsrpSettings, lead_s: float, scale: float) -> None:
        antennas = settings.channels
        signature = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        super().__init__("semcom_usrp_sink", signature, gr.io_signature(0, 0, 0))
        self.device = _open("usrp_sink", settings)
        self._settings = settings
        self.actual = _set_up(self.device, settings, "--gain-tx", "--antenna-tx")
        self.timer = BurstTimer(antennas, self.actual["rate_hz"], self.now_s, lead_s, scale)
        self.events = UsrpEvents(self.timer.was_late)
        for antenna in range(antennas):
            self.connect((self, antenna), (self.timer, antenna), (self.device, antenna))
        self.msg_connect(self.device, "async_msgs", self.events, "events")

    def now_s(self) -> float:
        """The device's time.

        Raises:
            RadioLostError: it does not tell.
        """
        return device_time_s(self.device)

    @property
    def samples_taken(self) -> int:
        """Per antenna, that the driver has taken of the timer's."""
        return int(self.device.nitems_read(0))

    def turn_on(self) -> None:
        """The gain that was asked for, on all channels.

        Raises:
            RadioConfigError: the device does not take it.
        """
        self.actual["gain_db"] = _set_gain(self.device, self._settings)

    def turn_off(self) -> None:
        """Lowest gain on all channels."""
        for channel in range(len(self.actual["gain_db"])):
            self.device.set_gain(self.device.get_gain_range(channel).start(), channel)


class UsrpSource(gr.hier_block2):  # type: ignore[misc]
    """Receives for ever; what the driver drops becomes zeros.

    Args:
        settings: of the receiver.

    Raises:
        RadioOpenError: the device cannot be opened.
        RadioConfigError: it cannot do what is asked.

    Attributes:
        device: gr-uhd's block, or ours in its place.
        filler: behind it.
        actual: settings as read back.
    """

    def __init__(self, settings: UsrpSettings) -> None:
        antennas = settings.channels
        signature = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        super().__init__("semcom_usrp_source", gr.io_signature(0, 0, 0), signature)
        self.device = _open("usrp_source", settings)
        self.device.set_min_output_buffer(samples_of_a_pause(settings.rate_hz))
        self.actual = _set_up(self.device, settings, "--gain-rx", "--antenna-rx")
        self.actual["gain_db"] = _set_gain(self.device, settings)
        self.filler = GapFiller(antennas, self.actual["rate_hz"])
        for antenna in range(antennas):
            self.connect((self.device, antenna), (self.filler, antenna), (self, antenna))

    @property
    def samples_given(self) -> int:
        """Per antenna, that the driver has given."""
        return int(self.device.nitems_written(0))

    def now_s(self) -> float:
        """The device's time.

        Raises:
            RadioLostError: it does not tell.
        """
        return device_time_s(self.device)


def device_time_s(device: Any) -> float:
    """The time of a gr-uhd block's device.

    Raises:
        RadioLostError: it does not tell.
    """
    with errors_of_uhd(RadioLostError, "the USRP does not answer any more"):
        return float(device.get_time_now().get_real_secs())


def _open(end: str, settings: UsrpSettings) -> Any:
    """The block of one end of a device: gr-uhd's of that name, or ours.

    One streamer has all channels, so that they are of the same time. gr-uhd begins to receive on
    several at a time in the near future that it chooses itself when the flowgraph starts.
    """
    with errors_of_uhd(RadioOpenError, f"USRP ({settings.address})", settings.address):
        device = _ours(end, settings) if settings.backend == "uhd" else _of_gr_uhd(end, settings)
    device.set_log_level("off")  # standard output is a user's; what it would say is counted
    return device


def _ours(end: str, settings: UsrpSettings) -> Any:
    kind = UsrpTransmitEnd if end == "usrp_sink" else UsrpReceiveEnd
    return kind(settings.address, range(settings.channels), settings.otw_format)


def _of_gr_uhd(end: str, settings: UsrpSettings) -> Any:
    uhd = gr_uhd()
    stream = uhd.stream_args(
        cpu_format="fc32",
        otw_format=settings.otw_format,
        channels=list(range(settings.channels)),
    )
    last = "" if end == "usrp_sink" else True  # no length tag; begin with the flowgraph
    return getattr(uhd, end)(settings.address, stream, last)


def _set_up(
    device: Any, settings: UsrpSettings, gain_option: str, antenna_option: str
) -> dict[str, Any]:
    """Set up one end of a device but for its gain; the settings as read back."""
    with errors_of_uhd(RadioConfigError, "radio 'usrp'", settings.address):
        set_clocks(device, settings.clock_source, settings.time_source)
        if settings.subdevice is not None:
            device.set_subdev_spec(settings.subdevice)
        device.set_samp_rate(settings.rate_hz)
        for channel in range(settings.channels):
            require(device.get_freq_range(channel), settings.freq_hz, "--freq")
            require(device.get_gain_range(channel), settings.gain_db, gain_option)
            device.set_center_freq(settings.freq_hz, channel)
            if settings.bandwidth_hz is not None:
                require(device.get_bandwidth_range(channel), settings.bandwidth_hz, "--bandwidth")
                device.set_bandwidth(settings.bandwidth_hz, channel)
            if settings.antenna is not None:
                require_one_of(device.get_antennas(channel), settings.antenna, antenna_option)
                device.set_antenna(settings.antenna, channel)
        actual = _read_back(device, settings.channels)
    require_rate(actual["rate_hz"], settings.rate_hz)
    return actual


def _set_gain(device: Any, settings: UsrpSettings) -> list[float]:
    """The gain of every channel; what was read back."""
    with errors_of_uhd(RadioConfigError, "radio 'usrp'", settings.address):
        for channel in range(settings.channels):
            device.set_gain(settings.gain_db, channel)
        return [float(device.get_gain(channel)) for channel in range(settings.channels)]


def _read_back(device: Any, channels: int) -> dict[str, Any]:
    """What the device says that it does."""
    each = range(channels)
    actual: dict[str, Any] = {
        "rate_hz": device.get_samp_rate(),
        "freq_hz": [device.get_center_freq(channel) for channel in each],
        "gain_db": [device.get_gain(channel) for channel in each],
        "antenna": [device.get_antenna(channel) for channel in each],
        "bandwidth_hz": [device.get_bandwidth(channel) for channel in each],
        "master_clock_rate_hz": device.get_clock_rate(),
        "clock_source": device.get_clock_source(0),
        "time_source": device.get_time_source(0),
    }
    for sensor, name in _SENSORS.items():
        if sensor in device.get_sensor_names():
            actual[name] = device.get_sensor(sensor).to_real()
    return actual
