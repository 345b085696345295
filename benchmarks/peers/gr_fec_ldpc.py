# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast the LDPC decoder of GNU Radio's gr-fec is."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from gnuradio import blocks, fec, gr

K, N = 902, 1800
ALIST = "share/gnuradio/fec/ldpc/n_1800_k_0902_gap_28.alist"
BLOCKS = 20


def decode(samples: np.ndarray, noise_var: float, iterations: int) -> tuple[np.ndarray, float]:
    """Decode BPSK samples ``[blocks, N]``: bits ``[blocks, K]`` and CPU seconds."""
    code = str(Path(gr.prefix()) / ALIST)
    flowgraph = gr.top_block()
    source = blocks.vector_source_f(samples.ravel().tolist(), False)
    # The argument that is called sigma is a variance.
    decoder = fec.ldpc_decoder.make(code, noise_var, iterations)
    sink = blocks.vector_sink_b()
    flowgraph.connect(source, fec.decoder(decoder, gr.sizeof_float, gr.sizeof_char), sink)
    begin = time.process_time()
    flowgraph.run()
    seconds = time.process_time() - begin
    return np.array(sink.data(), np.uint8).reshape(-1, K), seconds


def main() -> None:
    """Decode noise, of which no block becomes a code word that would end early."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--repeats", type=int, required=True)
    arguments = parser.parse_args()

    rng = np.random.default_rng(1)
    noise = rng.standard_normal((BLOCKS, N))
    # The word of zeros, sent as -1, at 3 dB: is this decoding at all?
    bits, _ = decode(-1 + np.sqrt(0.5) * noise, 0.5, arguments.iterations)
    seconds = [decode(noise, 1.0, arguments.iterations)[1] for _ in range(arguments.repeats)]
    print(
        json.dumps(
            {
                "peer": f"GNU Radio {gr.version().lstrip('v')} gr-fec ldpc_decoder",
                "mbit_per_cpu_s": BLOCKS * K / statistics.median(seconds) / 1e6,
                "blocks": BLOCKS,
                "wrong": int(bits.any(axis=1).sum()),
            }
        )
    )


if __name__ == "__main__":
    main()
