# SPDX-License-Identifier: GPL-3.0-or-later
"""Our blocks inside GNU Radio, timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from gnuradio import blocks, gr, semcom
from gnuradio.semcom.guard import check

from semcom_phy.exchange import ChannelState, ComplexArray, Reception, Transmission
from semcom_phy.numerology import Numerology

BUFFER = 1 << 17
"""Items between source and receiver: as many as our radios set aside."""


@dataclass(frozen=True)
class Run:
    """One run of a flowgraph.

    Attributes:
        cpu_s: processor time of all its threads.
        wall_s: time by the clock.
    """

    cpu_s: float
    wall_s: float


def _run(flowgraph: gr.top_block) -> Run:
    cpu, wall = time.process_time(), time.perf_counter()
    flowgraph.run()
    return Run(time.process_time() - cpu, time.perf_counter() - wall)


def _source(samples: ComplexArray) -> gr.basic_block:
    source = blocks.vector_source_c(samples, False)
    source.set_min_output_buffer(BUFFER)
    return source


def run_source(samples: ComplexArray) -> Run:
    """The source of :func:`run_receiver` alone.

    Args:
        samples: ``[n]``.
    """
    flowgraph = gr.top_block()
    flowgraph.connect(_source(samples), blocks.null_sink(gr.sizeof_gr_complex))
    return _run(flowgraph)


def run_receiver(samples: ComplexArray, numerology: Numerology) -> tuple[Run, list[Reception]]:
    """The receiver behind a source of samples.

    Args:
        samples: ``[n]``.
        numerology: of one receive antenna.

    Returns:
        Times, source included, and the receptions.
    """
    receptions: list[Reception] = []
    flowgraph = gr.top_block()
    receiver = semcom.Receiver(numerology, deliver=receptions.append)
    flowgraph.connect(_source(samples), receiver)
    run = _run(flowgraph)
    check([receiver])
    return run, receptions


def run_framer(transmissions: Sequence[Transmission], numerology: Numerology) -> tuple[Run, int]:
    """The transmitter in front of a sink.

    Args:
        transmissions: one a picture.
        numerology: of one transmit antenna.

    Returns:
        Times, from transmissions on, and samples of the bursts, silence between pictures left out.
    """
    flowgraph = gr.top_block()
    framer = semcom.Framer(numerology)
    flowgraph.connect(framer, blocks.null_sink(gr.sizeof_gr_complex))
    cpu, wall = time.process_time(), time.perf_counter()
    for picture, transmission in enumerate(transmissions):
        framer.submit(picture, transmission, ChannelState())
    framer.end()
    flowgraph.run()
    run = Run(time.process_time() - cpu, time.perf_counter() - wall)
    check([framer])
    return run, framer.burst_samples
