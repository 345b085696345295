# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a radio and this machine keep up with a sample rate: streams for some seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from gnuradio import blocks, gr
from gnuradio.semcom.framer import Framer
from gnuradio.semcom.radio_flowgraph import RadioFlowgraph
from gnuradio.semcom.radios.base import Radio, RadioLostError

from ota_runner.doctor_finding import Finding
from semcom_phy.exchange import AnalogSection, ChannelState, CodecLabel, ComplexArray, Transmission
from semcom_phy.fragments import fragment
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import Numerology
from semcom_phy.receiver import Receiver

_AREA = "self-test"
_SECONDS = 3.0
_START_S = 5.0
_POLL_S = 0.01
_FRAMES = 12
_SNR_DB = 25.0
_KEEPS_UP = 0.98
"""Of the rate that must arrive: what clocks and a start in the middle of a buffer leave."""
_ENOUGH = 1.5
"""Times as fast as real time that the receiver should be: decoder and display work besides."""


@dataclass(frozen=True)
class SelfTest:
    """What a radio and this machine did.

    Attributes:
        radio: its name.
        rate_hz: that was asked for.
        received_per_s, sent_per_s: samples an antenna; nothing sent without leave to transmit.
        overflow, underflow, late: events of the radio.
        receiver_factor: times as fast as real time that our receiver is on this rate, on frames
            without a pause.
    """

    radio: str
    rate_hz: float
    received_per_s: float
    sent_per_s: float | None
    overflow: int
    underflow: int
    late: int
    receiver_factor: float

    def findings(self) -> Iterator[Finding]:
        """In words."""
        asked = f"of {self.rate_hz / 1e6:g} MS/s asked"
        slow = self.received_per_s < _KEEPS_UP * self.rate_hz
        yield Finding(
            _AREA,
            f"{self.radio} receives",
            "caution" if slow or self.overflow else "fine",
            f"{self.received_per_s / 1e6:.3f} {asked}, {self.overflow} overflows",
            "lower --rate, end other programs, use a faster port" if slow or self.overflow else "",
        )
        if self.sent_per_s is None:
            need = "give --cabled DB or --i-have-a-licence to test it"
            yield Finding(_AREA, f"{self.radio} sends", "caution", "not tested", need)
        else:
            torn = self.underflow + self.late
            yield Finding(
                _AREA,
                f"{self.radio} sends",
                "caution" if torn else "fine",
                f"{self.sent_per_s / 1e6:.3f} MS/s in bursts, {self.underflow} underflows, "
                f"{self.late} late",
                "lower --rate, end other programs" if torn else "",
            )
        enough = self.receiver_factor >= _ENOUGH
        yield Finding(
            _AREA,
            "receiver",
            "fine" if enough else "caution",
            f"{self.receiver_factor:.1f} times as fast as real time",
            "" if enough else "lower --rate, or a faster machine",
        )


def self_test(radio: Radio, numerology: Numerology, sends: bool) -> SelfTest:
    """Stream for some seconds; the radio is closed after that.

    Args:
        radio: open.
        numerology: its own.
        sends: whether to send too.

    Raises:
        RadioConfigError: it may not send, or cannot do what its options ask for.
        RadioOpenError: it gives or takes no samples.
        RadioLostError: it is gone, or gives no samples.
    """
    received_per_s, sent_per_s = _stream(radio, numerology, sends)
    events = asdict(radio.events)
    return SelfTest(
        radio.name,
        numerology.sample_rate,
        received_per_s,
        sent_per_s,
        events["overflow"],
        events["underflow"],
        events["late"],
        receiver_factor(numerology),
    )


def _stream(radio: Radio, numerology: Numerology, sends: bool) -> tuple[float, float | None]:
    """Samples per second that were received and sent."""
    burst = _noise(numerology)
    running = RadioFlowgraph("semcom doctor", radio)
    with running:
        framer = Framer(numerology) if sends else None
        for antenna in range(numerology.tx_antennas if framer else 0):
            running.flowgraph.connect((framer, antenna), (radio.sink, antenna))
        heard = [blocks.null_sink(gr.sizeof_gr_complex) for _ in range(numerology.rx_antennas)]
        for antenna, sink in enumerate(heard):
            running.flowgraph.connect((radio.source, antenna), sink)
        running.start(() if framer is None else (framer,))
        _await_first(running, radio, heard[0])
        begun, first, sent = time.monotonic(), heard[0].nitems_read(0), 0
        while time.monotonic() < begun + _SECONDS:
            running.check()
            if framer is not None:
                sent = _send_next(framer, radio, burst, sent)
            time.sleep(_POLL_S)
        seconds = time.monotonic() - begun
        received = heard[0].nitems_read(0) - first
    return received / seconds, None if framer is None else sent / seconds


def _send_next(framer: Framer, radio: Radio, burst: Transmission, sent: int) -> int:
    """Send the next burst once the one before is sent: what waits in buffers does not count.

    Returns:
        Samples per antenna that are sent, of which ``sent`` were known.
    """
    made = framer.samples_out
    if framer.pictures_waiting or (made > sent and not radio.transmitted(made)):
        return sent
    framer.submit(0, burst, ChannelState())
    return made


def _await_first(running: RadioFlowgraph, radio: Radio, sink: gr.block) -> None:
    deadline = time.monotonic() + _START_S
    while sink.nitems_read(0) == 0:
        running.check()
        if time.monotonic() > deadline:
            raise RadioLostError(f"no samples for {_START_S:g} s: look at `{radio.name}`'s tools")
        time.sleep(_POLL_S)


def _noise(numerology: Numerology) -> Transmission:
    """Symbols of some frames."""
    count = _FRAMES * numerology.fragment_capacity
    parts = np.random.default_rng(0).standard_normal((1, count, 2)).astype(np.float32)
    symbols = parts.view(np.complex64)[..., 0] / np.float32(np.sqrt(2))
    return Transmission((AnalogSection(symbols),), 512, 512, CodecLabel(1, 0, 0, 0))


def receiver_factor(numerology: Numerology) -> float:
    """Times as fast as real time that our receiver is, on frames without a pause.

    Args:
        numerology: of the waveform.
    """
    samples = _frames_heard(numerology)
    receiver = Receiver(numerology)
    receiver.push(samples)  # compiles, and fills caches
    begun = time.perf_counter()
    receiver.push(samples)
    return samples.shape[1] / numerology.sample_rate / (time.perf_counter() - begun)


def _frames_heard(numerology: Numerology) -> ComplexArray:
    """Of a picture, as each receive antenna hears one transmitter, ``[rx, n]``."""
    modulator = Modulator(numerology)
    frames = [modulator.frame(frame) for frame in fragment(_noise(numerology), 0, numerology)]
    sent = np.concatenate(frames, axis=1)
    rows = [sent[antenna % numerology.tx_antennas] for antenna in range(numerology.rx_antennas)]
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((len(rows), sent.shape[1], 2), np.float32).view(np.complex64)
    level = np.float32(10 ** (-_SNR_DB / 20) / np.sqrt(2))
    return np.stack(rows) + level * noise[..., 0]
