# SPDX-License-Identifier: GPL-3.0-or-later
"""A PlutoSDR that is not there."""

from __future__ import annotations

import errno
import sys
import threading
from time import monotonic, sleep

from semcom_virtual.air import Air
from semcom_virtual.air_port import AirPort
from semcom_virtual.pluto.ad9361 import AD9361, AD9363A, ATTENUATION, Phy
from semcom_virtual.pluto.converters import (
    RECEIVED,
    SENT,
    StatusRegister,
    monitor_device,
    receive_device,
    transmit_device,
)
from semcom_virtual.pluto.iio_context import Context, Device, IioError
from semcom_virtual.pluto.iiod import Buffer, IiodServer
from semcom_virtual.pluto.phy_device import phy_device
from semcom_virtual.pluto.sample_buffers import ReceiveBuffer, TransmitBuffer
from semcom_virtual.radio_model import Imperfections, RadioModel, Range

FIRMWARE = "v0.38"
CONVERTER_BITS = 12
_MOST_BUFFERED = 1 << 27
"""Bytes of all buffers of a Pluto: twice what calibration asks for at 61.44 MS/s."""


def pluto_model(antennas: int, converter_bits: int = CONVERTER_BITS) -> RadioModel:
    """Levels of a Pluto near 2.4 GHz.

    Args:
        antennas: 1 or 2.
        converter_bits: at most 12, which is what its interface carries.

    Raises:
        ValueError: a value out of range.
    """
    if not 2 <= converter_bits <= CONVERTER_BITS:
        raise ValueError(f"a Pluto's converters have {converter_bits} bits, choose 2 to 12")
    return RadioModel(
        name="pluto",
        tx_channels=antennas,
        rx_channels=antennas,
        tx_gain_db=ATTENUATION,
        rx_gain_db=Range(-3.0, 71.0, 1.0),
        max_power_dbm=7.0,
        full_scale_dbm=0.0,
        noise_figure_db=3.0,
        converter_bits=converter_bits,
    )


