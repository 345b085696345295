# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraph as a link: what is sent arrives, or is known to be lost, or the error comes out."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from gnuradio import gr
from gnuradio.semcom import FlowgraphLink, Framer, LoopbackChannel, numerology
from gnuradio.semcom.guard import Arrays
from gnuradio.semcom.qa_framer import symbols_of as sent_symbols
from gnuradio.semcom.qa_framer import transmission
from gnuradio.semcom.radios import Corrections, Radio, RadioEvents, open_radio
from gnuradio.semcom.radios.base import RadioConfig

from semcom_phy.channel import ChannelConfig
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.digital import mcs_index
from semcom_phy.exchange import (
    ChannelState,
    CodecLabel,
    ComplexArray,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)
from semcom_phy.fragments import air_samples, fragment
from semcom_phy.link import HasSpectra, SimulatedLink
from semcom_phy.modulator import Modulator
from semcom_phy.named_precoding import named_precoding
from semcom_phy.numerology import Numerology

NARROW = numerology("narrow")
STATE = ChannelState(snr_db=10.0)


class TestRadio(Radio):
    """A loopback around a channel block of the test's choice."""

    __test__ = False
    name = "test"
    Config = RadioConfig
    ends_with_input = True

    def __init__(self, channel: LoopbackChannel, waveform: Numerology = NARROW) -> None:
        super().__init__(RadioConfig(), waveform)
        self.channel = channel

    @property
    def sink(self) -> gr.basic_block:
        return self.channel

    @property
    def source(self) -> gr.basic_block:
        return self.channel

    def transmitted(self, sent: int) -> bool:
        return self.channel.samples_in == sent

    def drained(self, sent: int, received: int) -> bool:
        return self.channel.drained(sent, received)


class EndlessRadio(TestRadio):
    """A radio that cannot tell when all has arrived, as devices cannot."""

    ends_with_input = False

    def drained(self, sent: int, received: int) -> bool:
        return False


def symbols_of(reception: Reception | None) -> ComplexArray:
    assert reception is not None
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    return section.symbols


@pytest.mark.parametrize("preset", ["narrow", "wide"])
@pytest.mark.parametrize("antennas", [1, 2])
def test_pictures_cross(preset: str, antennas: int) -> None:
    waveform = numerology(preset, antennas, antennas)
    radio = open_radio("loopback", waveform, snr_db=20, cfo_hz=3e3, delay_samples=500.5, sco_ppm=3)
    with FlowgraphLink(radio, waveform) as link:
        assert isinstance(link, SimulatedLink)
        for number in (0, 70_001):
            sent = transmission(25_000, antennas, seed=number)
            link.send(number, sent, STATE)
            reception = link.receive()
            assert reception is not None
            assert reception.header.picture == number % 65536
            assert reception.fragments.all()
            error = np.mean(np.abs(symbols_of(reception) - sent_symbols(sent)) ** 2)
            assert -20.5 < 10 * np.log10(error) < -19
            assert reception.csi is not None
        stats = link.stats
        assert stats.frames_sent == stats.frames_received > 2
        assert stats.frames_lost == 0
        assert stats.samples == 2 * air_samples(sent, waveform)
        assert stats.seconds > 0


def precoded(delay: int, pictures: int = 3) -> tuple[list[ComplexArray], list[int], CsiReports]:
    """Pictures of three frames over a fading 2x1 channel that beams are formed for.

    Returns:
        Symbols of each picture, the number of the channel known behind it, and all reports.
    """
    waveform = numerology("narrow", 2, 1)
    known, reports = (
        ChannelKnowledge(7.0, waveform, delay),
        CsiReports(waveform, 6, per_picture=delay > 0),
    )
    options: dict[str, Any] = {"channel": "rayleigh", "doppler_hz": 5.0, "seed": 3}
    options["channel_continues"] = True
    radio = open_radio("loopback", waveform, snr_db=15, **options)
    symbols, numbers = [], []
    with FlowgraphLink(
        radio, waveform, *named_precoding("svd", 1), reports=reports, known=known
    ) as link:
        for number in range(pictures):
            known.picture_begins()
            sent = transmission(int(2.5 * waveform.fragment_capacity), seed=number)
            link.send(number, sent, known.state(link.stats.stream_time_s))
            symbols.append(symbols_of(link.receive()))
            numbers.append(known.state().csi_id)
            assert link.counters.unknown_csi == 0
    assert known.counters.used == pictures * (2 if delay else 4)
    assert known.counters.late == known.counters.lost == 0
    return symbols, numbers, reports


