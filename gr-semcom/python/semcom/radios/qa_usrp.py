# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a USRP is checked before it is opened; what UHD says is understood."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pmt
import pytest
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import RadioConfigError, RadioOpenError, open_radio
from gnuradio.semcom.radios import usrp_config as config_module
from gnuradio.semcom.radios.usrp_config import UsrpConfig, choose_usrp
from gnuradio.semcom.radios.usrp_discovery import choose, meaning
from gnuradio.semcom.radios.usrp_events import UsrpEvents
from gnuradio.semcom.radios.usrp_models import MODELS, model_of
from gnuradio.semcom.radios.usrp_streams import UsrpSettings, _set_up

B210 = {"type": "b200", "product": "B210", "serial": "30AB12"}
X310 = {"type": "x300", "product": "X310", "serial": "F00", "addr": "192.168.10.2"}


def choose_on(monkeypatch: pytest.MonkeyPatch, *found: dict[str, str], **options: Any) -> Any:
    rate_hz, antennas = options.pop("rate_hz", 1e6), options.pop("antennas", 1)
    monkeypatch.setattr(config_module, "find", lambda hint: list(found))
    return choose_usrp(UsrpConfig.model_validate(options), rate_hz, antennas, antennas)


def test_the_device_is_addressed_and_has_its_models_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"serial": "30AB12", "master_clock_rate_hz": 32e6, "args": "num_recv_frames=512"}
    chosen = choose_on(monkeypatch, B210, X310, **options, gain_rx_db=20)
    assert chosen.name == "B210 30AB12"
    assert chosen.address == (
        "num_recv_frames=512,type=b200,serial=30AB12,master_clock_rate=32000000"
    )
    assert (chosen.model.name, chosen.gain_tx_db, chosen.gain_rx_db) == ("b210", 40.0, 20.0)
    assert choose_on(monkeypatch, X310, args="addr=192.168.10.2").address == (
        "addr=192.168.10.2,type=x300,serial=F00"
    )


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (B210, "b210"),
        ({"type": "b200", "product": "B200mini"}, "b200"),
        ({"type": "usrp2", "serial": "1"}, "n2x0"),
        (X310, "x3x0"),
        ({"type": "virtual"}, "virtual"),
        ({"type": "x4xx"}, None),
    ],
)
def test_the_device_says_what_it_is(found: dict[str, str], name: str | None) -> None:
    model = model_of(found)
    assert (model and model.name) == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "b210", "freq_hz": 50e6}, "--freq 7e[+]07 to 6e[+]09"),
        ({"model": "b210", "rate_hz": 80e6}, "--rate 100000 to 6.144e[+]07"),
        ({"model": "b210", "rate_hz": 40e6, "antennas": 2}, "--rate 100000 to 3.072e[+]07"),
        ({"model": "b200", "antennas": 2}, "2 antennas at one end, but a b200 has 1"),
        ({"model": "b210", "gain_tx_db": 95}, "--gain-tx 95 is out of range .* 0 to 89.75 dB"),
        ({"model": "b210", "gain_rx_db": -1}, "--gain-rx -1 is out of range .* 0 to 76 dB"),
        ({"model": "b210", "master_clock_rate_hz": 1e6}, "--master-clock-rate 5e[+]06 to 6.144e"),
        ({"model": "x3x0", "rate_hz": 3e6}, "cannot make 3 MS/s.* choose --rate 2985074.63"),
        ({"model": "n2x0", "rate_hz": 30e6}, "cannot make 30 MS/s.* choose --rate 33333333.3"),
        ({"model": "x3x0", "master_clock_rate_hz": 190e6}, "2e[+]08 or 1.8432e[+]08"),
    ],
)
def test_limits_are_told_before_a_device_is_looked_for(
    options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RadioConfigError, match=said) as caught:
        choose_on(monkeypatch, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("radio 'usrp': ")


@pytest.mark.parametrize("name", MODELS)
def test_every_model_takes_its_own_defaults(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = choose_on(monkeypatch, B210, model=name)
    assert chosen.gain_tx_db <= 0.8 * chosen.model.gain_tx.high


@pytest.mark.parametrize(
    ("found", "serial", "said"),
    [
        ([], None, "no USRP found.*another program"),
        ([B210, X310], None, "more than one USRP, choose by --serial: B210 30AB12, X310 F00"),
        ([B210, X310], "7", "no USRP with serial 7, there is: B210 30AB12, X310 F00"),
    ],
)
def test_which_device_is_told(found: list[dict[str, str]], serial: str | None, said: str) -> None:
    with pytest.raises(RadioOpenError, match=said):
        choose(found, serial)


def test_a_device_of_no_known_model_needs_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RadioOpenError, match=r"x4xx 9 is of no model known here.*--model"):
        choose_on(monkeypatch, {"type": "x4xx", "serial": "9"})
    assert choose_on(monkeypatch, {"type": "x4xx", "serial": "9"}, model="x3x0").name == "x4xx 9"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "RuntimeError: \nPlease update the firmware and FPGA images for your device.\n"
            "Expected FPGA compatibility number 38.0, but got 36.0:\nThe FPGA image ...",
            "uhd_images_downloader`, then `uhd_image_loader --args serial=1`",
        ),
        ("RuntimeError: Could not find path for image: usrp_b210_fpga.bin", "uhd_images_download"),
        ("USBError -3: LIBUSB_ERROR_ACCESS", "udev rules"),
        ("RuntimeError: virtual USRP: V is busy: another program has it", "end that one"),
        ("Failed to claim device", "end that one"),
        ("LookupError: KeyError: No devices found for ----->\nserial: 1", "does not answer"),
        ("first\n  the last line  \n\n", "^the last line$"),
        ("", "does not say why"),
    ],
)
def test_errors_of_uhd_are_one_line_that_mends(message: str, said: str) -> None:
    assert re.search(said, meaning(message, "serial=1"))
    assert "\n" not in meaning(message, "serial=1")


