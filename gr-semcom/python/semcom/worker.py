# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that work in a thread of their own, so that no scheduler thread runs torch or waits."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable

from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, is_end_of_stream


class ThreadedBlock(GuardedBlock):
    """A message block with one worker thread that lives from start to stop.

    Subclasses implement :meth:`loop`. It returns when its work is done, or soon after
    :attr:`stopping` is set; then the block ends.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def loop(self) -> None:
        """The work of the thread."""
        raise NotImplementedError

    def open(self) -> None:
        self.stopping.clear()
        # A daemon only so that an interpreter that never stops its flowgraph can exit.
        self._thread = threading.Thread(target=self._run, name=self.name(), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        self._try(self.loop)
        self.finish()


class WorkerBlock(ThreadedBlock):
    """Takes PDUs from one port, works on each in its thread, publishes what comes of it.

    Args:
        name: name of the block.
        port_in: message input of PDUs; ``PMT_EOF`` ends the block after what came before.
        port_out: message output, ended with ``PMT_EOF``.
    """

    def __init__(self, name: str, port_in: str, port_out: str) -> None:
        super().__init__(name)
        self._port_out = port_out
        self._queue: queue.SimpleQueue[Pmt] = queue.SimpleQueue()
        self.handle(port_in, lambda message: self._queue.put(message))
        self.publishes(port_out)

    def work_on(self, message: Pmt) -> Iterable[Pmt]:
        """The messages that come of ``message``; runs in the worker thread."""
        raise NotImplementedError

    def loop(self) -> None:
        while not self.stopping.is_set():
            message = self._queue.get()
            if self.stopping.is_set():
                return
            if is_end_of_stream(message):
                self.publish(self._port_out, end_of_stream())
                return
            for result in self.work_on(message):
                self.publish(self._port_out, result)

    def close(self) -> None:
        self.stopping.set()
        self._queue.put(end_of_stream())
        super().close()
        self._queue = queue.SimpleQueue()
