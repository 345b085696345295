# SPDX-License-Identifier: GPL-3.0-or-later
"""The air: what is sent is heard, when, how loud, and what slow programs do to it."""

import math
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from semcom_phy.named_channels import named_channel
from semcom_virtual.air import Air, AirConfig
from semcom_virtual.clock import ElasticClock, RealtimeClock
from semcom_virtual.feed import PATIENCE_S, FeedClosedError
from semcom_virtual.radio_model import Imperfections, RadioModel

ONE = RadioModel("one", 1, 1, converter_bits=0)
TWO = RadioModel("two", 2, 2, converter_bits=0)
RATE_HZ = 1e6


class Wall:
    """The world's clock, which a test can hold: what it then writes is in time, however slow."""

    def __init__(self):
        self._behind_s, self._held_s = 0.0, None

    def __call__(self):
        return time.monotonic() - self._behind_s if self._held_s is None else self._held_s

    @contextmanager
    def held(self):
        self._held_s = self()
        yield
        self._behind_s, self._held_s = time.monotonic() - self._held_s, None


@pytest.fixture
def wall():
    return Wall()


@pytest.fixture
def make_air(wall):
    airs = []

    def make(clock=ElasticClock, **config):
        airs.append(Air(AirConfig(**config), clock(wall)))
        return airs[-1]

    yield make
    for air in airs:
        air.close()


