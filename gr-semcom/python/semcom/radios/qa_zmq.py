# SPDX-License-Identifier: GPL-3.0-or-later
"""Radio 'zmq': the same as the loopback in one program, two halves in two."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.curve_keys import make_keys
from gnuradio.semcom.qa_link import STATE, symbols_of, transmission
from gnuradio.semcom.radios import RadioConfigError, RadioLostError, RadioOpenError, open_radio, zmq
from gnuradio.semcom.radios.zmq import ZmqRadio
from gnuradio.semcom.receive_link import ReceiveLink
from gnuradio.semcom.transmit_link import TransmitLink

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology

NARROW = numerology("narrow")
LONG_S = 30.0


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def endpoint() -> str:
    """That nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def carried(name: str, waveform: Numerology, **options: Any) -> list[ComplexArray]:
    radio = open_radio(name, waveform, cfo_hz=3e3, delay_samples=500.5, sco_ppm=3, **options)
    symbols = []
    with FlowgraphLink(radio, waveform) as link:
        for number, snr_db in enumerate((20.0, 5.0)):
            link.set_snr_db(snr_db)
            link.send(number, transmission(9000, waveform.tx_antennas, seed=number), STATE)
            symbols.append(symbols_of(link.receive()))
    assert radio.describe()["events"]["overflow"] == 0
    return symbols


def test_in_one_program_it_is_the_loopback_bit_for_bit() -> None:
    waveform = numerology("narrow", 2, 2)
    fading: dict[str, Any] = {"channel": "rayleigh", "doppler_hz": 5.0, "seed": 3}
    here, there = (carried(name, waveform, **fading) for name in ("loopback", "zmq"))
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)


def hear(link: ReceiveLink, transmitter: TransmitLink) -> ComplexArray:
    until(lambda: link.heard_all(transmitter.samples_out))
    return symbols_of(link.receive(LONG_S))


def test_two_halves_and_a_transmitter_that_comes_back(endpoint: str, tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "cfo_hz": 3e3,
        "delay_samples": 500.5,
        "sco_ppm": 3,
    }
    options["snr_db"] = 20.0
    receiver = open_radio("zmq", NARROW, sample_keys=tmp_path / "rx", **options)
    sent = transmission(9000, seed=0)
    came = []
    with ReceiveLink(receiver, NARROW) as listening:
        for _ in range(2):
            transmitter = open_radio("zmq", NARROW, sample_keys=tmp_path / "tx", endpoint=endpoint)
            with TransmitLink(transmitter, NARROW) as calling:
                calling.transmit(0, sent, STATE, LONG_S)
                assert transmitter.transmitted(calling.samples_out)
                came.append(hear(listening, calling))
        assert isinstance(receiver, ZmqRadio)
        assert receiver.received.sessions == 2
        assert receiver.received.gaps == 0
    # What the channel does depends on the picture's number, not on who sends it.
    np.testing.assert_array_equal(came[0], came[1])
    np.testing.assert_array_equal(came[0], carried_alone(sent, {**options, "endpoint": None}))


def carried_alone(sent: Any, options: dict[str, Any]) -> ComplexArray:
    with FlowgraphLink(open_radio("zmq", NARROW, **options), NARROW) as link:
        link.send(0, sent, STATE)
        return symbols_of(link.receive())


def test_what_a_broken_connection_lost_is_not_waited_for_for_ever(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zmq, "_GIVEN_UP_S", 0.3)
    with ReceiveLink(open_radio("zmq", NARROW, endpoint=endpoint), NARROW) as listening:
        transmitter = open_radio("zmq", NARROW, endpoint=endpoint)
        with TransmitLink(transmitter, NARROW) as calling:
            calling.transmit(0, transmission(9000, seed=0), STATE, LONG_S)
            until(lambda: listening.heard_all(calling.samples_out))
            assert not listening.heard_all(calling.samples_out + 1)
            until(lambda: listening.heard_all(calling.samples_out + 1))


def test_a_transmitter_with_another_key_is_told(endpoint: str, tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    make_keys((tmp_path / "a", tmp_path / "b"))
    receiver = open_radio("zmq", NARROW, sample_keys=tmp_path / "rx", endpoint=endpoint)
    transmitter = open_radio("zmq", NARROW, sample_keys=tmp_path / "a", endpoint=endpoint)
    with (
        ReceiveLink(receiver, NARROW),
        TransmitLink(transmitter, NARROW) as calling,
        pytest.raises(RadioLostError, match=r"radio 'zmq': .* does not take our key"),
    ):
        calling.transmit(0, transmission(9000, seed=0), STATE, LONG_S)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"endpoint": "tcp://0.0.0.0:5571"}, "give both ends keys"),
        ({"endpoint": "5571"}, "no ZMQ endpoint"),
        ({"sample_keys": "/no/such/folder"}, "no such file; make keys with"),
        ({"pace": "slow"}, "pace"),
        ({"cfo_hz": 6e5}, "radio 'zmq': .*sample rate"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(RadioConfigError, match=problem) as caught:
        FlowgraphLink(open_radio("zmq", NARROW, **options), NARROW)
    assert "\n" not in str(caught.value)


def test_one_program_takes_any_port_once() -> None:
    radios = [open_radio("zmq", NARROW) for _ in range(2)]
    for radio in radios:
        assert len({id(radio.sink), id(radio.source)}) == 2
        for _ in range(2):
            assert radio.blocks == (radio.sink, radio.source)
    endpoints = {radio.sink.endpoint for radio in radios}
    assert len(endpoints) == 2
    assert not any("*" in endpoint for endpoint in endpoints)
    for radio in radios:
        radio.close()
        radio.close()


def test_keys_are_of_two_programs(tmp_path: Path) -> None:
    make_keys((tmp_path / "tx", tmp_path / "rx"))
    with pytest.raises(RadioConfigError, match="--sample-keys are of one end"):
        FlowgraphLink(open_radio("zmq", NARROW, sample_keys=tmp_path / "tx"), NARROW)


def test_an_endpoint_in_use_is_told(endpoint: str) -> None:
    with (
        ReceiveLink(open_radio("zmq", NARROW, endpoint=endpoint), NARROW),
        pytest.raises(RadioOpenError, match=r"cannot listen for samples at .* another --endpoint"),
    ):
        ReceiveLink(open_radio("zmq", NARROW, endpoint=endpoint), NARROW)
