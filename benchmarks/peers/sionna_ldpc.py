# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast Sionna's decoder of 5G LDPC codes is on one thread of the CPU.

Runs in an environment of its own (``scripts/bench_peers.sh``), and so imports nothing of ours.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from importlib.metadata import version

import torch
from sionna.phy.fec.ldpc import LDPC5GDecoder, LDPC5GEncoder

BATCH = 64


def main() -> None:
    """Decode batches of noisy words and print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("k", type=int)
    parser.add_argument("n", type=int)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--snr", type=float, required=True, help="Es/N0 of QPSK in dB")
    parser.add_argument("--repeats", type=int, required=True)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(1)
    encoder = LDPC5GEncoder(arguments.k, arguments.n, device="cpu")
    decoder = LDPC5GDecoder(encoder, num_iter=arguments.iterations, device="cpu")
    bits = torch.randint(0, 2, (BATCH, arguments.k)).float()
    # A quadrature of QPSK has half of the power of symbol and noise. Sionna's ratios are
    # log p(1)/p(0).
    mean = 2 * 10 ** (arguments.snr / 10)
    sign = 2 * encoder(bits) - 1
    llr = mean * sign + (2 * mean) ** 0.5 * torch.randn(BATCH, arguments.n)

    decoded = decoder(llr)
    seconds = []
    for _ in range(arguments.repeats):
        begin = time.process_time()
        decoded = decoder(llr)
        seconds.append(time.process_time() - begin)
    rate = BATCH * arguments.k / statistics.median(seconds) / 1e6
    wrong = int((decoded != bits).any(dim=1).sum())
    release = ".".join(version("sionna-no-rt").split(".")[:2])
    peer = f"Sionna {release} LDPC5GDecoder (CPU)"
    print(json.dumps({"peer": peer, "mbit_per_cpu_s": rate, "blocks": BATCH, "wrong": wrong}))


if __name__ == "__main__":
    main()