def until(condition):
    """Wait for something that comes by itself."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.002)


def attach(air, model=ONE, rx_gain_db=60.0, tx_gain_db=0.0, imperfections=None):
    port = air.attach(model, imperfections)
    port.rate_hz = RATE_HZ
    port.settings.rx_gain_db = [rx_gain_db] * model.rx_channels
    port.settings.tx_gain_db = [tx_gain_db] * model.tx_channels
    return port


def burst(channels=1, samples=5000, seed=0, amplitude=0.3):
    """Phases at random: a signal that is correlated with nothing but itself, in its place."""
    turns = np.random.default_rng(seed).random((channels, samples))
    return (amplitude * np.exp(2j * np.pi * turns)).astype(np.complex64)


def read_until(feed, stop):
    """All samples ``[channels, n]`` up to number ``stop``, and the number of the first."""
    pieces, first, at = [], None, -1
    while at < stop:
        samples, number = feed.read(4096, 5.0)
        assert samples.shape[1], "no samples came"
        assert first is None or number == at, "samples are missing"
        first = number if first is None else first
        at = number + samples.shape[1]
        pieces.append(samples)
    return np.concatenate(pieces, axis=1), first


def test_a_timed_burst_is_heard_at_its_time_and_as_loud_as_the_levels_say(make_air, wall):
    port = attach(make_air(path_loss_db=63.0), tx_gain_db=-5.0)
    rx, tx = port.open_rx([0], capacity=100_000), port.open_tx([0])
    sent = burst()
    with wall.held():
        begin = port.now() + 20_000
        assert tx.write(sent, begin, True, True, 1.0) == sent.shape[1]
    heard, first = read_until(rx, begin + 6000)
    place = slice(begin - first, begin - first + sent.shape[1])
    # 7 - 5 dBm, 63 dB of path, full scale at -60 dBm: -1 dB.
    gain = np.vdot(sent, heard[:, place]) / np.vdot(sent, sent)
    assert gain == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    # kTB and 3 dB are -110.98 dBm, that is -50.98 dB of full scale.
    rest = heard[0] * 1
    rest[place] -= sent[0] * gain
    assert 10 * math.log10(np.mean(np.abs(rest) ** 2)) == pytest.approx(-50.98, abs=0.2)
    assert tx.events() == [("burst_ack", begin + sent.shape[1])]


def test_two_antennas_go_to_their_likes_and_a_single_one_hears_both(make_air, wall):
    air = make_air()
    two, one = attach(air, TWO), attach(air, ONE)
    feeds = two.open_rx([1, 0], capacity=100_000), one.open_rx([0], capacity=100_000)
    tx = two.open_tx([0, 1])
    sent = burst(2)
    with wall.held():
        begin = two.now() + 20_000
        tx.write(sent, begin, True, True, 1.0)
    swapped, first = read_until(feeds[0], begin + 5000)
    heard = swapped[:, begin - first : begin - first + 5000]
    both, first = read_until(feeds[1], begin + 5000)
    sum_ = both[:, begin - first : begin - first + 5000]
    level = 10 ** (7 / 20)
    np.testing.assert_allclose(heard, level * sent[::-1], atol=0.03)
    np.testing.assert_allclose(sum_[0], level * sent.sum(axis=0), atol=0.03)


def test_carriers_apart_turn_the_phase_and_clocks_apart_drift(make_air, wall):
    air = make_air()
    fast = attach(air, imperfections=Imperfections(ppm=4.0))
    slow = attach(air, imperfections=Imperfections(ppm=-6.0))
    for port in (fast, slow):
        port.settings.tx_freq_hz = port.settings.rx_freq_hz = 1e9
    slow.settings.rx_freq_hz += 3000.0
    rx, tx = slow.open_rx([0], capacity=100_000), fast.open_tx([0])
    n = np.arange(40_000)
    tone = 0.3 * np.exp(2j * np.pi * 0.05 * n)[None].astype(np.complex64)
    with wall.held():
        begin = fast.now() + 10_000
        tx.write(tone, begin, True, True, 1.0)
    heard, first = read_until(rx, begin + 42_000)
    on = heard[0, begin - first + 1000 : begin - first + 39_000].astype(complex)
    turns = np.polyfit(np.arange(on.size), np.unwrap(np.angle(on)), 1)[0] / (2 * np.pi)
    offset_hz = 1e9 * (1 + 4e-6) - (1e9 + 3000) * (1 - 6e-6)
    expected_hz = 0.05 * RATE_HZ * (1 + 4e-6) + offset_hz
    assert turns == pytest.approx(expected_hz / (RATE_HZ * (1 - 6e-6)), abs=1e-9)
    # Sample k is sent at k / (1 + 4 ppm) and heard as k (1 - 10 ppm).
    strong = np.flatnonzero(np.abs(heard[0]) > 0.3) + first
    assert strong[0] == pytest.approx(begin * (1 - 10e-6), abs=30)


def test_the_phase_of_the_carrier_goes_on_from_burst_to_burst(make_air, wall):
    port = attach(make_air())
    port.settings.rx_freq_hz -= 1234.5
    rx, tx = port.open_rx([0], capacity=100_000), port.open_tx([0])
    with wall.held():
        begins = [port.now() + 10_000, port.now() + 50_001]
        for begin in begins:
            tx.write(np.full((1, 1000), 0.3, np.complex64), begin, True, True, 1.0)
    heard, first = read_until(rx, begins[1] + 1000)
    still = heard[0] * np.exp(-2j * np.pi * 1234.5 / RATE_HZ * (first + np.arange(heard.shape[1])))
    angles = [np.angle(still[b - first + 100 : b - first + 900].mean()) for b in begins]
    assert angles[1] == pytest.approx(angles[0], abs=0.01)


def test_what_is_not_within_the_band_is_not_heard(make_air, wall):
    air = make_air()
    port, other = attach(air), attach(air)
    other.settings.rx_freq_hz += 0.6 * RATE_HZ
    rx, away = port.open_rx([0], capacity=100_000), other.open_rx([0], capacity=100_000)
    tx = port.open_tx([0])
    with wall.held():
        begin = port.now() + 10_000
        tx.write(burst(), begin, True, True, 1.0)
    assert np.abs(read_until(rx, begin + 5000)[0]).max() > 0.3
    assert np.abs(read_until(away, begin + 5000)[0]).max() < 0.05


@pytest.mark.parametrize("silent", ["disabled", "isolated"])
def test_a_transmitter_can_be_off_and_a_radio_deaf_to_itself(make_air, wall, silent):
    air = make_air(hears_itself=silent != "isolated")
    port = attach(air)
    port.settings.tx_enabled = silent != "disabled"
    rx, tx = port.open_rx([0], capacity=100_000), port.open_tx([0])
    with wall.held():
        begin = port.now() + 10_000
        tx.write(burst(), begin, True, True, 1.0)
    assert np.abs(read_until(rx, begin + 5000)[0]).max() < 0.05
    assert tx.events() == [("burst_ack", begin + 5000)]


def test_a_delay_and_a_fading_channel(make_air, wall):
    air = make_air(delay_s=100.5e-6, channel=named_channel("rayleigh"), seed=3)
    port = attach(air, rx_gain_db=50.0)
    rx, tx = port.open_rx([0], capacity=100_000), port.open_tx([0])
    gains = []
    for number in range(2):
        n = np.arange(8000)
        tone = 0.3 * np.exp(2j * np.pi * 0.01 * n)[None].astype(np.complex64)
        with wall.held():
            begin = port.now() + 10_000
            tx.write(tone, begin, True, True, 1.0)
        heard, first = read_until(rx, begin + 8000)
        place = slice(begin - first + 1000, begin - first + 7000)
        expected = np.exp(2j * np.pi * 0.01 * (np.arange(1000, 7000) - 100.5))
        gains.append(np.vdot(expected, heard[0, place]) / 6000)
        assert np.abs(heard[0, place] - gains[-1] * expected).max() < 0.02, number
    # A channel that stays as it is from burst to burst, and is not of unit gain.
    assert gains[1] == pytest.approx(gains[0], abs=1e-3)
    assert abs(abs(gains[0]) - 0.3 * 10 ** (-3 / 20)) > 0.02


def test_cyclic_samples_repeat_without_a_seam(make_air):
    port = attach(make_air())
    rx, tx = port.open_rx([0], capacity=100_000), port.open_tx([0])
    tone = 0.3 * np.exp(2j * np.pi * np.arange(700) * 7 / 700)[None].astype(np.complex64)
    tx.repeat(tone)
    heard, _ = read_until(rx, port.now() + 20_000)
    on = heard[0, -10_000:]
    assert np.abs(np.diff(np.unwrap(np.angle(on))) - 2 * np.pi * 7 / 700).max() < 0.1
    tx.close()
    assert np.abs(read_until(rx, port.now() + 10_000)[0][0, -2000:]).max() < 0.05


def test_the_elastic_clock_waits_for_a_writer_within_a_burst(make_air, wall):
    port = attach(make_air())
    rx, tx = port.open_rx([0], capacity=200_000), port.open_tx([0])
    sent = burst(samples=60_000)
    with wall.held():
        begin = port.now() + 5000
        tx.write(sent[:, :20_000], begin, True, False, 1.0)
    heard, first = read_until(rx, begin + 10_000)
    for piece in (sent[:, 20_000:40_000], sent[:, 40_000:]):
        stop = port.now() + 25_000
        time.sleep(0.15)  # seven times as long as a piece lasts
        assert port.now() < stop
        tx.write(piece, None, False, piece[0, -1] == sent[0, -1], 1.0)
    rest, _ = read_until(rx, begin + 60_000)
    samples = np.concatenate([heard, rest], axis=1)[:, begin - first : begin - first + 60_000]
    np.testing.assert_allclose(samples, 10 ** (7 / 20) * sent, atol=0.03)
    assert [kind for kind, _ in tx.events()] == ["burst_ack"]


def test_the_elastic_clock_waits_for_a_reader_but_not_for_ever(make_air):
    port = attach(make_air())
    rx = port.open_rx([0], capacity=20_000)
    begun = port.now()
    time.sleep(0.3)
    assert port.now() - begun <= 20_000 + 200
    samples, first = rx.read(20_000, 1.0)
    assert samples.shape[1] == 20_000
    assert rx.lost == 0
    time.sleep(PATIENCE_S)
    until(lambda: rx.lost > 100_000)
    assert rx.read(20_000, 1.0)[1] == first + 20_000
    assert rx.read(100, 1.0)[1] > first + 40_000


def test_the_elastic_clock_is_never_faster_than_the_worlds():
    now_s = 0.0
    clock = ElasticClock(lambda: now_s)
    assert clock.target(0.0, math.inf) == 0.0
    now_s = 0.01
    assert clock.target(0.0, math.inf) == pytest.approx(0.01)
    assert clock.target(0.0, 0.004) == 0.004
    clock.advanced(0.004)
    assert clock.target(0.004, math.inf) == 0.004  # what was waited is not made up for
    now_s = 100.0
    assert clock.target(0.004, math.inf) < 0.1


def test_in_real_time_a_slow_reader_overflows_and_a_slow_writer_underflows(make_air):
    port = attach(make_air(RealtimeClock))
    rx, tx = port.open_rx([0], capacity=22_000, block=5000), port.open_tx([0])
    tx.write(burst(samples=10_000), None, True, False, 1.0)
    until(lambda: rx.lost > 50_000)
    tx.write(burst(samples=1000), None, False, True, 1.0)
    samples, first = rx.read(30_000, 1.0)
    assert samples.shape[1] == 20_000  # up to the break
    _, later = rx.read(5000, 1.0)
    assert later > first + 20_000 + 50_000
    assert (later - first) % 5000 == 0  # whole blocks are lost
    kinds = []
    until(lambda: "burst_ack" in kinds or kinds.extend(kind for kind, _ in tx.events()))
    assert kinds == ["underflow", "burst_ack"]


def test_in_real_time_a_late_burst_is_not_sent_and_the_next_is(make_air, wall):
    port = attach(make_air(RealtimeClock))
    rx, tx = port.open_rx([0], capacity=400_000), port.open_tx([0])
    until(lambda: port.now() > 10_000)
    with wall.held():
        tx.write(burst(), 100, True, False, 1.0)
        tx.write(burst(), None, False, True, 1.0)
        begin = port.now() + 50_000
        tx.write(burst(seed=1), begin, True, True, 1.0)
    heard, first = read_until(rx, begin + 5000)
    on = np.flatnonzero(np.abs(heard[0]) > 0.3) + first
    assert (on[0], on[-1]) == (begin, begin + 4999)
    assert [kind for kind, _ in tx.events()] == ["late", "burst_ack"]


def test_elastic_late_bursts_are_sent_as_soon_as_can_be(make_air):
    port = attach(make_air())
    rx, tx = port.open_rx([0], capacity=200_000), port.open_tx([0])
    read_until(rx, 10_000)
    tx.write(burst(), 100, True, True, 1.0)
    heard, _ = read_until(rx, port.now() + 30_000)
    assert np.count_nonzero(np.abs(heard[0]) > 0.3) == 5000
    assert [kind for kind, _ in tx.events()] == ["burst_ack"]


def test_faults_come_when_asked_for(make_air, wall):
    port = attach(make_air())
    rx, tx = port.open_rx([0], capacity=200_000, block=1000), port.open_tx([0])
    tx.force_late()
    tx.tear(2500)
    with wall.held():
        begin = port.now() + 20_000
        tx.write(burst(), begin, True, True, 1.0)
        tx.write(burst(samples=10_000, seed=1), begin, True, True, 1.0)
    heard, _ = read_until(rx, begin + 14_000)
    assert [kind for kind, _ in tx.events()] == ["late", "underflow", "burst_ack"]
    on = np.flatnonzero(np.abs(heard[0]) > 0.3)
    assert on.size == 10_000
    assert on[-1] - on[0] + 1 == 12_500
    rx.lose(2500)
    ends, starts = [], []
    while len(starts) < 2 or starts[-1] == ends[-2]:
        samples, first = rx.read(777, 1.0)
        starts.append(first)
        ends.append(first + samples.shape[1])
    assert starts[-1] - ends[-2] == 3000  # whole blocks are lost
    assert rx.lost == 3000


def test_a_change_of_rate_renumbers_the_samples(make_air):
    port = attach(make_air())
    rx = port.open_rx([0], capacity=100_000)
    read_until(rx, 20_000)
    port.rate_hz = 2 * RATE_HZ
    assert port.now() >= 40_000
    numbers = [rx.read(1000, 1.0)[1] for _ in range(60)]
    assert max(numbers) >= 40_000


def test_who_waits_is_told_when_the_feed_is_closed(make_air):
    air = make_air()
    port = attach(air)
    rx = port.open_rx([0], first=10**12)
    threading.Timer(0.05, rx.close).start()
    with pytest.raises(FeedClosedError):
        rx.read(100, 10.0)
    tx = port.open_tx([0], capacity=1000)
    threading.Timer(0.05, tx.close).start()
    with pytest.raises(FeedClosedError):
        tx.write(burst(), 10**12, True, True, 10.0)


def test_channels_and_media_that_cannot_be_are_refused(make_air):
    port = attach(make_air())
    with pytest.raises(ValueError, match="channels"):
        port.open_rx([1])
    with pytest.raises(ValueError, match="channels"):
        port.open_tx([])
    with pytest.raises(ValueError, match="path loss"):
        AirConfig(path_loss_db=math.nan)
    with pytest.raises(ValueError, match="delay"):
        AirConfig(delay_s=1.0)