class VirtualPluto:
    """A PlutoSDR on a port of the air, behind IIOD.

    One antenna makes it a Rev.B with an AD9363A, two a Rev.C with an AD9361 in 2R2T mode.

    Args:
        air: that it is in.
        port: TCP port; 0 for any that is free.
        number: of the radio, from 0, in its serial number.
        model: as of :func:`pluto_model`.
        imperfections: of the specimen.

    Attributes:
        context: as clients see it.

    Raises:
        OSError: the TCP port is in use.
    """

    def __init__(
        self,
        air: Air,
        port: int = 0,
        number: int = 0,
        model: RadioModel | None = None,
        imperfections: Imperfections | None = None,
    ) -> None:
        model = model or pluto_model(1)
        self.air_port: AirPort = air.attach(model, imperfections)
        two = model.rx_channels == 2
        phy = Phy(self.air_port, AD9361 if two else AD9363A)
        self._received, self._sent = StatusRegister(), StatusRegister()
        self.serial = f"v1r7ua1p1u70{number:04d}"
        self.context = Context(
            "virtual PlutoSDR",
            {
                "hw_model": "Analog Devices PlutoSDR "
                + ("Rev.C (Z7010-AD9361)" if two else "Rev.B (Z7010-AD9363A)"),
                "hw_model_variant": "0",
                "hw_serial": self.serial,
                "fw_version": FIRMWARE,
                "ad9361-phy,xo_correction": "40000000",
                "ad9361-phy,model": phy.kind.model,
                "local,kernel": "5.15.0-virtual",
            },
            [
                phy_device(phy),
                monitor_device(),
                transmit_device(phy, self._sent),
                receive_device(phy, self._received),
            ],
        )
        self._buffers: list[ReceiveBuffer | TransmitBuffer] = []
        self._lock = threading.Lock()
        self._silent_until = 0.0
        self._refused: set[str] = set()
        self._ignored: set[str] = set()
        self._server: IiodServer | None = IiodServer(port, self)
        self._port = self._server.port

    @property
    def uri(self) -> str:
        """For libiio."""
        return f"ip:127.0.0.1:{self._port}"

    def describe(self) -> str:
        """How to reach it, on one line."""
        return f"--radio pluto --uri {self.uri}   ({self.context.attributes['hw_model']})"

    def status(self) -> dict[str, object]:
        """As plain values."""
        settings = self.air_port.settings
        return {
            "uri": self.uri,
            "serial": self.serial,
            "connections": self._server.clients if self._server else None,
            "buffers": len(self._buffers),
            "tx_enabled": settings.tx_enabled,
            "tx_gain_db": settings.tx_gain_db,
            "rx_gain_db": settings.rx_gain_db,
            "tx_freq_hz": settings.tx_freq_hz,
            "rx_freq_hz": settings.rx_freq_hz,
            "rate_hz": self.air_port.rate_hz,
        }

    def close(self) -> None:
        """End; connections are cut."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        with self._lock:
            for buffer in self._buffers:
                buffer.close()  # whoever waits for it waits no longer

    # For the protocol, see semcom_virtual.pluto.iiod.Backend.

    def open_buffer(
        self, device: Device, elements: list[int], samples: int, blocks: int, cyclic: bool
    ) -> Buffer:
        """Start a buffer; one at a time transmits."""
        with self._lock:
            wanted = blocks * samples * 2 * len(elements)
            if wanted + sum(buffer.capacity_bytes for buffer in self._buffers) > _MOST_BUFFERED:
                raise IioError(errno.ENOMEM)
            buffer: ReceiveBuffer | TransmitBuffer
            if device.name == RECEIVED:
                buffer = ReceiveBuffer(self.air_port, elements, samples, blocks, self._received)
            elif device.name != SENT:
                raise IioError(errno.EINVAL)
            elif any(isinstance(other, TransmitBuffer) for other in self._buffers):
                raise IioError(errno.EBUSY)
            else:
                buffer = TransmitBuffer(
                    self.air_port, elements, samples, blocks, cyclic, self._sent
                )
            self._buffers.append(buffer)
        return buffer

    def close_buffer(self, device: Device, buffer: Buffer) -> None:
        """End a buffer."""
        with self._lock:
            self._buffers = [other for other in self._buffers if other is not buffer]
        buffer.close()

    def before_transfer(self, timeout_s: float) -> None:
        """Where a fault says so, let the client wait in vain."""
        left = self._silent_until - monotonic()
        if left > 0:
            sleep(min(left, timeout_s))
            raise IioError(errno.ETIMEDOUT)

    def before_write(self, name: str) -> bool:
        """Where a fault says so, refuse or ignore a value."""
        if name in self._refused:
            raise IioError(errno.EINVAL)
        return name not in self._ignored

    # Faults.

    def fault(self, kind: str, argument: str) -> None:
        """Make something go wrong.

        Args:
            kind: ``timeout`` (of transfers, for so many seconds), ``drop`` (so many received
                blocks are lost), ``underflow`` (so many blocks of silence within a burst),
                ``refuse`` and ``ignore`` (attributes of a name), ``mend`` (attributes are as
                they were), ``vanish`` (for so many seconds; without a number, for good), or
                ``return``.
            argument: seconds, blocks or a name.

        Raises:
            ValueError: no such fault, or no such argument.
            OSError: it returns, and its port is in use.
        """
        if kind == "timeout":
            self._silent_until = monotonic() + float(argument or 5.0)
        elif kind in ("drop", "underflow"):
            self._lose(ReceiveBuffer if kind == "drop" else TransmitBuffer, int(argument or 1))
        elif kind in ("refuse", "ignore") and argument:
            (self._refused if kind == "refuse" else self._ignored).add(argument)
        elif kind == "mend":
            self._refused.clear()
            self._ignored.clear()
        elif kind == "vanish":
            returns_after_s = float(argument) if argument else None
            self.close()
            if returns_after_s is not None:
                timer = threading.Timer(returns_after_s, self._return_later)
                timer.daemon = True
                timer.start()
        elif kind == "return":
            self._return()
        else:
            raise ValueError(
                f"a virtual Pluto has no fault '{kind}', choose one of: timeout:SECONDS, "
                "drop:BLOCKS, underflow:BLOCKS, refuse:ATTRIBUTE, ignore:ATTRIBUTE, mend, vanish, "
                "vanish:SECONDS, return"
            )

    def _lose(self, kind: type[ReceiveBuffer | TransmitBuffer], blocks: int) -> None:
        with self._lock:
            for buffer in self._buffers:
                if isinstance(buffer, kind):
                    buffer.lose(blocks)

    def _return(self) -> None:
        if self._server is None:
            self._server = IiodServer(self._port, self)

    def _return_later(self) -> None:
        try:
            self._return()
        except OSError as error:
            print(f"error: {self.serial} does not return: {error}", file=sys.stderr, flush=True)