def test_frames_are_precoded_for_the_frame_before_and_a_seed_repeats_the_run() -> None:
    symbols, numbers, reports = precoded(delay=0)
    assert numbers == [3, 6, 9]
    again, _, repeated = precoded(delay=0)
    for first, second in zip(symbols, again, strict=True):
        np.testing.assert_array_equal(first, second)
    for number in range(1, 10):
        np.testing.assert_array_equal(reports[number], repeated[number])


@pytest.mark.parametrize("lost", [0, 2])
def test_a_frame_lost_between_frames_that_wait_loses_no_other(lost: int) -> None:
    waveform = numerology("narrow", 2, 1)
    known, reports = ChannelKnowledge(7.0, waveform), CsiReports(waveform, 6)
    picture = transmission(int(3.6 * waveform.fragment_capacity))
    framer = Framer(waveform, stop_and_wait=True)
    frame = max(air_samples(picture, waveform) // 4, 1)
    begin = lost * (frame + framer.pause_samples) / waveform.sample_rate
    burst: dict[str, Any] = {"interferer_db": 40, "interferer_start_s": begin}
    burst["interferer_length_s"] = frame / waveform.sample_rate
    radio = open_radio("loopback", waveform, snr_db=15, **burst)
    with FlowgraphLink(
        radio, waveform, *named_precoding("svd", 1), reports=reports, known=known
    ) as link:
        link.send(0, picture, STATE)
        reception = link.receive()
    assert reception is not None
    assert reception.fragments.tolist() == [index != lost for index in range(4)]


def test_late_feedback_is_of_the_picture_before_the_last() -> None:
    _, numbers, _ = precoded(delay=1)
    assert numbers == [0, 0, 1]


@pytest.mark.parametrize("preset", ["narrow", "wide"])
@pytest.mark.parametrize("delay", [0, 3000])
def test_the_shortest_picture_is_received_before_the_next_is_sent(preset: str, delay: int) -> None:
    waveform = numerology(preset)
    radio = open_radio("loopback", waveform, snr_db=20, delay_samples=delay)
    with FlowgraphLink(radio, waveform) as link:
        for number in range(3):
            link.send(number, transmission(1), STATE)
            assert link.receive() is not None


@pytest.mark.parametrize("name", ["side-information", "nr-16qam-490/1024"])
def test_bits_cross_beside_symbols(name: str) -> None:
    bits = np.random.default_rng(4).integers(0, 2, 900).astype(np.uint8)
    analog = transmission(2000).sections[0]
    digital_section = DigitalSection(bits, mcs_index(name))
    sent = Transmission((digital_section, analog), 64, 64, CodecLabel(200))
    with FlowgraphLink(open_radio("loopback", NARROW, snr_db=10), NARROW) as link:
        link.send(0, sent, STATE)
        reception = link.receive()
    assert reception is not None
    digital = reception.sections[0]
    assert isinstance(digital, ReceivedDigital)
    assert digital.ok
    assert np.array_equal(digital.bits, bits)


def test_several_pictures_on_their_way_come_in_order() -> None:
    with FlowgraphLink(open_radio("loopback", NARROW), NARROW) as link:
        for number in range(5):
            link.send(number, transmission(1500, seed=number), STATE)
        numbers = []
        for _ in range(5):
            reception = link.receive()
            assert reception is not None
            numbers.append(reception.header.picture)
    assert numbers == list(range(5))


def test_a_seed_reproduces_a_run_whatever_the_scheduler_does() -> None:
    def run() -> list[ComplexArray]:
        radio = open_radio("loopback", NARROW, snr_db=5, seed=8, cfo_hz=500)
        with FlowgraphLink(radio, NARROW) as link:
            received = []
            for number in range(3):
                link.send(number, transmission(14_000), STATE)
                received.append(symbols_of(link.receive()))
            return received

    first, second = run(), run()
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])


