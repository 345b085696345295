# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the samples are: the receiver does not fail, says what happened, and stays small.

Recipes of streams are drawn by hypothesis, or come from ``corpus/receiver.json``, which keeps
those that once found a fault. A search of some minutes over fresh ones::

    FUZZ_EXAMPLES=3000 pytest tests/test_fuzz_receiver.py -k any_ --timeout=3600
"""

import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from semcom_phy.detection import PreambleDetector
from semcom_phy.exchange import (
    AnalogSection,
    CodecLabel,
    ComplexArray,
    DigitalSection,
    PictureHeader,
    Reception,
    SectionEntry,
    Transmission,
)
from semcom_phy.fragments import Assembler, Frame, ReceivedFrame, fragment, fragment_count
from semcom_phy.header import HEADER_SYMBOLS, FrameHeader, decode_header, encode_header
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.qa_header import raw_fields, sent_as
from semcom_phy.receiver import Receiver, ReceiverCounters

CORPUS = Path(__file__).parent / "corpus" / "receiver.json"

BRIEF = replace(NARROW, name="brief", fragment_symbols=8)
NUMEROLOGIES = {
    "brief": BRIEF,
    "wide": replace(WIDE, name="brief-wide", fragment_symbols=4),
    "2x2": replace(BRIEF, name="brief-2x2", tx_antennas=2, rx_antennas=2),
}
NOISE = 0.2

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "30"))


@dataclass(frozen=True)
class Step:
    """A change to a stream; ``start``, ``length`` and ``amount`` are shares, 0 to 1."""

    kind: str
    start: float = 0.0
    length: float = 0.0
    amount: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Two pictures over a little noise, changed in steps, and where the stream is cut."""

    numerology: str = "brief"
    seed: int = 0
    steps: tuple[Step, ...] = ()
    cuts: tuple[float, ...] = ()


@dataclass
class Air:
    """A stream in the making, and the headers that really were in it."""

    numerology: Numerology
    rng: np.random.Generator
    samples: ComplexArray = field(default_factory=lambda: np.zeros((1, 0), np.complex64))
    sent: set[FrameHeader] = field(default_factory=set)

    def noise(self, length: int) -> ComplexArray:
        shape = (self.numerology.rx_antennas, length, 2)
        drawn = self.rng.standard_normal(shape, np.float32)
        return drawn.view(np.complex64)[..., 0]

    def through(self, bursts: ComplexArray) -> ComplexArray:
        """The bursts of all transmit antennas as the receive antennas hear them."""
        antennas = self.numerology.rx_antennas
        return np.repeat(bursts.sum(axis=0, keepdims=True), antennas, axis=0).astype(np.complex64)

    def burst(self, frame: Frame, numerology: Numerology | None = None) -> ComplexArray:
        self.sent.add(frame.header)
        return self.through(Modulator(numerology or self.numerology).frame(frame))

    def picture(self, number: int, numerology: Numerology | None = None) -> ComplexArray:
        """A picture of some frames, with a section of bits, between silences."""
        waveform = numerology or self.numerology
        uses = int(2.5 * waveform.fragment_capacity)
        symbols = self.rng.standard_normal((1, uses, 2), np.float32).view(np.complex64)[..., 0]
        bits = self.rng.integers(0, 2, 40).astype(np.uint8)
        sections = (AnalogSection(symbols * np.float32(0.7)), DigitalSection(bits))
        transmission = Transmission(sections, 64, 64, CodecLabel(1))
        frames = fragment(transmission, number, waveform)
        bursts = [self.burst(frame, waveform) for frame in frames]
        silence = np.zeros((self.numerology.rx_antennas, 300), np.complex64)
        return np.concatenate([silence, *bursts, silence], axis=1)

    def add(self, at: int, samples: ComplexArray) -> None:
        stretch = self.samples[:, at : at + samples.shape[1]]
        stretch += samples[:, : stretch.shape[1]]

    def insert(self, at: int, samples: ComplexArray) -> None:
        parts = [self.samples[:, :at], samples, self.samples[:, at:]]
        self.samples = np.concatenate(parts, axis=1)


FIELDS = (
    *("version", "picture", "fragment", "last_fragment", "height", "width", "codec", "preset"),
    *("weights", "rate", "csi_id", "last_section", "mode0", "length0", "last_stream0", "mode1"),
    *("length1", "last_stream1", "rest"),
)
WIDTHS = dict(zip(FIELDS, (width for _, width in raw_fields()), strict=True))


