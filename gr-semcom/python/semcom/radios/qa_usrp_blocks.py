# SPDX-License-Identifier: GPL-3.0-or-later
"""After any error of the stream, what comes next is told its time anew."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from gnuradio.semcom.radios import RadioLostError, usrp_blocks
from gnuradio.semcom.radios.usrp_blocks import UsrpReceiveEnd

CODES = ("none", "timeout", "late", "broken_chain", "overflow", "alignment", "bad_packet")


@pytest.fixture
def receive_end(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A receiver whose device says ``codes`` in turn, and that has given its first samples."""
    api = MagicMock()
    api.types.RXMetadataErrorCode = SimpleNamespace(**{code: code for code in CODES})
    monkeypatch.setattr(usrp_blocks, "uhd_api", lambda: api)
    monkeypatch.setattr(usrp_blocks, "_devices", {})
    usrp = api.usrp.MultiUSRP.return_value
    usrp.get_rx_rate.return_value = 1e6
    usrp.get_time_now().get_real_secs.return_value = 0.0
    made: Any = UsrpReceiveEnd("type=none", [0], "sc16")
    made.open()
    made.tags = []
    made._tag = made.tags.append
    made._untimed = False
    return made


def receive(end: Any, code: str) -> int:
    end._metadata.error_code = code
    end._streamer.recv.return_value = 7 if code == "none" else 0
    count: int = end.process([], [np.zeros(100, np.complex64)])
    return count


@pytest.mark.parametrize("code", CODES)
def test_what_comes_after_an_error_has_a_time(receive_end: Any, code: str) -> None:
    assert receive(receive_end, code) == (7 if code == "none" else 0)
    assert receive(receive_end, "none") == 7
    assert len(receive_end.tags) == (code not in ("none", "timeout"))
    assert receive_end._streamer.issue_stream_cmd.call_count == (2 if code == "late" else 1)


def test_a_device_that_went_before_the_start_is_told(receive_end: Any) -> None:
    receive_end._streamer.issue_stream_cmd.side_effect = RuntimeError("gone")
    with pytest.raises(RadioLostError, match="the USRP cannot receive: gone"):
        receive_end.open()
