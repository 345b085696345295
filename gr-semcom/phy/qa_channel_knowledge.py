# SPDX-License-Identifier: GPL-3.0-or-later
import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import Feedback
from semcom_phy.numerology import NARROW

MIMO = replace(NARROW, tx_antennas=2, rx_antennas=2)
CARRIERS = len(MIMO.active_carriers)


def channel(csi_id: int, stream_time_s: float | None = None, value: complex = 1.0) -> Feedback:
    csi = np.full((CARRIERS, 2, 2), value, np.complex64)
    return Feedback(csi=csi, csi_id=csi_id, stream_time_s=stream_time_s)


def snr(snr_db: float, stream_time_s: float | None = None) -> Feedback:
    return Feedback(snr_db=snr_db, stream_time_s=stream_time_s)


def told(known: ChannelKnowledge, now_s: float | None = None) -> tuple[float | None, int, float]:
    state = known.state(now_s)
    assert (state.csi is None) == (state.csi_id == 0)
    return state.snr_db, state.csi_id, state.age_s


def test_before_any_report_the_default_is_known() -> None:
    assert told(ChannelKnowledge()) == (None, 0, 0.0)
    known = ChannelKnowledge(7.0)
    assert told(known) == (7.0, 0, 0.0)
    known.set_default_snr_db(-3)
    assert told(known, 5.0) == (-3.0, 0, 0.0)


def test_the_latest_of_each_kind_is_known_with_the_age_of_the_channel() -> None:
    known = ChannelKnowledge(7.0, MIMO)
    assert known.learn(snr(3.0, 1.0))
    assert told(known, 1.5) == (3.0, 0, 0.5)
    assert known.learn(channel(4, 2.0))
    assert told(known, 2.25) == (3.0, 4, 0.25)
    assert known.counters.used == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        snr(200.0),
        snr(-31.0),
        snr(math.nan),
        snr(math.inf),
        snr(5.0, math.nan),
        snr(5.0, -1.0),
        Feedback(),
        channel(0),
        channel(256),
        channel(-1),
        channel(3, value=math.nan),
        channel(3, value=math.inf),
        channel(3, value=3e38),
        channel(3, value=0),
        channel(3, value=1e5),
        replace(channel(3), csi=np.ones((CARRIERS, 2, 1), np.complex64)),
        replace(channel(3), csi=np.ones(CARRIERS, np.complex64)),
        replace(channel(3), csi=np.ones((0, 2, 2), np.complex64)),
        replace(channel(3), snr_db=math.nan),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_nonsense_leaves_the_last_good_report_in_force(nonsense: Feedback) -> None:
    known = ChannelKnowledge(7.0, MIMO)
    known.learn(snr(3.0))
    known.learn(channel(9))
    assert not known.learn(nonsense)
    assert (known.state().snr_db, known.state().csi_id) == (3.0, 9)
    assert (known.counters.used, known.counters.implausible) == (2, 1)


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_whatever_the_order_the_latest_counts(order: tuple[int, ...]) -> None:
    known = ChannelKnowledge()
    newest, late = -1, 0
    for at in order:
        late += at < newest
        newest = max(newest, at)
        known.learn(snr(float(at), at))
        known.learn(channel(at + 1, at))
    assert (known.state().snr_db, known.state().csi_id) == (3.0, 4)
    assert known.counters.late == 2 * late


def test_a_repeated_report_is_late() -> None:
    known = ChannelKnowledge()
    assert known.learn(channel(5, 2.0))
    assert not known.learn(channel(5, 2.0))
    assert not known.learn(channel(6, 2.0))
    assert (known.counters.late, known.state().csi_id) == (2, 5)


def test_another_receivers_clock_begins_anew() -> None:
    known = ChannelKnowledge()
    known.learn(snr(3.0, 100.0))
    assert known.learn(replace(snr(4.0, 0.5), session=2))
    assert known.state().snr_db == 4.0


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_reports_are_held_back_for_so_many_pictures(delay: int) -> None:
    known = ChannelKnowledge(7.0, delay=delay)
    for picture in range(8):
        known.picture_begins()
        then = picture - delay - 1
        expected = (then, then + 1, delay + 0.5) if then >= 0 else (7.0, 0, 0.0)
        assert told(known, picture) == expected
        known.learn(channel(picture + 1, picture + 0.5))
        known.learn(snr(picture, picture + 0.5))


def test_a_frames_report_is_there_for_the_next_frame() -> None:
    known = ChannelKnowledge()
    known.picture_begins()
    for frame in range(1, 5):
        known.learn(channel(frame, frame))
        assert known.state().csi_id == frame


def test_what_is_too_old_is_not_known_any_more() -> None:
    known = ChannelKnowledge(7.0, valid_pictures=2)
    known.learn(snr(3.0, 1.0))
    known.learn(channel(1, 1.0))
    told = []
    for _ in range(4):
        known.picture_begins()
        told.append((known.state().snr_db, known.state().csi_id))
    assert told == [(3.0, 1), (3.0, 1), (7.0, 0), (7.0, 0)]
    assert known.counters.expired == 1
    known.learn(snr(4.0, 2.0))
    assert known.state().snr_db == 4.0


def test_limits_are_told() -> None:
    with pytest.raises(ValueError, match="snr_db is 61"):
        ChannelKnowledge(61)
    with pytest.raises(ValueError, match="delay is -1"):
        ChannelKnowledge(delay=-1)
    with pytest.raises(ValueError, match="valid_pictures 0"):
        ChannelKnowledge(valid_pictures=0)
