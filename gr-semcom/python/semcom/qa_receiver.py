# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver block: messages, bad samples, streams cut short."""

import threading

import numpy as np
import pmt
from gnuradio import blocks, gr
from gnuradio.semcom import Receiver, check, numerology
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, is_end_of_stream, reception_from_pdu
from gnuradio.semcom.qa_framer import symbols_of, transmission

from semcom_phy.exchange import ComplexArray, ReceivedAnalog, Reception
from semcom_phy.fragments import air_samples, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.receiver import lookahead_samples

NARROW = numerology("narrow")
LONG = transmission(30_000)


class Collect(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("collect")
        self.receptions: list[Pmt] = []
        self.reports: list[dict[str, float]] = []
        self.feedback: list[Pmt] = []
        self.handle("receptions", self.take)
        self.handle("frames", lambda message: self.reports.append(pmt.to_python(message)))
        self.handle("feedback", self.feedback.append)

    def take(self, message: Pmt) -> None:
        self.receptions.append(message)
        if is_end_of_stream(message):
            self.finish()


def waveform(picture: int = 7) -> ComplexArray:
    """A picture, 0.2 above silence, then as much of it as the receiver looks ahead."""
    modulator = Modulator(NARROW)
    bursts = [modulator.frame(frame)[0] for frame in fragment(LONG, picture, NARROW)]
    silence = np.zeros(lookahead_samples(NARROW) + 100, np.complex64)
    samples = np.concatenate([np.zeros(777, np.complex64), *bursts, silence])
    rng = np.random.default_rng(9)
    noise = rng.standard_normal((2, samples.size)) * np.sqrt(0.5e-2)
    return (samples + noise[0] + 1j * noise[1]).astype(np.complex64)


def receive(samples: ComplexArray) -> tuple[Receiver, Collect]:
    flowgraph = gr.top_block()
    receiver, collect = Receiver(NARROW), Collect()
    flowgraph.connect(blocks.vector_source_c(samples.tolist()), receiver)
    for port in ("receptions", "frames", "feedback"):
        flowgraph.msg_connect(receiver, port, collect, port)
    flowgraph.run()
    check([receiver, collect])
    assert is_end_of_stream(collect.receptions[-1])
    assert sum(map(is_end_of_stream, collect.receptions)) == 1
    return receiver, collect


def test_a_picture_and_its_reports_come_out() -> None:
    receiver, collect = receive(waveform())
    (pdu, _) = collect.receptions
    reception = reception_from_pdu(pdu)
    assert reception.header.picture == 7
    assert reception.fragments.all()
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    error = np.mean(np.abs(section.symbols - symbols_of(LONG)) ** 2)
    assert -20.5 < 10 * np.log10(error) < -19.2
    assert abs(reception.snr_db - 20) < 0.8
    assert [report["fragment"] for report in collect.reports] == list(range(3))
    assert all(abs(report["snr_db"] - 20) < 1 for report in collect.reports)
    assert all(abs(report["cfo_hz"]) < 50 for report in collect.reports)
    assert collect.reports[0]["stream_time_s"] * 1e6 == 777
    assert pmt.to_python(collect.feedback[0])["snr_db"] == reception.snr_db
    assert receiver.counters.frames == 3


def test_stream_time_alone_completes_a_picture_that_lost_its_last_frame() -> None:
    samples = waveform()
    end = 777 + air_samples(LONG, NARROW)
    samples[end - air_samples(LONG, NARROW) // 3 : end] = 0
    _, collect = receive(samples)
    pdus = collect.receptions[:-1]
    assert len(pdus) == 1
    reception = reception_from_pdu(pdus[0])
    assert reception.fragments.tolist() == [True, True, False]
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    assert 0.3 < section.erased.mean() < 0.36
    assert np.isinf(section.noise_var[section.erased]).all()


def test_a_stream_cut_short_gives_what_had_arrived() -> None:
    length = air_samples(LONG, NARROW)
    receiver, collect = receive(waveform()[: 777 + length - 3000])
    reception = reception_from_pdu(collect.receptions[0])
    assert reception.fragments.tolist() == [True, True, False]
    assert receiver.counters.truncated == 1


def test_a_stream_cut_in_the_first_frame_gives_nothing() -> None:
    _, collect = receive(waveform()[:5000])
    assert len(collect.receptions) == 1
    assert list(map(is_end_of_stream, collect.feedback)) == [True]


def test_samples_that_are_no_numbers_cost_no_more_than_themselves() -> None:
    samples = waveform()
    samples[10_000:10_100] = np.nan
    samples[30_000:30_010] = complex(np.inf, 0)
    receiver, collect = receive(samples)
    assert receiver.counters.non_finite_samples == 110
    reception = reception_from_pdu(collect.receptions[0])
    assert reception.fragments.all()
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    assert np.isfinite(section.symbols).all()


def test_silence_and_noise_give_nothing() -> None:
    rng = np.random.default_rng(2)
    noise = rng.standard_normal((2, 100_000)).astype(np.float32)
    for samples in (np.zeros(100_000, np.complex64), (noise[0] + 1j * noise[1])):
        receiver, collect = receive(samples.astype(np.complex64))
        assert len(collect.receptions) == 1
        assert receiver.counters.frames == 0


def test_flush_delivers_the_open_picture_on_demand() -> None:
    delivered: list[Reception] = []
    done = threading.Event()
    flowgraph = gr.top_block()
    receiver = Receiver(NARROW, deliver=delivered.append)
    cut = waveform()[: 777 + air_samples(LONG, NARROW) - 3000]
    held = blocks.vector_source_c(cut.tolist(), repeat=False)
    stream = Endless()
    flowgraph.connect(held, stream, receiver)
    flowgraph.start()
    try:
        while receiver.samples_in < cut.size:
            assert not done.wait(0.02)
        assert not delivered
        receiver.flush_picture(done.set)
        assert done.wait(5)
        assert [r.fragments.tolist() for r in delivered] == [[True, True, False]]
    finally:
        flowgraph.stop()
        flowgraph.wait()
    check([receiver, stream])


class Endless(GuardedBlock):
    """Copies its input and does not end with it."""

    def __init__(self) -> None:
        super().__init__("endless", 1, 1)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        return [0] * ninputs

    def process(self, inputs, outputs) -> int:  # type: ignore[no-untyped-def]
        count = min(len(inputs[0]), len(outputs[0]))
        outputs[0][:count] = inputs[0][:count]
        self.consume(0, count)
        return count
