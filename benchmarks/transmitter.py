# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter inside GNU Radio beside gr-digital's ``ofdm_tx``."""

from __future__ import annotations

import statistics
import sys
from typing import Any

import numpy as np

from benchmarks.modem import kodak_transmission
from benchmarks.peer import PEERS, run_peer
from benchmarks.result import Result
from benchmarks.timing import one_core
from semcom_phy.numerology import NARROW

PICTURES = 10
PEER_PACKETS = {96: 5000, 500: 2000, 2000: 600}
"""Bytes of gr-digital's packets, and how many of them are sent."""


def transmitter(repeats: int) -> Result:
    """Million samples per CPU second, and gr-digital's with its best packets.

    Ours from the symbols of pictures, theirs from the bytes of packets; both into a null sink.
    Repetitions alternate.

    Raises:
        PeerMissing: there is no GNU Radio.
    """
    # Other benchmarks run without GNU Radio.
    from benchmarks.flowgraph import run_framer

    rng = np.random.default_rng(1)
    pictures = [kodak_transmission(rng) for _ in range(PICTURES)]
    runs = []
    printed: dict[int, list[dict[str, Any]]] = {size: [] for size in PEER_PACKETS}
    with one_core():
        _, samples = run_framer(pictures, NARROW)
        for _ in range(repeats):
            runs.append(run_framer(pictures, NARROW)[0])
            for size, packets in PEER_PACKETS.items():
                command = [sys.executable, str(PEERS / "gr_digital_ofdm.py"), "transmit"]
                command += ["--bytes", str(size), "--packets", str(packets)]
                printed[size].append(run_peer(command))
    rates = {
        size: found[0]["samples"] / statistics.median(run["cpu_s"] for run in found) / 1e6
        for size, found in printed.items()
    }
    best = max(rates, key=lambda size: rates[size])
    return Result(
        name="transmitter",
        ours=samples / statistics.median(run.cpu_s for run in runs) / 1e6,
        unit="MS per CPU s",
        peer=f"GNU Radio {printed[best][0]['release']} gr-digital ofdm_tx",
        theirs=rates[best],
        details={
            "peer packet bytes": best,
            **{f"peer at {size} bytes": value for size, value in rates.items()},
        },
    )
