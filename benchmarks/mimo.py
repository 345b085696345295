# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures on two antennas: precoders by what comes back of the channel, through the whole modem.

``python -m benchmarks.mimo PICTURES CSV`` sends the middle of each picture over draws of a flat
Rayleigh channel (wide numerology, 2x2, two streams) with every scheme, precoder and kind of CSI,
the same draws and noise for all, and writes a row each. Of every draw a frame is sent first that is
not precoded; its report is what the transmitter knows of the channel.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
import typer

from semcom_models.codecs import registry
from semcom_models.codecs.base import Codec, Request, decode_picture
from semcom_models.codecs.separate_mcs import SeparateOptions
from semcom_models.data import load_picture
from semcom_models.metrics import psnr_db
from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.exchange import ChannelState, ComplexArray, DigitalSection, Reception, Transmission
from semcom_phy.fragments import Assembler, ReceivedFrame, fragment
from semcom_phy.modulator import Modulator
from semcom_phy.named_precoding import named_precoding
from semcom_phy.numerology import WIDE
from semcom_phy.power_allocation import PowerRule
from semcom_phy.receiver import Receiver, lookahead_samples
from semcom_phy.tdl import flat_channel

NUMEROLOGY = replace(WIDE, tx_antennas=2, rx_antennas=2)
SNR_DB = 12.0
HEIGHT, WIDTH = 256, 384
CBR = 1 / 12
DOPPLER_HZ = 5.0
AGE_S = 0.02
"""Of stale CSI when the picture begins: its correlation is J0(0.2 pi) = 0.90."""

RULES: tuple[PowerRule, ...] = ("equal", "water-filling", "least-error")
SCHEMES = {
    "linear": ("linear", ""),
    "adjscc": ("adjscc", ""),
    "bpg+ldpc QPSK": ("bpg+ldpc", "nr-qpsk-2/3"),
    "bpg+ldpc 16QAM": ("bpg+ldpc", "nr-16qam-1/2"),
}


UNUSED, MOVING, STALE = "none", "none, 5 Hz", "20 ms old, 5 Hz"
"""Nothing is fed back; likewise over the channel that moves, to compare with what is stale."""


@dataclass(frozen=True)
class Knowledge:
    """What the transmitter has of the channel.

    Attributes:
        bits: of the quantiser, None for none.
        error_var: of an error that is added.
        stale: the channel moves on for :data:`AGE_S` first.
    """

    bits: int | None = None
    error_var: float = 0.0
    stale: bool = False


KNOWLEDGE = {
    "as estimated": Knowledge(),
    "6 bits": Knowledge(bits=6),
    "off by CN(0, 0.05)": Knowledge(error_var=0.05),
    STALE: Knowledge(stale=True),
}

COLUMNS = ("channel", "picture", "scheme", "precoder", "powers", "csi", "psnr_db", "snr_db", "ok")


def transmissions(picture: torch.Tensor) -> Iterator[tuple[str, Codec, Transmission]]:
    """The picture as every scheme sends it."""
    for name, (scheme, mcs) in SCHEMES.items():
        codec = registry.load(scheme, cbr=2 * CBR)
        options = SeparateOptions(mcs=mcs) if mcs else None
        request = Request(cbr=2 * CBR, options=options)
        [made] = codec.encode([picture], ChannelState(snr_db=SNR_DB), request)
        yield name, codec, replace(made, streams=2)


def variants(scheme: str) -> Iterator[tuple[str, PowerRule | None, str]]:
    """Precoder, powers and CSI that a scheme is tried with."""
    yield "none", None, UNUSED
    yield "none", None, MOVING
    digital = "ldpc" in scheme
    usual: PowerRule = "water-filling" if digital else "least-error"
    for rule in RULES:
        yield "svd", rule, "as estimated"
    for csi in list(KNOWLEDGE)[1:]:
        yield "svd", usual, csi
    for csi in KNOWLEDGE if digital else ():
        yield "pcen", None, csi


def send(
    transmission: Transmission,
    precoder: str,
    rule: PowerRule | None,
    knowledge: Knowledge,
    modulation: str,
    seed: int,
) -> Reception | None:
    """A picture over a draw of the channel, precoded for what was reported of a frame before."""
    numerology = NUMEROLOGY
    pair = named_precoding(precoder, 2, rule or "water-filling", modulation)
    reports = CsiReports(numerology, knowledge.bits, knowledge.error_var, seed)
    doppler_hz = DOPPLER_HZ if knowledge.stale else 0.0
    air = SampleChannel(ChannelConfig(SNR_DB, multipath=flat_channel(doppler_hz)), numerology, seed)
    receiver, assembler = Receiver(numerology, pair[1], reports), Assembler(numerology)
    modulator = Modulator(numerology, pair[0])

    def carry(
        sent: Transmission, picture: int, state: ChannelState
    ) -> tuple[list[ReceivedFrame], Reception | None]:
        csi = state.csi if pair[0] else None
        frames = fragment(sent, picture, numerology, state.csi_id if pair[0] else 0)
        bursts = [modulator.frame(frame, csi) for frame in frames]
        silence = np.zeros((2, lookahead_samples(numerology) + 512), np.complex64)
        received = receiver.push(air.process(np.concatenate([*bursts, silence], axis=1)))
        complete = [r for frame in received for r in assembler.add(frame)] + assembler.flush()
        return received, complete[0] if complete else None

    sounded, _ = carry(replace(transmission, sections=(_SOUNDING,)), 0, ChannelState())
    report = reports.report(sounded[-1]) if sounded else None
    if knowledge.stale:
        air.process(_silence(round(AGE_S * numerology.sample_rate)))
    known = ChannelState() if report is None else ChannelState(csi=report.csi, csi_id=report.csi_id)
    _, reception = carry(transmission, 1, known)
    return reception


_SOUNDING = DigitalSection(np.zeros(900, np.uint8), 0)


def _silence(samples: int) -> ComplexArray:
    return np.zeros((2, samples), np.complex64)


def middle(pixels: torch.Tensor) -> torch.Tensor:
    """A quarter of a picture of Kodak's size."""
    top, left = (pixels.shape[1] - HEIGHT) // 2, (pixels.shape[2] - WIDTH) // 2
    return pixels[:, top : top + HEIGHT, left : left + WIDTH]


def main(pictures: Path, out: Path, draws: int = 45) -> None:
    """Send and write, a draw of the channel after the other."""
    torch.set_num_threads(1)
    loaded = [(path.stem, middle(load_picture(path))) for path in sorted(pictures.glob("*.png"))]
    made = {name: list(transmissions(pixels)) for name, pixels in loaded}
    with out.open("w", newline="") as file, torch.no_grad():
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for seed, (name, pixels) in enumerate(islice(cycle(loaded), draws)):
            for scheme, codec, transmission in made[name]:
                modulation = "16QAM" if "16QAM" in scheme else "QPSK"
                for precoder, rule, csi in variants(scheme):
                    knowledge = KNOWLEDGE.get(csi, Knowledge(stale=csi == MOVING))
                    got = send(transmission, precoder, rule, knowledge, modulation, seed)
                    row = [seed, name, scheme, precoder, rule or "", csi]
                    if got is None:
                        rows.writerow([*row, "", "", 0])
                        continue
                    quality = psnr_db(decode_picture(codec, got), pixels)
                    ok = all(getattr(section, "ok", True) for section in got.sections)
                    rows.writerow([*row, f"{quality:.3f}", f"{got.snr_db:.3f}", int(ok)])
            file.flush()


if __name__ == "__main__":
    typer.run(main)
