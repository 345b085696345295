# SPDX-License-Identifier: GPL-3.0-or-later
"""How often what must outlive an analogue payload is lost: frames, and side information.

::

    python -m semcom_phy.control_loss frames --snr -5        # detection and header of short frames
    python -m semcom_phy.control_loss side-information       # sections of 32 to 2000 bits at -3 dB
    python -m semcom_phy.control_loss fading --snr 0         # one frame against many, block fading

Every count comes with the largest probability that it does not contradict: Clopper and Pearson,
"The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika
26(4), 1934, one-sided at 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import beta

from semcom_phy.awgn import add_noise
from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.digital import SIDE_INFORMATION, decode_symbols, encode_bits, symbol_count
from semcom_phy.exchange import (
    AnalogSection,
    CodecLabel,
    DigitalSection,
    PictureHeader,
    ReceivedDigital,
    SectionEntry,
    Transmission,
)
from semcom_phy.fragments import Frame, ReceivedFrame, assemble, fragment
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, PRESETS, Numerology, preset
from semcom_phy.receiver import Receiver

SECTION_BITS = (32, 100, 300, 1000, 2000)
"""Side information as codecs have it: a few parameters, a rate map, hyperpriors, a sentence."""

_BATCH = 20
_LARGEST_GAP = 1000
_FADING_BITS = 500
_FADING_FRAMES = ((1, 0), (2, 0), (5, 0), (20, 0), (20, 5))
"""Frames of a picture, and how many of them are lost beside those that fade away."""


def count_lost_frames(numerology: Numerology, snr_db: float, frames: int, seed: int) -> int:
    """Frames of a single payload symbol that are not found, or whose header is not read.

    They come in streams of 20, each with its carrier offset and delay, with gaps between them.

    Args:
        numerology: of the waveform.
        snr_db: Es/N0 over white Gaussian noise.
        frames: how many.
        seed: of contents, offsets, gaps and noise.
    """
    lost = 0
    for batch in range(-(-frames // _BATCH)):
        rng = np.random.default_rng([seed, batch])
        headers = [_short_header(rng) for _ in range(min(_BATCH, frames - batch * _BATCH))]
        sent = np.concatenate([_with_gap(header, numerology, rng) for header in headers], axis=1)
        config = ChannelConfig(
            snr_db,
            cfo_hz=rng.uniform(-1, 1) * numerology.max_cfo_hz,
            phase=rng.uniform(0, 2 * np.pi),
            delay=rng.uniform(0, 10),
        )
        channel, receiver = SampleChannel(config, numerology, [seed, batch]), Receiver(numerology)
        heard = np.concatenate([channel.process(sent), channel.flush()], axis=1)
        arrived = {frame.header for frame in receiver.push(heard) + receiver.flush()}
        lost += sum(header not in arrived for header in headers)
    return lost


def _short_header(rng: np.random.Generator) -> FrameHeader:
    label = CodecLabel(1, weights=int(rng.integers(1 << 32)))
    number, height, width = rng.integers(1, 1 << 14, 3).tolist()
    return FrameHeader(PictureHeader(number, height, width, label, (SectionEntry(False, 1),)))


def _with_gap(header: FrameHeader, numerology: Numerology, rng: np.random.Generator) -> np.ndarray:
    """A frame, and silence before and behind it."""
    burst = Modulator(numerology).frame(Frame(header, np.ones((1, 1), np.complex64)))
    return np.pad(burst, ((0, 0), tuple(rng.integers(0, _LARGEST_GAP, 2))))


def count_lost_sections(n_bits: int, snr_db: float, sections: int, seed: int) -> int:
    """Sections of side information that do not arrive, or not as they were sent.

    Args:
        n_bits: of each.
        snr_db: Es/N0 over white Gaussian noise.
        sections: how many.
        seed: of contents and noise.
    """
    rng, noise_var = np.random.default_rng([seed, n_bits]), 10 ** (-snr_db / 10)
    lost = 0
    for _ in range(sections):
        bits = rng.integers(0, 2, n_bits, np.uint8)
        symbols = add_noise(encode_bits(bits, SIDE_INFORMATION), noise_var, rng)
        received = decode_symbols(symbols, noise_var, n_bits, SIDE_INFORMATION)
        lost += not (received.ok and np.array_equal(received.bits, bits))
    return lost


def count_lost_in_fading(
    frames: int, n_bits: int, snr_db: float, pictures: int, seed: int, erased: int = 0
) -> int:
    """Pictures whose side information is lost where every frame fades by itself (Rayleigh).

    Args:
        frames: that a picture is cut into; an analogue payload fills them.
        n_bits: of side information.
        snr_db: mean Es/N0.
        pictures: how many.
        seed: of contents, fading and noise.
        erased: frames of each picture that are lost, whatever their fading.
    """
    numerology = replace(NARROW, fragment_symbols=40)
    lost = 0
    for picture in range(pictures):
        rng = np.random.default_rng([seed, picture])
        bits = rng.integers(0, 2, n_bits).astype(np.uint8)
        side = DigitalSection(bits, SIDE_INFORMATION)
        room = frames * numerology.fragment_capacity - symbol_count(n_bits, SIDE_INFORMATION)
        payload = AnalogSection(add_noise(np.zeros((1, room), np.complex64), 1.0, rng))
        sent = Transmission((side, payload), 1024, 1024, CodecLabel(1))
        cut = fragment(sent, picture, numerology)
        arrived = sorted(rng.permutation(frames)[erased:].tolist())
        received = {index: _faded(cut[index], snr_db, numerology, rng) for index in arrived}
        section = assemble(cut[0].header.picture, frames, received).sections[0]
        assert isinstance(section, ReceivedDigital)
        lost += not (section.ok and np.array_equal(section.bits, bits))
    return lost


def _faded(
    frame: Frame, snr_db: float, numerology: Numerology, rng: np.random.Generator
) -> ReceivedFrame:
    """A frame as received over one gain, which is known."""
    noise_var = 10 ** (-snr_db / 10) / rng.exponential()
    return ReceivedFrame(
        header=frame.header,
        payload=add_noise(frame.payload, noise_var, rng),
        noise_var=np.full(frame.payload.shape, noise_var, np.float32),
        csi=None,
        snr_db=-10 * float(np.log10(noise_var)),
        cfo_hz=0.0,
        start_sample=0,
        sample_rate=numerology.sample_rate,
    )


def at_most(lost: int, sent: int) -> float:
    """The largest probability of loss that a count does not contradict."""
    return 1.0 if lost >= sent else float(beta.ppf(0.95, lost + 1, sent - lost))


def _line(what: str, lost: int, sent: int) -> str:
    return f"{what}: {lost} of {sent} lost, probability at most {at_most(lost, sent):.2g}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(
        prog="python -m semcom_phy.control_loss",
        description="How often frames and side information are lost.",
    )
    parser.add_argument("what", choices=("frames", "side-information", "fading"))
    parser.add_argument("--numerology", choices=PRESETS, default="narrow", help="of frames")
    parser.add_argument("--snr", type=float, default=None, help="Es/N0 in dB; -5, -3 and 0")
    parser.add_argument("--count", type=int, default=20_000, help="of each; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    count, seed = options.count, options.seed
    defaults = {"frames": -5.0, "side-information": -3.0, "fading": 0.0}
    snr_db = defaults[options.what] if options.snr is None else options.snr
    if options.what == "frames":
        lost = count_lost_frames(preset(options.numerology), snr_db, count, seed)
        print(_line(f"{options.numerology}, frames at {snr_db:g} dB", lost, count))
    for n_bits in SECTION_BITS if options.what == "side-information" else ():
        lost = count_lost_sections(n_bits, snr_db, count, seed)
        print(_line(f"{n_bits} bits at {snr_db:g} dB", lost, count), flush=True)
    for frames, erased in _FADING_FRAMES if options.what == "fading" else ():
        lost = count_lost_in_fading(frames, _FADING_BITS, snr_db, count, seed, erased)
        where = f"{frames} frames" + (f", {erased} of them erased" if erased else "")
        what = f"{_FADING_BITS} bits over {where}, at a mean of {snr_db:g} dB"
        print(_line(what, lost, count), flush=True)


if __name__ == "__main__":
    main()
