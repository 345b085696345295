# SPDX-License-Identifier: GPL-3.0-or-later
"""DC offset and image leave the stream, the signal and its tags stay."""

from __future__ import annotations

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom.front_end_correction import FrontEndCorrection
from gnuradio.semcom.guard import check
from gnuradio.semcom.radios.corrections import Corrections

from semcom_phy.impairments import unbalance

BRANCH = 10 ** (0.7 / 20) * np.exp(1j * np.deg2rad(3.0))
IMAGE = (1 - BRANCH) / (1 + BRANCH)


def corrected(corrections: Corrections, *streams: np.ndarray) -> tuple[list[np.ndarray], list]:
    """Streams behind the block, and the tags of the first."""
    flowgraph, block = gr.top_block(), FrontEndCorrection(corrections, len(streams))
    tag = gr.tag_utils.python_to_tag((100, pmt.intern("rx_time"), pmt.PMT_T))
    sinks = []
    for port, samples in enumerate(streams):
        source = blocks.vector_source_c(samples.astype(np.complex64), tags=[tag])
        sinks.append(blocks.vector_sink_c())
        flowgraph.connect(source, (block, port), sinks[-1])
    flowgraph.run()
    check([block])
    return [np.array(sink.data()) for sink in sinks], sinks[0].tags()


def test_offset_and_image_are_gone() -> None:
    rng = np.random.default_rng(0)
    sent = rng.standard_normal((2, 20_000)) + 1j * rng.standard_normal((2, 20_000))
    heard = [unbalance(sent[0], 0.7, 3.0) + 0.3 - 0.1j, sent[1] - 0.2j]
    (first, second), tags = corrected(
        Corrections(dc=(0.3 - 0.1j, -0.2j), image=(complex(IMAGE), 0j)), *heard
    )
    scale = np.vdot(sent[0], first) / np.vdot(sent[0], sent[0])
    assert np.abs(first / scale - sent[0]).max() < 1e-5
    assert np.abs(second - sent[1]).max() < 1e-6
    assert [tag.offset for tag in tags] == [100]


def test_without_corrections_nothing_changes() -> None:
    samples = np.arange(500) * (1 - 2j)
    (out,), _ = corrected(Corrections(), samples)
    np.testing.assert_array_equal(out, samples.astype(np.complex64))


def test_another_number_of_antennas_is_refused() -> None:
    with pytest.raises(ValueError, match="DC offsets of 2 antennas, not of 1"):
        FrontEndCorrection(Corrections(dc=(0j, 1j)), 1)
    with pytest.raises(ValueError, match="images of 1 antennas, not of 2"):
        FrontEndCorrection(Corrections(image=(1j,)), 2)
