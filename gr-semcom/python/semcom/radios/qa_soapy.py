# SPDX-License-Identifier: GPL-3.0-or-later
"""A SoapySDR transmitter has its gain last of all, and what SoapySDR raises is told."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import (
    RadioConfigError,
    RadioLostError,
    RadioOpenError,
    open_radio,
    soapy,
    soapy_device,
)
from gnuradio.semcom.radios.soapy_device import TransmitStream


class Span:
    def __init__(self, low: float, high: float) -> None:
        self.minimum, self.maximum = lambda: low, lambda: high


class Device:
    """As SoapySDR's, with one channel, all of whose ranges but the gain's are open."""

    def __init__(self, arguments: str) -> None:
        self.gain_db = [0.0, 0.0]
        self.rate_hz = 0.0
        self.broken = ""
        self.activates = 0

    def getNumChannels(self, way: int) -> int:
        return 1

    def getGainRange(self, way: int, channel: int) -> Span:
        return Span(0, 90)

    def listAntennas(self, way: int, channel: int) -> list[str]:
        return ["A"]

    def setSampleRate(self, way: int, channel: int, rate_hz: float) -> None:
        self.rate_hz = rate_hz

    def getSampleRate(self, way: int, channel: int) -> float:
        return self.rate_hz

    def setGain(self, way: int, channel: int, gain_db: float) -> None:
        self.gain_db[way] = gain_db

    def getGain(self, way: int, channel: int) -> float:
        return self.gain_db[way]

    def activateStream(self, stream: Any) -> int:
        if self.broken == "activateStream":
            raise RuntimeError("it broke")
        return self.activates

    def __getattr__(self, name: str) -> Any:
        def call(*_: Any) -> Any:
            if name == self.broken:
                raise RuntimeError("it broke")
            return [] if name.endswith("Range") or name.startswith("list") else 0

        return call


class Guardian:
    dismissed = False

    def __init__(self, radio: str, config: Any) -> None:
        pass

    def dismiss(self) -> None:
        self.dismissed = True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device("")

    class Enumerated:
        enumerate = staticmethod(lambda arguments: [{"driver": "x", "label": "X"}])

        def __new__(cls, arguments: str) -> Any:
            return made

    api = SimpleNamespace(
        Device=Enumerated,
        SOAPY_SDR_TX=0,
        SOAPY_SDR_RX=1,
        SOAPY_SDR_CF32="CF32",
        SOAPY_SDR_UNDERFLOW=-7,
        SOAPY_SDR_TIME_ERROR=-6,
        errToStr=lambda code: f"error {code}",
    )
    monkeypatch.setattr(soapy_device, "soapy_api", lambda: api)
    monkeypatch.setattr(soapy, "TransmitGuardian", Guardian)
    return made


def radio(**options: Any) -> Any:
    return open_radio("soapy", numerology("narrow"), cabled_db=60, gain_tx_db=80, **options)


def test_a_transmitter_has_its_gain_until_it_is_closed(device: Device) -> None:
    opened = radio()
    _ = opened.sink
    assert device.gain_db[0] == 80
    assert opened.describe()["device"]["transmit"]["gain_db"] == [80]
    opened.close()
    assert device.gain_db[0] == 0
    assert opened._guardian.dismissed


def test_what_is_refused_leaves_the_gain_as_it_was(device: Device) -> None:
    with pytest.raises(RadioConfigError, match="no antenna 'FOO' to transmit: choose A"):
        _ = radio(antenna_tx="FOO").sink
    assert device.gain_db[0] == 0
    device.broken = "setupStream"
    with pytest.raises(RadioOpenError, match="X cannot send: it broke"):
        _ = radio().sink
    assert device.gain_db[0] == 0


def test_without_a_guardian_it_is_turned_off_all_the_same(device: Device) -> None:
    opened = radio()
    _ = opened.sink
    opened._guardian = None
    opened.close()
    assert device.gain_db[0] == 0


def test_what_the_device_raises_is_told(device: Device) -> None:
    device.broken = "listClockSources"
    with pytest.raises(RadioConfigError, match="radio 'soapy': X: it broke"):
        radio(clock_source="external")


@pytest.mark.parametrize("call", ["writeStream", "readStreamStatus", "activateStream"])
def test_a_device_that_went_is_told_by_its_stream(device: Device, call: str) -> None:
    stream, device.broken = TransmitStream(device, [0]), call
    uses = {
        "writeStream": lambda: stream.write([np.zeros(1, np.complex64)], None, False, 0),
        "readStreamStatus": stream.status,
        "activateStream": stream.activate,
    }
    with pytest.raises(RadioLostError, match="does not answer any more: it broke"):
        uses[call]()


def test_a_stream_that_does_not_begin_is_told(device: Device) -> None:
    device.activates = -5
    with pytest.raises(RadioLostError, match="does not begin to send: error -5"):
        TransmitStream(device, [0]).activate()
