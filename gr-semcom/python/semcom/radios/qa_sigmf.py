# SPDX-License-Identifier: GPL-3.0-or-later
"""What was received once is received again, to the last bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.qa_framer import transmission
from gnuradio.semcom.radios import Radio, RadioConfigError, open_radio
from gnuradio.semcom.receive_link import ReceiveLink

from semcom_phy.exchange import ChannelState, ReceivedAnalog, Reception, Transmission
from semcom_phy.numerology import Numerology

NARROW = numerology("narrow")
TWO = replace(NARROW, tx_antennas=2, rx_antennas=2)
LOSSY: dict[str, Any] = {
    "snr_db": 15.0,
    "channel_continues": True,
    "gap_length_s": 0.045,
    "gap_starts_s": (0.062, 0.16),
}
"""The second of four pictures is lost, and parts of the others."""


def picture(number: int) -> Transmission:
    return transmission(25_000, seed=number)


def carry(
    radio: Radio, pictures: Iterable[int], folder: Path | None = None
) -> dict[int, Reception | None]:
    """What becomes of pictures; with it all that is sent is counted."""
    found = {}
    with FlowgraphLink(radio, radio.numerology, record_to=folder) as link:
        for number in pictures:
            before = link.stats.frames_sent
            link.send(number, picture(number), ChannelState())
            found[number] = link.receive()
            assert link.stats.frames_sent - before == 3
    return found


def replay(folder: Path, waveform: Numerology = NARROW) -> Radio:
    return open_radio("sigmf", waveform, recording=folder)


def assert_same(one: Reception | None, other: Reception | None) -> None:
    assert one is not None
    assert other is not None
    assert other.header == one.header
    assert np.array_equal(other.fragments, one.fragments)
    assert np.array_equal(other.frame_snr_db, one.frame_snr_db, equal_nan=True)
    for a, b in zip(one.sections, other.sections, strict=True):
        assert isinstance(a, ReceivedAnalog)
        assert isinstance(b, ReceivedAnalog)
        assert np.array_equal(a.symbols, b.symbols)
        assert np.array_equal(a.noise_var, b.noise_var)


@pytest.mark.parametrize("waveform", [NARROW, TWO], ids=["1x1", "2x2"])
def test_a_lossy_run_is_received_again_to_the_last_bit(
    waveform: Numerology, tmp_path: Path
) -> None:
    first = carry(open_radio("loopback", waveform, **LOSSY), range(4), tmp_path)
    assert [reception is None for reception in first.values()] == [False, True, False, False]
    assert not all(r.fragments.all() for r in first.values() if r is not None)
    radio = replay(tmp_path, waveform)
    again = carry(radio, range(4), tmp_path / "again")
    for number, reception in first.items():
        if reception is None:
            assert again[number] is None
        else:
            assert_same(reception, again[number])
    assert not radio.radiates
    # What was replayed was recorded again, and can be replayed.
    third = carry(replay(tmp_path / "again", waveform), [0, 1])
    assert_same(first[0], third[0])
    assert third[1] is None


def test_pictures_are_found_whichever_are_sent(tmp_path: Path) -> None:
    first = carry(open_radio("loopback", NARROW, snr_db=9), range(3), tmp_path)
    again = carry(replay(tmp_path), [2, 7, 0, 8])
    for number in (0, 2):
        one, other = first[number], again[number]
        assert one is not None
        assert other is not None
        assert other.header == one.header
        assert other.fragments.all()
    assert again[7] is None  # nothing was recorded of them
    assert again[8] is None


def test_a_program_that_only_receives_gets_everything(tmp_path: Path) -> None:
    first = carry(open_radio("loopback", NARROW, snr_db=9), range(3), tmp_path)
    radio = replay(tmp_path)
    deadline = time.monotonic() + 20
    with ReceiveLink(radio, NARROW) as link:
        while not link.heard_all(0):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        heard = {reception.header.picture: reception for reception in link.flush()}
    for number, reception in first.items():
        assert_same(reception, heard[number])
    assert len(radio.blocks) == 1  # no sink


def test_a_recording_without_annotations_plays_whole(tmp_path: Path) -> None:
    """As those of others are: its samples are all that is known of it."""
    [reception] = carry(open_radio("loopback", NARROW), [0], tmp_path / "iq").values()
    samples = np.fromfile(tmp_path / "iq" / "received-0.sigmf-data", np.complex64)
    parts = np.stack([samples.real, samples.imag], axis=1) * 4000
    (tmp_path / "other.sigmf-data").write_bytes(parts.round().astype(">i2").tobytes())
    (tmp_path / "other.sigmf-meta").write_text(
        '{"global": {"core:datatype": "ci16_be", "core:version": "1.0.0", '
        '"core:sample_rate": 1000000}, "captures": [], "annotations": []}'
    )
    shutil.rmtree(tmp_path / "iq")
    [again] = carry(replay(tmp_path), [0]).values()
    assert reception is not None
    assert again is not None
    assert again.header == reception.header
    assert again.fragments.all()
    assert again.snr_db == pytest.approx(reception.snr_db, abs=0.2)


def test_a_run_gone_on_with_is_played_part_by_part(tmp_path: Path) -> None:
    first = carry(open_radio("loopback", NARROW, snr_db=9), [0, 1], tmp_path)
    second = carry(open_radio("loopback", NARROW, snr_db=9), [2, 3], tmp_path / "part-2")
    again = carry(replay(tmp_path), range(4))
    assert_same(first[0], again[0])
    assert_same(first[1], again[1])
    for number in (2, 3):
        assert second[number] is not None
        assert again[number] is not None


KILLED = """
import os, signal, sys
from pathlib import Path
from gnuradio.semcom.radios.qa_sigmf import NARROW, picture
from gnuradio.semcom import FlowgraphLink
from gnuradio.semcom.radios import open_radio
from semcom_phy.exchange import ChannelState
link = FlowgraphLink(open_radio("loopback", NARROW), NARROW, record_to=Path(sys.argv[1]))
for number in range(2):
    link.send(number, picture(number), ChannelState())
    assert link.receive() is not None
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_left_is_played(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    ended = subprocess.run(command, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    os.truncate(tmp_path / "received-0.sigmf-data", 8 * 130_000 + 3)  # not even whole samples
    again = carry(replay(tmp_path), range(3))
    assert again[0] is not None  # annotated
    assert again[1] is not None  # or in what follows
    assert again[2] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recording": "/nowhere"}, "radio 'sigmf': there is no /nowhere"),
        ({}, "recording: Field required"),
    ],
)
def test_bad_options_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RadioConfigError, match=message):
        open_radio("sigmf", NARROW, **options)


def test_nothing_but_the_samples_decides(tmp_path: Path) -> None:
    """Samples that changed by one bit are not played."""
    carry(open_radio("loopback", NARROW), [0], tmp_path)
    data = tmp_path / "received-0.sigmf-data"
    content = bytearray(data.read_bytes())
    content[1000] ^= 1
    data.write_bytes(content)
    with pytest.raises(RadioConfigError, match="SHA-512 differs"):
        replay(tmp_path)
