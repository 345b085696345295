# SPDX-License-Identifier: GPL-3.0-or-later
"""A flowgraph with a radio in it, which is stopped and turned off however the program ends."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self

from gnuradio import gr
from gnuradio.semcom.guard import check, join
from gnuradio.semcom.radios.base import Radio

_END_S = 10.0


class RadioFlowgraph(AbstractContextManager["RadioFlowgraph"]):
    """Runs from :meth:`start` until it is closed, or Python ends.

    Args:
        name: of the flowgraph.
        radio: that is in it.

    Attributes:
        flowgraph: to be connected before the start.
        closed: whether it was.
    """

    def __init__(self, name: str, radio: Radio) -> None:
        self.flowgraph = gr.top_block(name)
        self.closed = False
        self._radio = radio
        self._blocks: tuple[gr.basic_block, ...] = ()
        self._stop: Callable[[], object] = radio.close

    def start(
        self, blocks: tuple[gr.basic_block, ...], at_end: Callable[[], object] | None = None
    ) -> None:
        """Start.

        Args:
            blocks: whose errors end the flowgraph, besides the radio's.
            at_end: called when the flowgraph has ended; it must not refer to this object.
        """
        try:
            self._blocks = (*blocks, *self._radio.blocks)
        except BaseException:
            self.close()
            raise
        join(self._blocks)
        # Threads that still run Python blocks when the interpreter goes would abort the process.
        self._stop = weakref.finalize(self, _stop, self.flowgraph, self._radio, at_end)
        self.flowgraph.start()

    def check(self) -> None:
        """Raise what ended the flowgraph, if anything did.

        Raises:
            RuntimeError: it was closed.
            RadioLostError: the radio is gone.
            Exception: a block's error.
        """
        if self.closed:
            raise RuntimeError("the link is closed")
        try:
            check(self._blocks)
        except Exception:
            self._radio.check()  # where it is gone, that is why
            raise
        self._radio.check()

    def drain(self) -> None:
        """Wait until the flowgraph, whose input has ended, has taken what is on its way."""
        waiter = threading.Thread(target=_wait, args=[self.flowgraph], daemon=True)
        waiter.start()
        waiter.join(_END_S)

    def close(self) -> None:
        """Stop, turn the radio off; safe to call twice."""
        self.closed = True
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _stop(flowgraph: gr.top_block, radio: Radio, at_end: Callable[[], object] | None) -> None:
    try:
        flowgraph.stop()
        _wait(flowgraph)
        if at_end is not None:
            at_end()
    finally:
        radio.close()


def _wait(flowgraph: gr.top_block) -> None:
    # GNU Radio's own wait() starts a thread, which Python forbids at its end, and takes Ctrl-C
    # for itself.
    gr.top_block_wait_unlocked(flowgraph._impl)
