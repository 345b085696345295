# SPDX-License-Identifier: GPL-3.0-or-later
"""A USRP's two ends on UHD's own Python API, with the tags, messages and methods of gr-uhd's.

gr-uhd 3.10 takes the whole process with it where a device throws while its streams are stopped,
as one does that was pulled out of USB; here that is an error like any other.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pmt
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.base import RadioLostError
from gnuradio.semcom.radios.usrp_api import uhd_api
from gnuradio.semcom.radios.usrp_checks import errors_of_uhd
from gnuradio.semcom.radios.usrp_discovery import meaning

_MOST_S = 0.02
_WAIT_S = 0.1
_START_S = 0.1

_OF_AN_END = {
    "set_samp_rate": "set_{}_rate",
    "get_samp_rate": "get_{}_rate",
    "get_center_freq": "get_{}_freq",
    "get_freq_range": "get_{}_freq_range",
    "set_gain": "set_{}_gain",
    "get_gain": "get_{}_gain",
    "get_gain_range": "get_{}_gain_range",
    "set_bandwidth": "set_{}_bandwidth",
    "get_bandwidth": "get_{}_bandwidth",
    "get_bandwidth_range": "get_{}_bandwidth_range",
    "set_antenna": "set_{}_antenna",
    "get_antenna": "get_{}_antenna",
    "get_antennas": "get_{}_antennas",
    "get_sensor_names": "get_{}_sensor_names",
    "get_sensor": "get_{}_sensor",
    "get_clock_rate": "get_master_clock_rate",
    "set_clock_source": "set_clock_source",
    "get_clock_source": "get_clock_source",
    "get_clock_sources": "get_clock_sources",
    "set_time_source": "set_time_source",
    "get_time_source": "get_time_source",
    "get_time_sources": "get_time_sources",
    "get_mboard_sensor_names": "get_mboard_sensor_names",
    "get_mboard_sensor": "get_mboard_sensor",
    "get_time_now": "get_time_now",
}
"""Methods of gr-uhd's blocks and of UHD's ``MultiUSRP``; the first with ``tx`` or ``rx``."""

_devices: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


class UsrpEnd(GuardedBlock):
    """One end of a device; both ends of one address share it.

    Args:
        way: ``tx`` or ``rx``.
        address: UHD's device arguments.
        channels: that are used.
        otw_format: of samples on the wire.

    Raises:
        RadioOpenError: UHD's Python API cannot be loaded.
        RuntimeError: UHD cannot open the device.
    """

    def __init__(self, way: str, address: str, channels: Sequence[int], otw_format: str) -> None:
        ports = len(channels) if way == "tx" else 0, len(channels) if way == "rx" else 0
        super().__init__(f"semcom_usrp_{way}", *ports)
        self._api = uhd_api()
        self._usrp = _devices.get(address) or self._api.usrp.MultiUSRP(address)
        _devices[address] = self._usrp
        self._way = way
        self._stream_args = self._api.usrp.StreamArgs("fc32", otw_format)
        self._stream_args.channels = list(channels)
        for ours, theirs in _OF_AN_END.items():
            setattr(self, ours, getattr(self._usrp, theirs.format(way)))

    def set_center_freq(self, freq_hz: float, channel: int) -> None:
        """Tune a channel."""
        tune = getattr(self._usrp, f"set_{self._way}_freq")
        tune(self._api.types.TuneRequest(freq_hz), channel)

    def set_subdev_spec(self, subdevice: str) -> None:
        """Choose which front ends are the channels."""
        choose = getattr(self._usrp, f"set_{self._way}_subdev_spec")
        choose(self._api.usrp.SubdevSpec(subdevice))

    def _most(self) -> int:
        """Samples that are moved at a time."""
        return max(int(_MOST_S * self.get_samp_rate()), 1000)  # type: ignore[attr-defined]


class UsrpTransmitEnd(UsrpEnd):
    """Like gr-uhd's sink: reads ``tx_sob``, ``tx_time`` and ``tx_eob``, publishes ``async_msgs``.

    Streams: one input of complex samples a channel. The rest is of :class:`UsrpEnd`.
    """

    def __init__(self, address: str, channels: Sequence[int], otw_format: str) -> None:
        super().__init__("tx", address, channels, otw_format)
        self._streamer: Any = None
        self._running = threading.Event()
        self._listener: threading.Thread | None = None
        self.publishes("async_msgs")

    def open(self) -> None:
        with errors_of_uhd(RadioLostError, "the USRP cannot send"):
            self._streamer = self._usrp.get_tx_stream(self._stream_args)
        self._running.set()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def close(self) -> None:
        self._running.clear()
        if self._listener is not None:
            self._listener.join()
        self._streamer = None

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(self._most(), *(len(samples) for samples in inputs))
        metadata = self._api.types.TXMetadata()
        count = self._read_tags(metadata, count)
        samples = np.stack([each[:count] for each in inputs])
        try:
            sent = self._streamer.send(samples, metadata, _WAIT_S)
        except RuntimeError as error:
            raise _lost("takes", error) from error
        for port in range(len(inputs)):
            self.consume(port, sent)
        return 0

    def _read_tags(self, metadata: Any, count: int) -> int:
        """Burst flags and time of the next samples; how many of ``count`` they hold for."""
        begun = self.nitems_read(0)
        for tag in sorted(self.get_tags_in_window(0, 0, count), key=lambda tag: tag.offset):
            place, key = tag.offset - begun, pmt.symbol_to_string(tag.key)
            if key == "tx_eob":
                metadata.end_of_burst = True
                return int(place) + 1
            if place > 0:
                return int(place)
            if key == "tx_sob":
                metadata.start_of_burst = True
            if key == "tx_time":
                whole, fraction = pmt.to_python(tag.value)
                metadata.has_time_spec = True
                metadata.time_spec = self._api.types.TimeSpec(whole, fraction)
        return count

    def _listen(self) -> None:
        message = self._api.types.TXAsyncMetadata()
        streamer = self._streamer
        with suppress(RuntimeError):  # a device that is lost is found out elsewhere
            while self._running.is_set():
                if streamer.recv_async_msg(message, _WAIT_S):
                    self._tell(message.event_code.name, message.channel)

    def _tell(self, code: str, channel: int) -> None:
        event = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), pmt.list1(pmt.intern(code)))
        event = pmt.dict_add(event, pmt.intern("channel"), pmt.from_long(channel))
        self.publish("async_msgs", pmt.cons(pmt.intern("uhd_async_msg"), event))


class UsrpReceiveEnd(UsrpEnd):
    """Like gr-uhd's source: tags the first sample, and the first after a gap, with ``rx_time``.

    Streams: one output of complex samples a channel. The rest is of :class:`UsrpEnd`.
    """

    def __init__(self, address: str, channels: Sequence[int], otw_format: str) -> None:
        super().__init__("rx", address, channels, otw_format)
        self._streamer: Any = None
        self._metadata = self._api.types.RXMetadata()
        self._untimed = True

    def open(self) -> None:
        with errors_of_uhd(RadioLostError, "the USRP cannot receive"):
            self._streamer = self._usrp.get_rx_stream(self._stream_args)
            self._begin()

    def _begin(self) -> None:
        """Have all channels begin at one time in the near future."""
        modes = self._api.types.StreamMode
        command = self._api.types.StreamCMD(modes.start_cont)
        command.stream_now = False
        command.time_spec = self._api.types.TimeSpec(
            self._usrp.get_time_now().get_real_secs() + _START_S
        )
        self._streamer.issue_stream_cmd(command)
        self._untimed = True

    def close(self) -> None:
        modes = self._api.types.StreamMode
        with suppress(RuntimeError):  # one that is lost has stopped
            self._streamer.issue_stream_cmd(self._api.types.StreamCMD(modes.stop_cont))
        self._streamer = None

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        space = min(self._most(), len(outputs[0]))
        samples = np.empty((len(outputs), space), np.complex64)
        errors = self._api.types.RXMetadataErrorCode
        try:
            count = self._streamer.recv(samples, self._metadata, _WAIT_S)
            code = self._metadata.error_code
            if code == errors.late:
                self._begin()
        except RuntimeError as error:
            raise _lost("gives", error) from error
        if code not in (errors.none, errors.timeout):
            self._untimed = True  # whatever is missing shows in the time of what comes next
            return 0
        if count and self._untimed:
            self._tag(self._metadata.time_spec)
        for output, row in zip(outputs, samples, strict=True):
            output[:count] = row[:count]
        return int(count)

    def _tag(self, time: Any) -> None:
        self._untimed = False
        value = pmt.make_tuple(
            pmt.from_uint64(time.get_full_secs()), pmt.from_double(time.get_frac_secs())
        )
        self.add_item_tag(0, self.nitems_written(0), pmt.intern("rx_time"), value)


def _lost(gives: str, error: RuntimeError) -> RadioLostError:
    return RadioLostError(
        f"the USRP {gives} no samples any more: {meaning(str(error), '')}: look at its power and "
        "cable"
    )
