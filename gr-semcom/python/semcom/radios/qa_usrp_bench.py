# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that reached a USRP too late is given again."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from gnuradio.semcom.radios import RadioLostError
from gnuradio.semcom.radios.usrp_bench import UsrpBench

CODES = SimpleNamespace(none=0, timeout=1, late=2, overflow=3)


def bench(*codes: int) -> Any:
    """A bench whose receiver says these codes in turn; with ``none`` come samples of 1."""
    said: Iterator[int] = iter(codes)
    made: Any = object.__new__(UsrpBench)
    made.model, made.rx_antennas, made.rate_hz = "B210", 1, 1e6
    made._uhd, made._device, made._receiver = MagicMock(), MagicMock(), MagicMock()
    made._uhd.types.RXMetadataErrorCode = CODES
    made._device.get_time_now().get_real_secs.return_value = 1.0

    def recv(piece: Any, metadata: Any, timeout_s: float) -> int:
        metadata.error_code = next(said)
        if metadata.error_code != CODES.none:
            return 0
        piece[:] = 1
        return int(piece.shape[1])

    made._receiver.recv = recv
    return made


def test_a_late_capture_is_tried_again() -> None:
    # The second channel's word that it was late does not count as another.
    once = bench(CODES.late, CODES.late, CODES.timeout, CODES.none)
    np.testing.assert_array_equal(once.capture(100), np.ones((1, 100)))
    assert once._receiver.issue_stream_cmd.call_count == 2


def test_a_capture_that_is_always_late_is_told() -> None:
    with pytest.raises(RadioLostError, match="did not receive in time, 3 times"):
        bench(*[CODES.late, CODES.timeout] * 3).capture(100)


def test_samples_that_were_dropped_are_told() -> None:
    with pytest.raises(RadioLostError, match="dropped samples"):
        bench(CODES.overflow).capture(100)


def test_the_senders_error_is_told() -> None:
    sending = bench(CODES.none)
    sending._transmitter = MagicMock()
    sending._transmitter.send.side_effect = RuntimeError("gone")
    with pytest.raises(RadioLostError, match="does not answer any more: gone"):
        sending.exchange(np.zeros((1, 10), np.complex64), 20)