def event(code: str, channel: int) -> Any:
    told = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), pmt.list1(pmt.intern(code)))
    told = pmt.dict_add(told, pmt.intern("channel"), pmt.from_uint64(channel))
    return pmt.cons(pmt.intern("uhd_async_msg"), told)


def test_what_concerns_both_channels_counts_once() -> None:
    late: list[int] = []
    events = UsrpEvents(lambda: late.append(1))
    for channel in (0, 1):
        for code in ("burst_ack", "underflow", "seq_error", "time_error", "something_new"):
            events._on_event(event(code, channel))
    events._on_event(event("underflow_in_packet", 1))
    assert (events.sent, events.underflow, len(late)) == (1, 3, 1)


SETTINGS = UsrpSettings(
    "serial=1", 1, 1e6, 2.4e9, 80.0, "FOO", None, None, None, None, "sc16", "gr-uhd"
)


def opened(rate_hz: float = 1e6, gain_db: float = 0.0) -> Any:
    """A stand-in for gr-uhd's block."""
    everything = SimpleNamespace(start=lambda: 0.0, stop=lambda: 1e10)
    device = MagicMock()
    for what in ("freq", "gain", "bandwidth"):
        getattr(device, f"get_{what}_range").return_value = everything
    device.get_antennas.return_value = ["TX/RX"]
    device.get_samp_rate.return_value = rate_hz
    device.get_gain.return_value = gain_db
    return device


@pytest.mark.parametrize(
    ("rate_hz", "antenna", "said"),
    [(1e6, "FOO", "--antenna-tx FOO: this device has TX/RX"), (1.1e6, "TX/RX", "--rate 1100000")],
)
def test_what_is_refused_has_no_gain_yet(rate_hz: float, antenna: str, said: str) -> None:
    device, settings = opened(rate_hz), replace(SETTINGS, antenna=antenna)
    with pytest.raises(RadioConfigError, match=said):
        _set_up(device, settings, "--gain-tx", "--antenna-tx")
    device.set_gain.assert_not_called()


def test_a_channel_that_is_not_there_is_told() -> None:
    device = opened()
    device.get_freq_range.side_effect = IndexError("multi_usrp: no channel 1")
    with pytest.raises(RadioConfigError, match="radio 'usrp': multi_usrp: no channel 1"):
        _set_up(device, SETTINGS, "--gain-tx", "--antenna-tx")


def test_without_a_guardian_it_is_turned_off_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "find", lambda hint: [B210])
    radio: Any = open_radio("usrp", numerology("narrow"))
    radio._sink = MagicMock()
    radio._sink.timer.late, radio._sink.events.underflow = 0, 0
    radio.close()
    radio._sink.turn_off.assert_called_once()


def test_without_leave_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_module, "find", lambda hint: [B210])
    radio = open_radio("usrp", numerology("narrow"))
    with pytest.raises(RadioConfigError, match="give --i-have-a-licence if you may, or --cabled"):
        _ = radio.sink
    assert radio.blocks == ()
    assert not radio.transmitted(0)
    assert not radio.drained(0, 0)
    radio.close()
    described = radio.describe()
    assert described["device"]["name"] == "B210 30AB12"