def _with_header(air: Air, word: ComplexArray) -> ComplexArray:
    """A frame that bears another header."""
    section = SectionEntry(False, 500)
    frame = Frame(
        FrameHeader(PictureHeader(0, 64, 64, CodecLabel(1), (section,))),
        np.ones((1, 500), np.complex64),
    )
    with mock.patch("semcom_phy.modulator.encode_header", return_value=word):
        return air.through(Modulator(air.numerology).frame(frame))


def _forged(air: Air) -> ComplexArray:
    """Some fields of a header at random or at their largest, its CRC right."""
    changes = {}
    for name, width in WIDTHS.items():
        choice = air.rng.random()
        if choice < 0.3:
            largest = choice < 0.1
            changes[name] = (1 << width) - 1 if largest else int(air.rng.integers(1 << width))
    return _with_header(air, sent_as(raw_fields(**changes)))


def _absurd(air: Air) -> ComplexArray:
    """A header of the longest picture that fits this numerology, right in itself."""
    entry = SectionEntry(air.rng.random() < 0.5, int(air.rng.integers(1 << 20, 1 << 24)))
    picture = PictureHeader(
        int(air.rng.integers(1 << 16)), 1 << 14, 1 << 14, CodecLabel(1), (entry,)
    )
    fragments = min(fragment_count(picture, air.numerology), 1 << 12)
    header = FrameHeader(picture, int(air.rng.integers(fragments)), fragments)
    air.sent.add(header)
    return _with_header(air, encode_header(header))


def _training(air: Air) -> ComplexArray:
    """Preambles without frames, one after the other."""
    [frame] = fragment(_one_symbol(), 0, air.numerology)
    burst = air.through(Modulator(air.numerology).frame(frame))
    return np.tile(burst[:, : air.numerology.training_samples], (1, 8))


def _one_symbol() -> Transmission:
    return Transmission((AnalogSection(np.ones((1, 1), np.complex64)),), 8, 8, CodecLabel(1))


def _other(air: Air) -> ComplexArray:
    """A picture on a waveform of as many antennas but otherwise unlike."""
    base = WIDE if air.numerology.fft_size == NARROW.fft_size else NARROW
    antennas = (air.numerology.tx_antennas, air.numerology.rx_antennas)
    other = replace(base, fragment_symbols=6, tx_antennas=antennas[0], rx_antennas=antennas[1])
    return air.picture(1, other)


def _change(air: Air, step: Step) -> None:
    length = air.samples.shape[1]
    begin = int(step.start * length)
    stretch = slice(begin, begin + int(step.length * length))
    part = air.samples[:, stretch]
    if step.kind in _ALTER:
        air.samples[:, stretch] = _ALTER[step.kind](air, part, step.amount)
    elif step.kind in _ADD:
        # Within half a frame of where another one is, or anywhere.
        air.add(begin, np.float32(10 ** (2 * step.amount - 1)) * _ADD[step.kind](air))
    elif step.kind == "insert":
        air.insert(begin, _ADD[list(_ADD)[int(step.amount * 0.999 * len(_ADD))]](air))
    elif step.kind == "cut":
        air.samples = np.delete(air.samples, stretch, axis=1)
    else:
        air.insert(begin, part.copy() if step.kind == "double" else part[:, ::-1].copy())


def _tone(air: Air, part: ComplexArray, amount: float) -> ComplexArray:
    turns = (amount - 0.5) * np.arange(part.shape[1])
    return part + 30 * np.exp(2j * np.pi * turns).astype(np.complex64)


def _saturated(air: Air, part: ComplexArray, amount: float) -> ComplexArray:
    limit = np.float32(2 * amount + 1e-3)
    clipped = np.clip(part.real, -limit, limit) + 1j * np.clip(part.imag, -limit, limit)
    return clipped.astype(np.complex64) / limit


def _scaled(air: Air, part: ComplexArray, amount: float) -> ComplexArray:
    return part * np.float32(10 ** (24 * amount - 12))


def _comb(air: Air, part: ComplexArray, amount: float) -> ComplexArray:
    """Alike from one OFDM symbol to the next."""
    period = air.numerology.samples_per_symbol
    return np.resize(part[:, : int(amount * period) + 1], part.shape)


