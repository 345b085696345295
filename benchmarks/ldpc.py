# SPDX-License-Identifier: GPL-3.0-or-later
"""The LDPC decoder, next to Sionna's and GNU Radio's: 20 iterations, all on one core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.peer import PEERS, run_peer
from benchmarks.result import PeerMissing, Result
from benchmarks.timing import measure, one_core
from semcom_phy.awgn import send_bits
from semcom_phy.ldpc import LDPC5G

ITERATIONS = 20
SNR_DB = 1.5
"""Es/N0 of QPSK at which nearly all blocks of rate 1/2 arrive."""

BLOCKS = 256
SET_UP = Path(__file__).parents[1] / "scripts" / "bench_peers.sh"
SET_UP_TIMEOUT_S = 1800


def _ours(k: int, n: int, repeats: int) -> float:
    """Information Mbit per CPU second of decoding without early stop.

    Raises:
        RuntimeError: the blocks did not arrive, so that the time would mean nothing.
    """
    rng = np.random.default_rng(1)
    code = LDPC5G(k, n)
    bits = rng.integers(0, 2, (BLOCKS, k), np.uint8)
    llr = send_bits(code.encode(bits), 2, SNR_DB, rng)
    timing = measure(lambda: code.decode_checked(llr, ITERATIONS, early_stop=False), repeats)
    wrong = (timing.value[0] != bits).any(axis=1).mean()
    if wrong > 0.1:
        raise RuntimeError(f"{wrong:.0%} of the blocks are wrong: their time would mean nothing")
    return BLOCKS * k / timing.cpu_s / 1e6


def _compare(ours: float, command: list[str]) -> Result:
    """Our information Mbit per CPU second beside what a program of ``peers/`` prints.

    Raises:
        PeerMissing: the program does not run here.
        RuntimeError: it ran, and decoded wrongly.
    """
    printed = run_peer(command)
    if printed["wrong"] > 0.1 * printed["blocks"]:
        raise RuntimeError(f"{command[1]}: {printed['wrong']} of {printed['blocks']} blocks wrong")
    return Result(
        name="ldpc_decoder",
        ours=ours,
        unit="information Mbit per CPU s",
        peer=printed["peer"],
        theirs=printed["mbit_per_cpu_s"],
    )


def _sionna_python() -> str:
    """The Python of the environment that has Sionna, which is made if it is not there.

    Raises:
        PeerMissing: it cannot be made here.
    """
    try:
        process = subprocess.run(
            [SET_UP], stdout=subprocess.PIPE, text=True, timeout=SET_UP_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeerMissing(f"Sionna cannot be installed here: {error}") from error
    return process.stdout.strip()


def ldpc_decoder_sionna(repeats: int) -> Result:
    """Rate 1/2, n = 4096, against Sionna's decoder of the same code.

    Raises:
        PeerMissing: Sionna cannot be installed here.
        RuntimeError: a decoder decodes wrongly.
    """
    k, n = 2048, 4096
    command = [_sionna_python(), str(PEERS / "sionna_ldpc.py"), str(k), str(n)]
    command += ["--iterations", str(ITERATIONS), "--snr", str(SNR_DB), "--repeats", str(repeats)]
    with one_core():
        return _compare(_ours(k, n, repeats), command)


def ldpc_decoder_gr_fec(repeats: int) -> Result:
    """Rate 1/2, n = 1800, against gr-fec's decoder of a code of the same size.

    Raises:
        PeerMissing: there is no GNU Radio.
        RuntimeError: a decoder decodes wrongly.
    """
    k, n = 902, 1800
    command = [sys.executable, str(PEERS / "gr_fec_ldpc.py")]
    command += ["--iterations", str(ITERATIONS), "--repeats", str(repeats)]
    with one_core():
        return _compare(_ours(k, n, repeats), command)
