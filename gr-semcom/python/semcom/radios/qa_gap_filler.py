# SPDX-License-Identifier: GPL-3.0-or-later
"""A stream from which a driver dropped samples keeps time."""

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import check
from gnuradio.semcom.radios.gap_filler import GapFiller

RATE_HZ = 1e6
COUNT = 30_000


def time_tag(sample: int, time_s: float) -> gr.tag_t:
    made = gr.tag_t()
    whole = int(time_s)
    made.offset, made.key = sample, pmt.intern("rx_time")
    made.value = pmt.make_tuple(pmt.from_uint64(whole), pmt.from_double(time_s - whole))
    return made


def through(filler: GapFiller, max_items: int, *times: tuple[int, float]) -> np.ndarray:
    tags = [time_tag(*time) for time in times]
    flowgraph = gr.top_block()
    ports = 2
    sinks = [blocks.vector_sink_c() for _ in range(ports)]
    for port in range(ports):
        row = (np.arange(COUNT) + 1 + 1j * port).tolist()
        flowgraph.connect(blocks.vector_source_c(row, False, 1, tags), (filler, port))
        flowgraph.connect((filler, port), sinks[port])
    flowgraph.start(max_items)
    flowgraph.wait()
    check([filler])
    assert not any(sink.tags() for sink in sinks)
    return np.array([sink.data() for sink in sinks], np.complex64)


@pytest.mark.parametrize("max_items", [100, 50_000])
def test_zeros_stand_for_what_was_dropped(max_items: int) -> None:
    filler = GapFiller(2, RATE_HZ)
    # 500 are dropped before sample 10,000 and 40,000 more before sample 20,000.
    times = (0, 5.25), (10_000, 5.25 + 10_500e-6), (20_000, 5.25 + 60_500e-6)
    out = through(filler, max_items, *times)
    assert out.shape == (2, COUNT + 40_500)
    for port in range(2):
        values = np.arange(COUNT) + 1 + 1j * port
        parts = values[:10_000], np.zeros(500), values[10_000:20_000], np.zeros(40_000)
        np.testing.assert_array_equal(out[port], np.concatenate([*parts, values[20_000:]]))
    assert (filler.samples_in, filler.samples_out) == (COUNT, COUNT + 40_500)
    assert (filler.gaps, filler.samples_lost) == (2, 40_500)
    assert filler.time_s(60_500) == pytest.approx(5.25 + 60_500e-6, abs=1e-9)


def test_a_clock_that_was_set_is_counted_and_not_filled() -> None:
    filler = GapFiller(2, RATE_HZ)
    out = through(filler, 50_000, (0, 5.0), (1000, 2.0), (2000, 900.0), (3000, 900.0 + 1010e-6))
    assert out.shape == (2, COUNT + 10)
    assert (filler.gaps, filler.samples_lost) == (3, 10)
    assert filler.time_s(2000) == pytest.approx(900.0)


def test_before_anything_comes_no_time_is_known() -> None:
    assert GapFiller(1, RATE_HZ).time_s(0) is None