_ALTER: dict[str, Callable[[Air, ComplexArray, float], ComplexArray]] = {
    "nan": lambda air, part, amount: np.full_like(part, complex(np.nan, 1)),
    "inf": lambda air, part, amount: np.full_like(part, complex(1, -np.inf)),
    "huge": lambda air, part, amount: part * np.float32(1e30),
    "silence": lambda air, part, amount: np.zeros_like(part),
    "conjugate": lambda air, part, amount: part.conj(),
    "reverse": lambda air, part, amount: part[:, ::-1].copy(),
    "negate": lambda air, part, amount: -part,
    "dc": lambda air, part, amount: part + np.complex64(100 * amount),
    "noise": lambda air, part, amount: part + air.noise(part.shape[1]) * np.float32(30 * amount),
    "scale": _scaled,
    "saturate": _saturated,
    "tone": _tone,
    "comb": _comb,
}
_ADD: dict[str, Callable[[Air], ComplexArray]] = {
    "collide": lambda air: air.picture(0),
    "same again": lambda air: air.picture(1),
    "far number": lambda air: air.picture(int(air.rng.integers(1 << 16))),
    "other": _other,
    "forged": _forged,
    "absurd": _absurd,
    "training": _training,
}
KINDS = (*_ALTER, *_ADD, "insert", "cut", "double", "mirror")


def stream_of(recipe: Recipe) -> Air:
    """The samples that a recipe makes."""
    air = Air(NUMEROLOGIES[recipe.numerology], np.random.default_rng(recipe.seed))
    air.samples = np.concatenate([air.picture(0), air.picture(1)], axis=1)
    air.add(0, air.noise(air.samples.shape[1]) * np.float32(NOISE))
    with np.errstate(all="ignore"):
        for step in recipe.steps:
            _change(air, step)
    return air


@dataclass
class Outcome:
    frames: list[ReceivedFrame]
    receptions: list[Reception]
    counters: ReceiverCounters
    lost: tuple[int, ...]
    verified: int


def receive(samples: ComplexArray, numerology: Numerology, cuts: tuple[float, ...]) -> Outcome:
    """What comes of a stream that is pushed in pieces."""
    receiver, assembler = Receiver(numerology), Assembler(numerology)
    frames: list[ReceivedFrame] = []
    receptions: list[Reception] = []
    places = sorted(int(cut * samples.shape[1]) for cut in cuts)
    with mock.patch.object(
        PreambleDetector, "verify", autospec=True, side_effect=PreambleDetector.verify
    ) as verify:
        pieces = [receiver.push(piece) for piece in np.split(samples, places, axis=1)]
        for arrived in [*pieces, receiver.flush()]:
            frames += arrived
            for frame in arrived:
                receptions += assembler.add(frame)
        receptions += assembler.flush()
    counts = astuple(assembler.counts)
    return Outcome(frames, receptions, receiver.counters, counts, verify.call_count)


def check(recipe: Recipe) -> None:
    """All that must hold of any stream."""
    air = stream_of(recipe)
    length = air.samples.shape[1]
    whole = receive(air.samples, air.numerology, ())
    assert {frame.header for frame in whole.frames} <= air.sent
    _check_figures(whole, air)
    counters = whole.counters
    assert counters.detections == (
        counters.frames
        + counters.header_failures
        + counters.foreign_headers
        + counters.unknown_csi
        + counters.truncated
    )
    assert counters.frames == len(whole.frames)
    put_together = sum(int(reception.fragments.sum()) for reception in whole.receptions)
    assert len(whole.frames) == put_together + sum(whole.lost)
    absurd = ~(np.abs(air.samples.real) < 1e12) | ~(np.abs(air.samples.imag) < 1e12)
    assert counters.non_finite_samples == absurd.sum()
    # Each verification leaves half an OFDM symbol behind, each frame the preamble.
    assert whole.verified <= 2 * length / air.numerology.samples_per_symbol + 2
    _check_same(whole, receive(air.samples, air.numerology, recipe.cuts))


