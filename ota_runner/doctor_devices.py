# SPDX-License-Identifier: GPL-3.0-or-later
"""Which radios are seen, by each vendor's own search."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ota_runner.doctor_finding import Finding, ProbeFailedError, probe

_AREA = "radios"

_SEARCHES = {
    "usrp": (
        "from gnuradio.semcom.radios.usrp_discovery import describe, find;"
        "print(json.dumps([describe(device) for device in find('')]))"
    ),
    "pluto": (
        "from gnuradio.semcom.radios.pluto_discovery import find_plutos;"
        "print(json.dumps([f'{p.description}, serial {p.serial}, at {p.uri}'"
        " for p in find_plutos()]))"
    ),
    "soapy": (
        "from gnuradio.semcom.radios.soapy_device import soapy_api;"
        "print(json.dumps([dict(d).get('label') or str(dict(d))"
        " for d in soapy_api().Device.enumerate()]))"
    ),
}
"""Programs that print devices in words, a JSON list."""

_MENDS = {
    "usrp": "uhd_find_devices; one in another network needs --args addr=...",
    "pluto": "iio_info -s; one without name service needs --uri ip:192.168.2.1",
    "soapy": "SoapySDRUtil --find",
}


def devices() -> Iterator[Finding]:
    """A finding a device, and one for each kind of which there is none."""
    for radio, search in _SEARCHES.items():
        try:
            found = json.loads(probe(f"import json;{search}"))
        except ProbeFailedError as error:
            said = str(error).rpartition("RadioOpenError: ")[2]
            yield Finding(_AREA, radio, "missing", said, _MENDS[radio])
            continue
        for device in found:
            yield Finding(_AREA, radio, "fine", device)
        if not found:
            yield Finding(_AREA, radio, "absent", "none seen", _MENDS[radio])
