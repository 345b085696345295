# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames lost against SNR, beside GNU Radio's gr-digital on the same channel."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.bursts import SIDE, stream, with_noise
from benchmarks.peer import PEERS, run_peer
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.exchange import CodecLabel, DigitalSection, ReceivedDigital, Transmission
from semcom_phy.fragments import Frame, ReceivedFrame, assemble, fragment
from semcom_phy.mcs_tables import mcs_index
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver

BYTES = 96
MODE = "nr-qpsk-526/1024"
GAP = 1000
SNRS_DB: tuple[float, ...] = (-10, -9, -8, -7, -6, -5, -4, -3)
PAYLOAD_SNRS_DB: tuple[float, ...] = (-1, 0, 1, 2, 3)
PEER_SNRS_DB: tuple[float, ...] = (8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20)
FRAMES = 3000
PEER_PACKETS = 1000
BANK = 50
"""Frames that are sent again and again, each time in fresh noise."""

STARTS = 0.01
"""Share of frames lost at which a receiver starts to lose."""


def starts_to_lose_db(snrs_db: Sequence[float], shares: Sequence[float]) -> float:
    """SNR, ascending, below which more than :data:`STARTS` is lost; linear in between.

    Raises:
        ValueError: so much is lost at every SNR, or at none.
    """
    lossy = [index for index, share in enumerate(shares) if share > STARTS]
    if not lossy or lossy[-1] + 1 == len(shares):
        raise ValueError(f"losses {list(shares)} do not cross {STARTS:g}: measure at other SNRs")
    low = lossy[-1]
    part = (shares[low] - STARTS) / (shares[low] - shares[low + 1])
    return float(snrs_db[low] + part * (snrs_db[low + 1] - snrs_db[low]))


def _bank(numerology: Numerology, rng: np.random.Generator) -> list[Frame]:
    """Frames of :data:`BYTES` coded bytes each."""
    frames = []
    for picture in range(BANK):
        bits = rng.integers(0, 2, 8 * BYTES, np.uint8)
        section = DigitalSection(bits, mcs_index(MODE))
        transmission = Transmission((section,), SIDE, SIDE, CodecLabel(1))
        frames += fragment(transmission, picture, numerology)
    return frames


def _arrived(
    numerology: Numerology, snr_db: float, rounds: int, rng: np.random.Generator
) -> Iterator[ReceivedFrame]:
    """Frames of the bank that arrived with the header that they were sent with."""
    bank = _bank(numerology, rng)
    samples = stream(bank, numerology, GAP)
    for _ in range(rounds):
        receiver = Receiver(numerology)
        for frame in receiver.push(with_noise(samples, snr_db, rng)) + receiver.flush():
            if frame.header == bank[frame.header.picture.picture % BANK].header:
                yield frame


def _payload_arrived(frame: ReceivedFrame) -> bool:
    section = assemble(frame.header.picture, 1, {0: frame}).sections[0]
    return isinstance(section, ReceivedDigital) and section.ok


def _peer_lost(packets: int) -> list[float]:
    command = [sys.executable, str(PEERS / "gr_digital_ofdm.py"), "loss", "--bytes", str(BYTES)]
    command += ["--packets", str(packets), "--gap", str(GAP)]
    printed = run_peer([*command, "--snr", *map(str, PEER_SNRS_DB)])
    return [lost / printed["packets"] for lost in printed["lost"]]


def detection(effort: Effort) -> Measurement:
    """Preambles missed and headers lost, and payloads lost, over SNR.

    Raises:
        PeerMissing: there is no GNU Radio.
    """
    rng = np.random.default_rng(1)
    rounds = effort.trials(FRAMES // BANK, least=1)
    sent = rounds * BANK
    headers = {
        numerology.name: [
            1 - sum(1 for _ in _arrived(numerology, snr_db, rounds, rng)) / sent
            for snr_db in SNRS_DB
        ]
        for numerology in (NARROW, WIDE)
    }
    payloads = [
        1 - sum(map(_payload_arrived, _arrived(NARROW, snr_db, rounds, rng))) / sent
        for snr_db in PAYLOAD_SNRS_DB
    ]
    packets = effort.trials(PEER_PACKETS, least=20)
    theirs = _peer_lost(packets)
    here = starts_to_lose_db(PAYLOAD_SNRS_DB, payloads)
    there = starts_to_lose_db(PEER_SNRS_DB, theirs)
    snrs = sorted({*SNRS_DB, *PAYLOAD_SNRS_DB, *PEER_SNRS_DB})
    measured: dict[str, tuple[Sequence[float], Sequence[float]]] = {
        **{f"{name}: frame and header": (SNRS_DB, shares) for name, shares in headers.items()},
        "narrow: 96 bytes of coded QPSK": (PAYLOAD_SNRS_DB, payloads),
        "gr-digital: 96 bytes of QPSK": (PEER_SNRS_DB, theirs),
    }
    curves = {
        label: [dict(zip(at, shares, strict=True)).get(snr_db) for snr_db in snrs]
        for label, (at, shares) in measured.items()
    }
    at_minus_5 = SNRS_DB.index(-5)
    return Measurement(
        title="Frames lost",
        method=(
            f"{sent} frames at each SNR in white noise; gr-digital with {packets} packets. Ours "
            "carry their bytes by QPSK and the LDPC code of rate 1/2; gr-digital has no channel "
            "code."
        ),
        x_label="SNR (dB)",
        y_label="share lost",
        x=snrs,
        curves=curves,
        goals=[
            *(
                Goal(f"{name}: frame and header lost at -5 dB", shares[at_minus_5], 1e-3, "")
                for name, shares in headers.items()
            ),
            Goal(
                f"1 % lost: gr-digital at {there:.1f} dB, ours at {here:.1f} dB; below",
                there - here,
                12,
                "dB",
                at_least=True,
            ),
        ],
        log_y=True,
    )