def _check_figures(outcome: Outcome, air: Air) -> None:
    starts = [frame.start_sample for frame in outcome.frames]
    assert starts == sorted(starts)
    for frame in outcome.frames:
        assert frame.payload.shape == frame.noise_var.shape
        assert np.isfinite(frame.payload[np.isfinite(frame.noise_var)]).all()
        assert (frame.noise_var >= 0).all()
        assert np.isfinite([frame.snr_db, frame.cfo_hz]).all()
        assert frame.csi is not None
        assert np.isfinite(frame.csi).all()


def _check_same(whole: Outcome, pieces: Outcome) -> None:
    assert whole.counters == pieces.counters
    assert whole.lost == pieces.lost
    for one, other in zip(whole.frames, pieces.frames, strict=True):
        assert (one.header, one.start_sample) == (other.header, other.start_sample)
        assert (one.snr_db, one.cfo_hz) == (other.snr_db, other.cfo_hz)
        np.testing.assert_array_equal(one.payload, other.payload)
        np.testing.assert_array_equal(one.noise_var, other.noise_var)


SHARE = st.floats(0, 1).map(lambda share: round(share, 4))
STEPS = st.builds(Step, st.sampled_from(KINDS), SHARE, SHARE, SHARE)
RECIPES = st.builds(
    Recipe,
    st.sampled_from(sorted(NUMEROLOGIES)),
    st.integers(0, 1000),
    st.lists(STEPS, max_size=5).map(tuple),
    st.lists(SHARE, max_size=12).map(tuple),
)


@settings(deadline=None, max_examples=EXAMPLES)
@given(RECIPES)
def test_any_stream(recipe: Recipe) -> None:
    check(recipe)


def corpus() -> dict[str, Recipe]:
    """Recipes by what they found."""
    stored = json.loads(CORPUS.read_text(encoding="utf-8"))
    return {
        name: Recipe(
            entry["numerology"],
            entry["seed"],
            tuple(Step(*step) for step in entry["steps"]),
            tuple(entry["cuts"]),
        )
        for name, entry in stored.items()
    }


@pytest.mark.parametrize("name", corpus())
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_streams_that_once_found_a_fault(name: str) -> None:
    check(corpus()[name])


def held_at_most(samples: ComplexArray, numerology: Numerology, times: int) -> int:
    """Bytes held at most while a stream comes, over and over, in pieces."""
    receiver, assembler = Receiver(numerology), Assembler(numerology)
    tracemalloc.start()
    try:
        for piece in times * np.array_split(samples, 8, axis=1):
            for frame in receiver.push(piece):
                assembler.add(frame)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["training", "absurd", "forged", "collide", "noise", "comb"])
def test_memory_does_not_grow_with_the_stream(kind: str) -> None:
    steps = tuple(Step(kind, start, 0.3, 0.5) for start in (0.1, 0.4, 0.7))
    air = stream_of(Recipe("brief", 1, steps))
    receive(air.samples, air.numerology, ())  # what is made once
    once = held_at_most(air.samples, air.numerology, 2)
    assert once < 8e6 + 40 * air.samples.nbytes
    assert held_at_most(air.samples, air.numerology, 8) < 1.3 * once


@settings(deadline=None, max_examples=EXAMPLES)
@given(
    st.fixed_dictionaries({}, optional={n: st.integers(0, (1 << w) - 1) for n, w in WIDTHS.items()})
)
def test_any_header_word(changes: dict[str, int]) -> None:
    """With a right CRC: what is taken can be sent, and means those very symbols."""
    symbols = sent_as(raw_fields(**changes))
    header = decode_header(symbols, 0.1)
    if header is not None:
        np.testing.assert_array_equal(encode_header(header), symbols)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.integers(0, 1000), st.floats(-1e30, 1e30), st.floats(0, 1e38), SHARE, SHARE)
@example(seed=0, scale=1.792630460741846e27, noise_var=0.0, missing=0.0, spoilt=0.0)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_any_header_symbols(
    seed: int, scale: float, noise_var: float, missing: float, spoilt: float
) -> None:
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((HEADER_SYMBOLS, 2), np.float32).view(np.complex64)[:, 0]
    symbols = drawn * np.float32(scale)
    symbols[rng.random(HEADER_SYMBOLS) < spoilt] = np.nan
    noise = np.full(HEADER_SYMBOLS, noise_var, np.float32)
    noise[rng.random(HEADER_SYMBOLS) < missing] = np.inf
    assert decode_header(symbols, noise) is None
