# SPDX-License-Identifier: GPL-3.0-or-later
"""The modem alone: a Kodak picture's symbols to samples and back."""

from __future__ import annotations

import numpy as np

from benchmarks.bursts import gaussian, with_noise
from benchmarks.result import Result
from benchmarks.timing import measure
from semcom_phy.exchange import AnalogSection, CodecLabel, ComplexArray, Reception, Transmission
from semcom_phy.fragments import Assembler, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.receiver import Receiver

HEIGHT, WIDTH = 512, 768
CHANNEL_USES = 3 * HEIGHT * WIDTH // 6
SNR_DB = 10.0
CHUNK = 65_536
"""Samples that the receiver is given at a time."""


def kodak_transmission(rng: np.random.Generator) -> Transmission:
    """A picture of Kodak's size at a bandwidth ratio of 1/6: Gaussian symbols of unit power."""
    symbols = gaussian((1, CHANNEL_USES), rng)
    return Transmission((AnalogSection(symbols),), HEIGHT, WIDTH, CodecLabel(codec=1))


def transmit(transmission: Transmission, numerology: Numerology) -> ComplexArray:
    """All bursts of a picture, ``[tx, n]``."""
    modulator = Modulator(numerology)
    return np.concatenate(
        [modulator.frame(frame) for frame in fragment(transmission, 1, numerology)], axis=1
    )


def receive(samples: ComplexArray, numerology: Numerology) -> list[Reception]:
    """Search, demodulate and assemble what is in ``[rx, n]`` samples."""
    receiver, assembler = Receiver(numerology), Assembler(numerology)
    frames = []
    for begin in range(0, samples.shape[1], CHUNK):
        frames += receiver.push(samples[:, begin : begin + CHUNK])
    frames += receiver.flush()
    receptions = [reception for frame in frames for reception in assembler.add(frame)]
    return receptions + assembler.flush()


def modem_kodak_cpu_s(repeats: int) -> Result:
    """CPU seconds of transmitting and receiving a Kodak picture at CBR 1/6 and 10 dB.

    Raises:
        RuntimeError: the picture did not arrive whole, so that its time would mean nothing.
    """
    rng = np.random.default_rng(1)
    transmission = kodak_transmission(rng)
    sent = measure(lambda: transmit(transmission, NARROW), repeats)
    samples = with_noise(sent.value, SNR_DB, rng)
    received = measure(lambda: receive(samples, NARROW), repeats)
    whole = [reception for reception in received.value if reception.fragments.all()]
    if len(whole) != 1:
        raise RuntimeError("the modem lost frames at 10 dB: its time would mean nothing")
    return Result(
        name="modem_kodak_cpu_s",
        ours=sent.cpu_s + received.cpu_s,
        unit="CPU s",
        parts={"transmit": sent.cpu_s, "receive": received.cpu_s},
    )
