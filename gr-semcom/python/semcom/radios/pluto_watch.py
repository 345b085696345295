# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching a Pluto's streams from outside: has one stopped, did gr-iio's lose samples."""

from __future__ import annotations

import time

from gnuradio.semcom.radios.base import RadioEvents
from gnuradio.semcom.radios.pluto_adi import AdiSink, AdiSource
from gnuradio.semcom.radios.pluto_device import PlutoDevice
from gnuradio.semcom.radios.pluto_iio import IioSink, IioSource
from gnuradio.semcom.radios.progress import Progress

_STUCK_S = 3.0  # a little more than libiio's own timeout, which knows better what happened
_POLL_S = 0.5


class StuckWatch:
    """Finds out that a device gives or takes no samples any more."""

    def __init__(self) -> None:
        self._sent, self._heard = Progress(), Progress()

    def stuck(
        self, sink: AdiSink | IioSink | None, source: AdiSource | IioSource | None
    ) -> str | None:
        """What stopped, as a clause for a message; None where all is well."""
        now = time.monotonic()
        for block, what in ((source, "gave"), (sink, "took")):
            if isinstance(block, AdiSink | AdiSource):
                since = block.asked_since
                if since is not None and now - since > _STUCK_S:
                    return f"it {what} no samples for {_STUCK_S:g} s"
            elif block is not None and block.ended:
                return f"it {what} no more samples, says gr-iio"
        stalled_s = 0.0
        if isinstance(source, IioSource):
            stalled_s = self._heard.stalled_s(source.samples_out)
        if isinstance(sink, IioSink):
            stalled_s = max(stalled_s, self._sent.stalled_s(sink.samples_sent, sink.sending))
        return f"it moved no samples for {_STUCK_S:g} s" if stalled_s > _STUCK_S else None


class IioWatch:
    """Counts what the device says that gr-iio's streams lost; gr-iio does not tell.

    Args:
        device: its status registers are read, now and then.
        events: to count in.
    """

    def __init__(self, device: PlutoDevice, events: RadioEvents) -> None:
        self._device, self._events = device, events
        self._next = time.monotonic()
        self._within_burst = False
        self._receiving = False

    def count(self, sink: object, source: object) -> None:
        """Look, unless that was done a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _POLL_S
        if isinstance(source, IioSource):
            lost = bool(self._device.took_overflow())
            self._events.overflow += lost and self._receiving  # the first is of before
            self._receiving = True
        if isinstance(sink, IioSink):
            # Between bursts a transmitter runs dry, as it must.
            sending = sink.sending
            if sending:
                dry = bool(self._device.took_underflow())
                self._events.underflow += dry and self._within_burst
            self._within_burst = sending
