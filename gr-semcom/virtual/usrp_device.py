# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual USRP as the air knows it: its settings, who has it, what goes wrong with it."""

from __future__ import annotations

import math
import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from semcom_virtual.air import Air
from semcom_virtual.radio_model import Imperfections, RadioModel, Range
from semcom_virtual.rx_feed import RxFeed
from semcom_virtual.tx_feed import TxFeed

B210 = RadioModel(
    "USRP B210",
    tx_channels=2,
    rx_channels=2,
    tx_gain_db=Range(0.0, 89.75, 0.25),
    rx_gain_db=Range(0.0, 76.0, 1.0),
    max_power_dbm=10.0,
    full_scale_dbm=0.0,
    noise_figure_db=8.0,
)
"""Ranges, power and noise figure of the data sheet."""

FREQ_HZ = Range(70e6, 6e9)
"""Of its carriers."""

MOST_RATE_HZ = 61.44e6
"""Of its converters."""

TEMPERATURE_C = 35.0
"""That it measures."""

_HANDOVER_S = 0.5
"""Within which a program that ends has given its device back."""


class UsrpRefused(Exception):
    """What the device does not do; the message is one line for who asked."""


class VirtualUsrp:
    """One device. Any thread may use it.

    Args:
        air: that it is on.
        serial: by which it is found.
        name: that its owner gave it.
        model: a :data:`B210`, with whatever converters.
        imperfections: of the specimen.

    Attributes:
        port: on the air.
        patient: the air waits for programs: what comes late is sent and received late.
        vanished: it cannot be found.
    """

    def __init__(
        self,
        air: Air,
        serial: str,
        name: str,
        model: RadioModel = B210,
        imperfections: Imperfections | None = None,
    ) -> None:
        self.serial, self.name = serial, name
        self.port = air.attach(model, imperfections)
        self.patient = air.clock.waits
        self.vanished = False
        self._changed = threading.Condition()
        self._key = 0  # of the program that has it; 0: nobody
        self._connections: set[socket.socket] = set()
        self._rx_feeds: set[RxFeed] = set()
        self._tx_feeds: set[TxFeed] = set()

    def summary(self) -> str:
        """What a program that looks for devices is told, as ``key=value,key=value``."""
        return f"type=virtual,serial={self.serial},name={self.name},product=virtual B210"

    def description(self) -> str:
        """What a program that has it is told: on top of the summary, its ranges."""
        ranges = {"freq": FREQ_HZ, "tx_gain": B210.tx_gain_db, "rx_gain": B210.rx_gain_db}
        numbers = (
            f"{name}_low={span.low},{name}_high={span.high},{name}_step={span.step}"
            for name, span in ranges.items()
        )
        return ",".join([self.summary(), "firmware=semcom 1", *numbers])

    def claim(self, connection: socket.socket) -> int:
        """Have it for one program; the key with which that may open streams.

        Raises:
            UsrpRefused: another program has it.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._key, _HANDOVER_S):
                raise UsrpRefused(f"{self.serial} is busy: another program has it")
            self._key = secrets.randbits(62) + 1
            self._connections.add(connection)
            return self._key

    def release(self) -> None:
        """The program that has it is done; its streams end."""
        with self._changed:
            self._key = 0
            self._disconnect()
            self._changed.notify_all()

    def has_key(self, key: int) -> bool:
        """Whether ``key`` is of the program that has the device."""
        return bool(self._key) and key == self._key

    def join(self, connection: socket.socket) -> None:
        """A stream's connection, to be closed when the device is released or vanishes."""
        with self._changed:
            self._connections.add(connection)

    def leave(self, connection: socket.socket) -> None:
        """A connection has ended."""
        with self._changed:
            self._connections.discard(connection)

    def set(self, setting: str, channel: int, value: float) -> float:
        """Change a setting; what it has become.

        Raises:
            UsrpRefused: there is no such setting, channel or value.
        """
        if not math.isfinite(value) or not 0 <= channel < B210.rx_channels:
            raise UsrpRefused(f"no {setting} {value:g} of channel {channel}")
        settings = self.port.settings
        if setting == "rate" and 0 < value <= MOST_RATE_HZ:
            self.port.rate_hz = value
        elif setting == "tx_gain":
            value = settings.tx_gain_db[channel] = B210.tx_gain_db.clamp(value)
        elif setting == "rx_gain":
            value = settings.rx_gain_db[channel] = B210.rx_gain_db.clamp(value)
        elif setting == "tx_freq":
            settings.tx_freq_hz = value
        elif setting == "rx_freq":
            settings.rx_freq_hz = value
        else:
            raise UsrpRefused(f"no setting '{setting}' of {value:g}")
        return value

    def get(self, reading: str, channel: int) -> float:
        """What a sensor says.

        Raises:
            UsrpRefused: there is no such sensor.
        """
        if reading == "rate":
            return self.port.rate_hz
        if reading == "temperature":
            return TEMPERATURE_C
        if reading == "rssi" and 0 <= channel < B210.rx_channels:
            return self._rssi_db(channel)
        raise UsrpRefused(f"no reading '{reading}' of channel {channel}")

    def _rssi_db(self, channel: int) -> float:
        """Power of what was heard last, in dB below that of full scale at no gain."""
        received = self.port.received
        power = 0.0 if received is None else float(np.mean(np.abs(received[channel]) ** 2))
        return 10 * math.log10(max(power, 1e-20)) - self.port.settings.rx_gain_db[channel]

    def open_rx(self, channels: Sequence[int], first: int | None, packet: int) -> RxFeed:
        """Receive; see :meth:`semcom_virtual.air_port.AirPort.open_rx`."""
        capacity = max(4 * packet, round(0.1 * self.port.rate_hz))
        feed = self.port.open_rx(channels, first, capacity)
        with self._changed:
            self._rx_feeds = {other for other in self._rx_feeds if not other.closed} | {feed}
        return feed

    def open_tx(self, channels: Sequence[int]) -> TxFeed:
        """Transmit; see :meth:`semcom_virtual.air_port.AirPort.open_tx`."""
        feed = self.port.open_tx(channels)
        with self._changed:
            self._tx_feeds = {other for other in self._tx_feeds if not other.closed} | {feed}
        return feed

    @property
    def in_use(self) -> bool:
        """Whether a program has it."""
        return self._key != 0

    @property
    def transmitters(self) -> list[TxFeed]:
        """That are open."""
        with self._changed:
            return [feed for feed in self._tx_feeds if not feed.closed]

    @property
    def receivers(self) -> list[RxFeed]:
        """That are open."""
        with self._changed:
            return [feed for feed in self._rx_feeds if not feed.closed]

    def vanish(self) -> None:
        """As if its cable were pulled."""
        with self._changed:
            self.vanished = True
            for feed in (*self._rx_feeds, *self._tx_feeds):
                feed.close()
            self._disconnect()

    def appear(self) -> None:
        """As if its cable were put back; a program has to open it anew."""
        self.vanished = False

    def _disconnect(self) -> None:
        for connection in self._connections:
            with suppress(OSError):  # the other side was quicker
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()
