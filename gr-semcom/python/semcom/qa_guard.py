# SPDX-License-Identifier: GPL-3.0-or-later
"""A failing block ends its flowgraph, wherever it fails, and its error comes out.

Each case runs in a process of its own with a limit, because what is tested is that nothing hangs.
"""

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from gnuradio import blocks, gr
from gnuradio.semcom.guard import WORK_DONE, GuardedBlock, check
from gnuradio.semcom.pdu import end_of_stream, is_end_of_stream
from gnuradio.semcom.worker import ThreadedBlock, WorkerBlock

CHAIN = """
import logging, threading, time
import numpy as np, pmt
from gnuradio import blocks, gr
from gnuradio.semcom.guard import GuardedBlock, check
from gnuradio.semcom.pdu import end_of_stream, is_end_of_stream
from gnuradio.semcom.worker import ThreadedBlock, WorkerBlock

FAILING = {failing!r}

class Planned(Exception):
    pass

def fail_at(place):
    if place == FAILING:
        raise Planned(place)

class Source(ThreadedBlock):
    def __init__(self):
        super().__init__("source")
        self.publishes("out")
    def open(self):
        fail_at("start")
        super().open()
    def loop(self):
        i = 0
        while not self.stopping.wait(0.01):
            self.publish("out", pmt.from_long(i))
            i += 1
            if i == 3:
                fail_at("source thread")
            if i == 50 and FAILING in ("stop", "none"):
                self.publish("out", end_of_stream())
                return

class Encoder(WorkerBlock):
    def __init__(self):
        super().__init__("encoder", "in", "out")
    def work_on(self, message):
        fail_at("worker")
        return [message]

class Stream(GuardedBlock):
    def __init__(self):
        super().__init__("stream", outputs=1)
        self.handle("in", self.take)
        self.ended = False
    def take(self, message):
        if is_end_of_stream(message):
            self.ended = True
        elif pmt.to_long(message) == 2:
            fail_at("stream handler")
    def process(self, inputs, outputs):
        fail_at("stream source")
        time.sleep(0.001)
        if self.ended:
            return -1
        outputs[0][:64] = 1
        return 64

class Middle(GuardedBlock):
    def __init__(self):
        super().__init__("middle", 1, 1)
    def forecast(self, noutput_items, ninputs):
        return [1] * ninputs
    def process(self, inputs, outputs):
        if self.nitems_read(0) > 1000:
            fail_at("middle")
        n = min(len(inputs[0]), len(outputs[0]))
        self.consume(0, n)
        outputs[0][:n] = inputs[0][:n]
        return n

class Sink(GuardedBlock):
    def __init__(self):
        super().__init__("sink", 1)
        self.publishes("out")
    def process(self, inputs, outputs):
        if self.nitems_read(0) > 1000:
            fail_at("sink")
        n = len(inputs[0])
        self.consume(0, n)
        self.publish("out", pmt.from_long(n))
        return 0
    def close(self):
        fail_at("stop")
        self.publish("out", end_of_stream())

class Last(GuardedBlock):
    def __init__(self):
        super().__init__("last")
        self.handle("in", self.take)
        self.taken = 0
    def take(self, message):
        self.taken += 1
        if is_end_of_stream(message):
            self.finish()
        elif self.taken > 5:
            fail_at("message handler")

class Flow(gr.top_block):
    def __init__(self):
        super().__init__()
        self.source, self.encoder, self.stream = Source(), Encoder(), Stream()
        self.middle, self.sink, self.last = Middle(), Sink(), Last()
        self.msg_connect(self.source, "out", self.encoder, "in")
        self.msg_connect(self.encoder, "out", self.stream, "in")
        self.stock, self.tap = blocks.copy(gr.sizeof_gr_complex), blocks.null_sink(8)
        self.connect(self.stream, self.stock, self.middle, self.sink)
        self.connect(self.stock, self.tap)
        self.msg_connect(self.sink, "out", self.last, "in")

flow = Flow()
flow.start()
flow.wait()
alive = [t.name for t in threading.enumerate() if t.name in ("source", "encoder")]
assert not alive, alive
check(flow)
"""

PLACES = [
    "start",
    "source thread",
    "worker",
    "stream handler",
    "stream source",
    "middle",
    "sink",
    "message handler",
    "stop",
]


def run_chain(failing: str) -> subprocess.CompletedProcess[str]:
    script = textwrap.dedent(CHAIN).format(failing=failing)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=80, check=False
    )


@pytest.mark.parametrize("place", PLACES)
def test_an_error_anywhere_ends_the_flowgraph(place: str) -> None:
    result = run_chain(place)
    assert result.returncode == 1, result.stderr
    assert result.stderr.rstrip().endswith(f"Planned: {place}"), result.stderr


def test_the_same_flowgraph_without_an_error_ends_well() -> None:
    result = run_chain("none")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


class Copy(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("copy", 1, 1)

    def process(self, inputs, outputs) -> int:  # type: ignore[no-untyped-def]
        count = min(len(inputs[0]), len(outputs[0]))
        outputs[0][:count] = inputs[0][:count]
        self.consume(0, count)
        return count


def test_a_guarded_block_works_between_stock_blocks() -> None:
    samples = (np.arange(100_000) * (1 + 2j)).astype(np.complex64)
    flow = gr.top_block()
    source, copy = blocks.vector_source_c(samples.tolist()), Copy()
    sink = blocks.vector_sink_c()
    flow.connect(source, copy, sink)
    flow.run()
    check([copy])
    assert np.array_equal(np.array(sink.data(), np.complex64), samples)


class Doubler(WorkerBlock):
    def __init__(self) -> None:
        super().__init__("doubler", "in", "out")

    def work_on(self, message):  # type: ignore[no-untyped-def]
        return [message, message]


class Burst(ThreadedBlock):
    """Publishes a burst of messages and the end, all at once."""

    def __init__(self, count: int) -> None:
        super().__init__("burst")
        self.publishes("out")
        self.count = count

    def loop(self) -> None:
        import pmt

        for i in range(self.count):
            self.publish("out", pmt.from_long(i))
        self.publish("out", end_of_stream())


class Collect(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("collect")
        self.handle("in", self.take)
        self.messages: list[object] = []
        self.threads: set[str] = set()

    def take(self, message) -> None:  # type: ignore[no-untyped-def]
        self.threads.add(threading.current_thread().name)
        if is_end_of_stream(message):
            self.finish()
        else:
            self.messages.append(message)


def test_the_end_overtakes_no_message_and_a_flowgraph_runs_twice() -> None:
    flow = gr.top_block()
    burst, doubler, collect = Burst(500), Doubler(), Collect()
    flow.msg_connect(burst, "out", doubler, "in")
    flow.msg_connect(doubler, "out", collect, "in")
    for run in (1, 2):
        flow.run()
        check([burst, doubler, collect])
        assert len(collect.messages) == 1000 * run
    assert not [t for t in threading.enumerate() if t.name.startswith(("burst", "doubler"))]


def test_stop_ends_a_worker_that_waits() -> None:
    flow = gr.top_block()
    doubler, collect = Doubler(), Collect()
    flow.msg_connect(doubler, "out", collect, "in")
    flow.start()
    flow.stop()
    flow.wait()
    assert not [t for t in threading.enumerate() if t.name.startswith("doubler")]


def test_work_done_is_the_scheduler_s() -> None:
    assert WORK_DONE == gr.WORK_DONE
