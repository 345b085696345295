# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts leave whole and in time, whatever pieces they come in; silence does not leave."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pmt
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom import check, numerology
from gnuradio.semcom.radios.soapy_bursts import LENGTH_TAG, SoapyBursts
from gnuradio.semcom.radios.usrp_burst_timer import BurstTimer
from gnuradio.semcom.radios.whole_bursts import MOST_HELD, WholeBursts, full_scale

from semcom_phy.exchange import ComplexArray
from semcom_phy.impairments import frame_power

RATE_HZ = 1e6
BURSTS = ((100, 5000), (7000, 7001), (9000, 40_000))
"""First sample and the one behind the last, in 50,000."""


def tag(sample: int, key: str) -> gr.tag_t:
    made = gr.tag_t()
    made.offset, made.key, made.value = sample, pmt.intern(key), pmt.PMT_T
    return made


def samples(antennas: int, count: int = 50_000) -> ComplexArray:
    rng = np.random.default_rng(1)
    return rng.standard_normal((antennas, 2 * count)).astype(np.float32).view(np.complex64)


def through(
    block: WholeBursts, sent: ComplexArray, max_items: int, bursts: tuple[tuple[int, int], ...]
) -> tuple[ComplexArray, dict[str, list[tuple[int, Any]]]]:
    """What comes out, and its tags by key."""
    marks = [tag(first, "tx_sob") for first, _ in bursts]
    marks += [tag(stop - 1, "tx_eob") for _, stop in bursts]
    marks.append(tag(bursts[0][0], "picture"))
    flowgraph = gr.top_block()
    sinks = []
    for port, row in enumerate(sent):
        source = blocks.vector_source_c(row.tolist(), False, 1, marks if port == 0 else [])
        sinks.append(blocks.vector_sink_c())
        flowgraph.connect(source, (block, port))
        flowgraph.connect((block, port), sinks[-1])
    flowgraph.start(max_items)
    flowgraph.wait()
    check([block])
    tags: dict[str, list[tuple[int, Any]]] = {}
    for found in sinks[0].tags():
        key = pmt.symbol_to_string(found.key)
        tags.setdefault(key, []).append((found.offset, pmt.to_python(found.value)))
    return np.array([sink.data() for sink in sinks], np.complex64), tags


def clock(*times_s: float) -> Callable[[], float]:
    told = iter(times_s)
    return lambda: next(told)


@pytest.mark.parametrize("antennas", [1, 2])
@pytest.mark.parametrize("max_items", [777, 100_000])
def test_bursts_are_timed_and_whole(antennas: int, max_items: int) -> None:
    # The second follows the first by its silence; for the third the host was slow.
    timer = BurstTimer(antennas, RATE_HZ, clock(3.5, 3.5, 9.999), lead_s=0.02, scale=0.25)
    sent = samples(antennas)
    out, tags = through(timer, sent, max_items, BURSTS)
    expected = np.concatenate([sent[:, first:stop] for first, stop in BURSTS], axis=1)
    np.testing.assert_array_equal(out, np.float32(0.25) * expected)
    starts, ends = [0, 4900, 4901], [4899, 4900, 35_900]
    assert [offset for offset, _ in tags["tx_sob"]] == starts
    assert [offset for offset, _ in tags["tx_eob"]] == ends
    times_s = [whole + fraction for _, (whole, fraction) in tags["tx_time"]]
    second_s = 3.52 + (BURSTS[1][0] - BURSTS[0][0]) / RATE_HZ
    assert times_s == pytest.approx([3.52, second_s, 10.019], abs=1e-9)
    assert set(tags) == {"tx_sob", "tx_eob", "tx_time"}
    assert (timer.samples_in, timer.samples_out, timer.bursts) == (50_000, 35_901, 3)
    assert timer.idle
    assert timer.free_at_s == pytest.approx(10.019 + 41_000 / RATE_HZ)


