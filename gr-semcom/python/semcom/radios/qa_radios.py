# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios by name, their options, their errors."""

import subprocess
import sys
from typing import Any

import pytest
from gnuradio.semcom import numerology
from gnuradio.semcom.radios import RadioConfigError, names, open_radio, radio_class

NARROW = numerology("narrow")


def test_the_loopback_describes_itself() -> None:
    radio = open_radio(
        "loopback", NARROW, snr_db=7, channel="multipath", taps=((0, 1, 0), (3.5, 0.2, -0.1))
    )
    description = radio.describe()
    assert description["name"] == "loopback"
    assert description["snr_db"] == 7
    assert description["taps"] == [[0, 1, 0], [3.5, 0.2, -0.1]]
    assert description["events"] == {"underflow": 0, "overflow": 0, "late": 0, "lost_device": 0}


@pytest.mark.parametrize("name", names())
def test_every_radio_has_documented_options(name: str) -> None:
    kind = radio_class(name)
    assert kind.name == name
    assert all(field.description for field in kind.Config.model_fields.values())


def test_an_unknown_radio_is_told() -> None:
    with pytest.raises(RadioConfigError, match=r"no radio 'walkie', choose one of: .*loopback"):
        open_radio("walkie", NARROW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"snr": 3}, r"no option 'snr' \(there are: snr_db"),
        ({"snr_db": 300}, "snr_db"),
        ({"snr_db": float("nan")}, "snr_db"),
        ({"snr_db": "loud"}, "snr_db"),
        ({"seed": -1}, "seed"),
        ({"delay_samples": -1}, "delay_samples"),
        ({"sco_ppm": 5000}, "sco_ppm"),
        ({"cfo_hz": 6e5}, "sample rate"),
        ({"cfo_hz": float("inf")}, "cfo_hz"),
        ({"channel": "vacuum"}, "channel"),
        ({"channel": "multipath"}, "taps"),
        ({"taps": ((0, 1, 0),)}, "multipath"),
        ({"channel": "multipath", "taps": ((-1, 1, 0),)}, "taps"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RadioConfigError, match=message) as caught:
        open_radio("loopback", NARROW, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("radio 'loopback'")


def test_waveform_blocks_import_no_torch() -> None:
    script = (
        "import sys; import gnuradio.semcom, gnuradio.semcom.radios.loopback; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