def test_a_picture_is_received_the_same_whatever_was_sent_before_it() -> None:
    def receive(numbers: range) -> ComplexArray:
        options: dict[str, Any] = {
            "snr_db": 5,
            "seed": 8,
            "cfo_hz": 500,
            "delay_samples": 12.5,
            "sco_ppm": 20,
        }
        with FlowgraphLink(open_radio("loopback", NARROW, **options), NARROW) as link:
            for number in numbers:
                link.send(number, transmission(14_000), STATE)
                symbols = symbols_of(link.receive())
            return symbols

    whole, resumed, other = receive(range(3)), receive(range(2, 3)), receive(range(3, 4))
    np.testing.assert_allclose(resumed, whole, atol=1e-4)
    assert np.mean(np.abs(other - whole) ** 2) > 0.1


def test_the_noise_of_a_simulated_radio_changes_between_pictures() -> None:
    def run() -> list[ComplexArray]:
        radio = open_radio("loopback", NARROW, snr_db=20, seed=3)
        with FlowgraphLink(radio, NARROW) as link:
            assert isinstance(link, SimulatedLink)
            received = []
            for number, snr_db in enumerate((15.0, 3.0, 9.0)):
                link.set_snr_db(snr_db)
                link.send(number, sent, STATE)
                with pytest.raises(RuntimeError, match="picture is on its way"):
                    link.set_snr_db(0.0)
                reception = link.receive()
                assert reception is not None
                assert reception.snr_db == pytest.approx(snr_db, abs=0.3)
                received.append(symbols_of(reception))
            with pytest.raises(ValueError, match="snr_db"):
                link.set_snr_db(1000.0)
        return received

    sent = transmission(5000)
    assert all(np.array_equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_spectra_of_what_was_sent_and_received() -> None:
    """The edges, where nothing is sent, hold noise alone; a link asked for none has none."""
    waveform = numerology("narrow", 2, 2)
    radio = open_radio("loopback", waveform, snr_db=10.0)
    with FlowgraphLink(radio, waveform, spectra=True) as link:
        assert isinstance(link, HasSpectra)
        link.send(0, transmission(40_000), STATE)
        assert link.receive() is not None
        found = link.spectra()
        assert found.sent is not None
        assert found.received is not None
        assert found.sent.shape == found.received.shape == (2, 256)
        edges, middle = np.r_[:20, 236:256], np.r_[60:120, 136:196]
        received = found.received[0]
        assert (found.sent[0, edges] < 0.02 * found.sent[0, middle].mean()).all()
        assert 0.03 < received[edges].mean() / received[middle].mean() < 0.2
    with FlowgraphLink(open_radio("loopback", NARROW), NARROW) as link:
        assert link.spectra().sent is link.spectra().received is None


def test_the_noise_of_a_radio_is_its_own() -> None:
    with (
        FlowgraphLink(EndlessRadio(LoopbackChannel(ChannelConfig(), NARROW)), NARROW) as link,
        pytest.raises(ValueError, match="radio 'test' has a channel of its own"),
    ):
        link.set_snr_db(3.0)


class Deaf(LoopbackChannel):
    """Hears nothing from a sample on."""

    def __init__(self, stop: int) -> None:
        super().__init__(ChannelConfig(snr_db=20.0), NARROW)
        self.stop_sample = stop

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        heard = max(self.stop_sample - self.samples_out, 0)
        count = super().process(inputs, outputs)
        for output in outputs:
            output[heard:count] = 0
        return count


def test_a_lost_picture_is_known_at_once_and_a_part_is_delivered() -> None:
    picture = transmission(30_000)
    length = air_samples(picture, NARROW)
    channel = Deaf(length * 2 // 3)
    with FlowgraphLink(TestRadio(channel), NARROW) as link:
        begun = time.monotonic()
        link.send(0, picture, STATE)
        part = link.receive()
        assert part is not None
        assert part.fragments.tolist() == [True, True, False]
        link.send(1, picture, STATE)
        assert link.receive() is None
        assert time.monotonic() - begun < 15
        assert link.stats.frames_lost == 4


class Foreign(LoopbackChannel):
    """Another sender's picture is in the air first, and the receiver hears nothing at first."""

    def __init__(self, missed: int) -> None:
        super().__init__(ChannelConfig(snr_db=20.0), NARROW)
        self._missed = missed
        modulator = Modulator(NARROW)
        frames = fragment(transmission(100), 77, NARROW)
        self._pending = np.concatenate([modulator.frame(frame) for frame in frames], axis=1)

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        missed = max(self._missed - self.samples_in, 0)
        inputs = [np.concatenate([np.zeros_like(s[:missed]), s[missed:]]) for s in inputs]
        return super().process(inputs, outputs)


def test_foreign_pictures_are_dropped_and_a_later_one_settles_an_earlier() -> None:
    picture = transmission(15_000)
    radio = EndlessRadio(Foreign(air_samples(picture, NARROW)))
    with FlowgraphLink(radio, NARROW) as link:
        for number in range(2):
            link.send(number, picture, STATE)
        assert link.receive(timeout_s=20) is None  # the radio does not tell that nothing comes
        reception = link.receive(timeout_s=20)
        assert reception is not None
        assert reception.header.picture == 1
        assert link.counters.frames == 3
        assert link.stats.frames_received == reception.fragments.sum() == 2
        assert link.stats.frames_lost == 2


def test_an_interrupted_link_closes_at_once() -> None:
    def interrupted(link: FlowgraphLink) -> None:
        with link:
            for number in range(40):
                link.send(number, transmission(100_000), STATE)
            raise KeyboardInterrupt

    link = FlowgraphLink(open_radio("loopback", NARROW), NARROW)
    with pytest.raises(KeyboardInterrupt):
        interrupted(link)
    assert link.stats.frames_sent < 180  # half of them


def test_a_link_left_open_does_not_abort_python() -> None:
    script = (
        "from gnuradio.semcom import FlowgraphLink, numerology\n"
        "from gnuradio.semcom.qa_framer import transmission\n"
        "from gnuradio.semcom.radios import open_radio\n"
        "from semcom_phy.exchange import ChannelState\n"
        "narrow = numerology('narrow')\n"
        "link = FlowgraphLink(open_radio('loopback', narrow), narrow)\n"
        "for number in range(40):\n"
        "    link.send(number, transmission(100_000), ChannelState())\n"
        "raise SystemExit(7)\n"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (7, "")


class Failing(LoopbackChannel):
    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        if self.samples_in > 20_000:
            raise OSError("the channel is on fire")
        return super().process(inputs, outputs)


def test_a_block_s_error_comes_out_and_the_link_closes() -> None:
    link = FlowgraphLink(TestRadio(Failing(ChannelConfig(), NARROW)), NARROW)
    begun = time.monotonic()
    with link:
        link.send(0, transmission(100_000), STATE)
        with pytest.raises(OSError, match="on fire"):
            link.receive()
    assert time.monotonic() - begun < 10
    with pytest.raises(RuntimeError, match="closed"):
        link.send(1, transmission(100), STATE)


def test_one_failing_link_leaves_another_alone() -> None:
    with FlowgraphLink(open_radio("loopback", NARROW), NARROW) as good:
        with FlowgraphLink(TestRadio(Failing(ChannelConfig(), NARROW)), NARROW) as bad:
            bad.send(0, transmission(100_000), STATE)
            with pytest.raises(OSError, match="on fire"):
                bad.receive()
        good.send(0, transmission(3000), STATE)
        assert good.receive() is not None


class Stuck(LoopbackChannel):
    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        time.sleep(0.01)
        return 0


def test_a_radio_that_does_nothing_is_given_up() -> None:
    radio = EndlessRadio(Stuck(ChannelConfig(), NARROW))
    with FlowgraphLink(radio, NARROW) as link:
        link.send(0, transmission(1000), STATE)
        with pytest.raises(TimeoutError, match="no progress"):
            link.receive(timeout_s=0.3)


def test_misuse_is_told() -> None:
    link = FlowgraphLink(open_radio("loopback", NARROW), NARROW)
    with pytest.raises(RuntimeError, match="on its way"):
        link.receive()
    with pytest.raises(ValueError, match="streams"):
        link.send(0, transmission(10, streams=2), STATE)
    with pytest.raises(RuntimeError, match="on its way"):
        link.receive()
    link.close()
    link.close()
    with pytest.raises(RuntimeError, match="closed"):
        link.receive()


def test_a_recording_holds_every_sample(tmp_path: Path) -> None:
    folder = tmp_path / "iq"
    picture = transmission(3000)
    radio = open_radio("loopback", NARROW, snr_db=None)
    with FlowgraphLink(radio, NARROW, record_to=folder) as link:
        link.send(0, picture, STATE)
        assert link.receive() is not None
    assert sorted(path.name for path in folder.iterdir()) == [
        "received-0.sigmf-data",
        "received-0.sigmf-meta",
        "sent-0.sigmf-data",
        "sent-0.sigmf-meta",
    ]
    sent = sigmf.fromfile(str(folder / "sent-0.sigmf-meta"))
    received = sigmf.fromfile(str(folder / "received-0.sigmf-meta"))
    for recording in (sent, received):
        recording.validate()
        assert len(recording.get_global_info()["core:sha512"]) == 128
        assert recording.get_global_info()["core:sample_rate"] == NARROW.sample_rate
    a, b = sent.read_samples(), received.read_samples()
    length = air_samples(picture, NARROW)
    assert min(a.size, b.size) > length
    assert np.mean(np.abs(a[:length]) ** 2) > 0.5
    assert np.allclose(a[:length], b[:length], atol=1e-3)


def test_a_recording_cut_short_by_a_kill_is_readable(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from gnuradio.semcom import FlowgraphLink, numerology\n"
        "from gnuradio.semcom.qa_framer import transmission\n"
        "from gnuradio.semcom.radios import open_radio\n"
        "from semcom_phy.exchange import ChannelState\n"
        "narrow = numerology('narrow')\n"
        "radio = open_radio('loopback', narrow)\n"
        "link = FlowgraphLink(radio, narrow, record_to=Path(sys.argv[1]))\n"
        "link.send(0, transmission(15_000), ChannelState())\n"
        "link.receive()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    for name in ("sent-0", "received-0"):
        recording = sigmf.fromfile(str(tmp_path / f"{name}.sigmf-meta"))
        recording.validate()
        assert recording.get_global_info()["semcom:numerology"]["name"] == "narrow"
        assert np.mean(np.abs(recording.read_samples()[:10_000]) ** 2) > 0.5


def test_a_link_that_sent_nothing_leaves_whole_recordings(tmp_path: Path) -> None:
    with FlowgraphLink(open_radio("loopback", NARROW), NARROW, record_to=tmp_path):
        pass
    for name in ("sent-0", "received-0"):
        meta = json.loads((tmp_path / f"{name}.sigmf-meta").read_text())
        assert meta["global"]["core:datatype"] == "cf32_le"
        assert (tmp_path / f"{name}.sigmf-data").stat().st_size == 0


def test_a_recording_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "iq").write_text("a file in the way")
    with pytest.raises(OSError, match="iq"):
        FlowgraphLink(open_radio("loopback", NARROW), NARROW, record_to=tmp_path / "iq")


def test_what_calibration_found_is_taken_out_before_the_receiver() -> None:
    wrong = Corrections(image=(0.5,))  # of a channel that has no image
    snr_db = []
    for corrections in (None, wrong):
        radio = open_radio("loopback", NARROW, corrections, snr_db=30)
        with FlowgraphLink(radio, NARROW) as link:
            link.send(0, transmission(2_000), STATE)
            reception = link.receive()
            assert reception is not None
            snr_db.append(reception.snr_db)
    assert snr_db[0] > 28
    assert snr_db[1] < 15


def test_the_radios_time_and_events_are_told() -> None:
    endless = EndlessRadio(LoopbackChannel(ChannelConfig(None), NARROW))
    for radio in (open_radio("loopback", NARROW), endless):
        with FlowgraphLink(radio, NARROW) as link:
            assert (link.stats.radio_s, link.stats.radio_events) == (0, asdict(RadioEvents()))
            link.send(0, transmission(3000), STATE)
            assert link.receive() is not None
            radio.events.late += 1
            link._receiver.samples_heard += 10_000_000  # a device's stream goes on by itself
            stats = link.stats
        assert stats.radio_events == asdict(RadioEvents(late=1))
        if radio.ends_with_input:
            assert stats.radio_s == stats.stream_time_s
        else:
            assert 10 < stats.radio_s < 10.001 + stats.stream_time_s
