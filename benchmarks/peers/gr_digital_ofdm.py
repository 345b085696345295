# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio's gr-digital OFDM: what its transmitter and receiver cost, and what they lose.

Packets of QPSK go through ``ofdm_tx``, silence is put around each, white noise is added. Without
the silence ``ofdm_rx`` misses packets; without a tag gate it reads the transmitter's length tags.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
from gnuradio import blocks, gr
from gnuradio.digital.ofdm_txrx import ofdm_rx, ofdm_tx

FFT_SIZE = 64
BITS_PER_SYMBOL = 2
DEFAULT_LONGEST = 572
"""Bytes of a packet that default buffers hold."""

LARGE_BUFFER = 65_536
"""Items; 16,384 hold the longest packet that a header can tell of, but run slower."""


def packets(size: int, count: int, seed: int) -> np.ndarray:
    """Random packets ``[count, size]`` of bytes."""
    return np.random.default_rng([seed, 0]).integers(0, 256, (count, size), np.uint8)


def enlarge(size: int, *parts: Any) -> None:
    """Enlarge the buffers behind some blocks where packets need it."""
    for part in parts if size > DEFAULT_LONGEST else ():
        part.set_min_output_buffer(LARGE_BUFFER)


def run(flowgraph: Any) -> float:
    """Run a flowgraph; CPU seconds of all its threads."""
    begin = time.process_time()
    flowgraph.run()
    return time.process_time() - begin


def transmit(data: np.ndarray, keep: bool) -> tuple[np.ndarray, float]:
    """Samples of packets ``[count, n]``, if kept, and CPU seconds."""
    count, size = data.shape
    flowgraph = gr.top_block()
    source = blocks.vector_source_b(data.ravel().tolist(), False)
    tagger = blocks.stream_to_tagged_stream(gr.sizeof_char, 1, size, "packet_len")
    modulator = ofdm_tx(packet_length_tag_key="packet_len", bps_payload=BITS_PER_SYMBOL)
    sink = blocks.vector_sink_c() if keep else blocks.null_sink(gr.sizeof_gr_complex)
    enlarge(size, tagger, modulator)
    flowgraph.connect(source, tagger, modulator, sink)
    seconds = run(flowgraph)
    samples = np.array(sink.data() if keep else [], np.complex64).reshape(count, -1)
    return samples, seconds


def over_the_air(bursts: np.ndarray, gap: int, snr_db: float, seed: int) -> np.ndarray:
    """Bursts with silence around each and noise, the carriers of the payload at ``snr_db``."""
    samples = np.pad(np.pad(bursts, ((0, 0), (gap, 0))).ravel(), (0, gap))
    # Carriers of unit power come out of an unnormalised transform.
    scale = np.sqrt(FFT_SIZE * 10 ** (-snr_db / 10) / 2)
    noise = np.random.default_rng([seed, 1]).standard_normal((samples.size, 2), np.float32)
    return samples + np.float32(scale) * noise.view(np.complex64)[:, 0]


def receive(samples: np.ndarray, size: int) -> tuple[np.ndarray, float]:
    """Packets ``[arrived, size]`` and CPU seconds."""
    flowgraph = gr.top_block()
    source = blocks.vector_source_c(samples, False)
    gate = blocks.tag_gate(gr.sizeof_gr_complex, False)
    demodulator = ofdm_rx(packet_length_tag_key="packet_len", bps_payload=BITS_PER_SYMBOL)
    sink = blocks.vector_sink_b()
    enlarge(size, source, gate, demodulator)
    flowgraph.connect(source, gate, demodulator, sink)
    seconds = run(flowgraph)
    data = np.array(sink.data(), np.uint8)
    return data[: data.size // size * size].reshape(-1, size), seconds


def source_alone(samples: np.ndarray, size: int) -> float:
    """CPU seconds of the source without the receiver."""
    flowgraph = gr.top_block()
    source = blocks.vector_source_c(samples, False)
    gate = blocks.tag_gate(gr.sizeof_gr_complex, False)
    enlarge(size, source, gate)
    flowgraph.connect(source, gate, blocks.null_sink(gr.sizeof_gr_complex))
    return run(flowgraph)


def arrived(received: np.ndarray, sent: np.ndarray) -> int:
    """How many of the packets sent are among those received."""
    return len({row.tobytes() for row in received} & {row.tobytes() for row in sent})


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("receive", "transmit", "loss"))
    parser.add_argument("--bytes", type=int, required=True, help="of a packet")
    parser.add_argument("--packets", type=int, required=True)
    parser.add_argument("--snr", type=float, nargs="+", default=[25.0], help="Es/N0 in dB")
    parser.add_argument("--gap", type=int, default=1000, help="samples of silence")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    sent = packets(arguments.bytes, arguments.packets, arguments.seed)
    bursts, _ = transmit(sent, keep=True)
    printed: dict[str, Any] = {"release": gr.version().lstrip("v"), "packets": len(sent)}
    if arguments.job == "transmit":
        seconds = [transmit(sent, keep=False)[1] for _ in range(arguments.repeats)]
        printed |= {"samples": bursts.size, "cpu_s": statistics.median(seconds)}
    elif arguments.job == "receive":
        samples = over_the_air(bursts, arguments.gap, arguments.snr[0], arguments.seed)
        runs = [receive(samples, arguments.bytes) for _ in range(arguments.repeats + 1)][1:]
        source = [source_alone(samples, arguments.bytes) for _ in range(arguments.repeats)]
        printed |= {
            "samples": samples.size,
            "cpu_s": statistics.median(seconds for _, seconds in runs),
            "source_cpu_s": statistics.median(source),
            "arrived": min(arrived(received, sent) for received, _ in runs),
        }
    else:
        printed["lost"] = [
            len(sent) - arrived(receive(samples, arguments.bytes)[0], sent)
            for samples in (
                over_the_air(bursts, arguments.gap, snr_db, arguments.seed)
                for snr_db in arguments.snr
            )
        ]
    print(json.dumps(printed))


if __name__ == "__main__":
    main()