def test_a_late_burst_has_the_next_ones_put_further_ahead() -> None:
    timer = BurstTimer(1, RATE_HZ, lambda: 0.0, lead_s=0.2)
    timer.bursts = 1
    for _ in range(3):  # a device may say so for every packet
        timer.was_late()
    assert (timer.late, timer.lead_s) == (1, 0.4)
    timer.bursts = 2
    timer.was_late()
    assert (timer.late, timer.lead_s) == (2, 0.5)


def test_late_bursts_that_were_ahead_together_all_count() -> None:
    timer = BurstTimer(1, RATE_HZ, lambda: 0.0, lead_s=0.02)
    timer.bursts = 3
    for _ in range(3):
        timer.was_late()
    assert (timer.late, timer.lead_s) == (3, 0.04)


def test_a_burst_is_held_until_it_is_whole() -> None:
    asked = []
    timer = BurstTimer(1, RATE_HZ, lambda: float(asked.append(1) or 0.0))  # type: ignore[func-returns-value]
    out, tags = through(timer, samples(1)[:, :8000], 100, ((0, 8001),))
    assert out.shape[1] == 0
    assert not tags
    assert not asked
    assert not timer.idle


def test_what_is_held_is_limited() -> None:
    """The beginning of a burst without an end leaves once more than the limit has come."""
    sent = np.zeros((1, MOST_HELD + 300_000), np.complex64)
    timer = BurstTimer(1, RATE_HZ, lambda: 0.0)
    flowgraph = gr.top_block()
    source = blocks.vector_source_c([0j] * sent.shape[1], False, 1, [tag(0, "tx_sob")])
    sink = blocks.vector_sink_c()
    flowgraph.connect(source, timer, sink)
    flowgraph.run()
    check([timer])
    assert len(sink.data()) == sent.shape[1]
    assert "tx_eob" not in {pmt.symbol_to_string(found.key) for found in sink.tags()}


def test_what_raises_for_the_time_ends_the_flowgraph() -> None:
    def gone() -> float:
        raise OSError("gone")

    timer = BurstTimer(1, RATE_HZ, gone)
    with pytest.raises(OSError, match="gone"):
        through(timer, samples(1), 100_000, BURSTS)


@pytest.mark.parametrize("values", [{"rate_hz": 0.0}, {"lead_s": 0.0}, {"lead_s": 0.6}])
def test_a_rate_or_lead_out_of_range_is_told(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"choose a rate above 0 and a lead above 0, up to 0.5"):
        BurstTimer(1, **{"rate_hz": 1e6, **values}, now=lambda: 0.0)


def test_a_frame_is_so_much_below_full_scale() -> None:
    waveform = numerology("narrow")
    rms = full_scale(12.0, waveform) * np.sqrt(frame_power(waveform))
    assert 20 * np.log10(rms) == pytest.approx(-12)


def test_bursts_for_soapy_say_how_long_they_are_and_bring_their_silence() -> None:
    bursts = SoapyBursts(2, 2.0, silence=10)
    sent = samples(2)
    out, tags = through(bursts, sent, 777, BURSTS)
    assert tags == {LENGTH_TAG: [(0, 4910), (4910, 11), (4921, 31_010)]}
    np.testing.assert_array_equal(
        out[:, 4910:4921], np.pad(2 * sent[:, 7000:7001], ((0, 0), (0, 10)))
    )
    assert not out[:, 4900:4910].any()


def test_a_burst_too_long_for_soapy_is_told() -> None:
    bursts = SoapyBursts(1, 1.0, silence=10)
    flowgraph = gr.top_block()
    source = blocks.vector_source_c([0j] * (MOST_HELD + 200_000), False, 1, [tag(0, "tx_sob")])
    flowgraph.connect(source, bursts, blocks.null_sink(gr.sizeof_gr_complex))
    flowgraph.run()
    with pytest.raises(ValueError, match="too long for --radio soapy"):
        check([bursts])
