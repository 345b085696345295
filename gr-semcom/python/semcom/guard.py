# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of all our blocks: an error ends the flowgraph and can be raised by whoever runs it.

In GNU Radio 3.10 an exception in a Python block kills that block's thread alone; the others go
on waiting, and so does ``top_block.wait()``, for ever. Here it is recorded, the block ends as if
its stream had ended, and all guarded blocks of its flowgraph with it. The scheduler would not do
that alone: it tells blocks upstream only where a buffer is full, and along messages not at all.

Without an error, blocks end on ``pmt.PMT_EOF`` in the port that carries their PDUs, not on the
scheduler's ``done`` message, which takes another queue and so may overtake the last PDUs.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pmt
from gnuradio import gr
from gnuradio.semcom.pdu import Pmt

WORK_DONE = -1
"""What a work function returns to end its block."""

Arrays: TypeAlias = Sequence[np.ndarray[Any, Any]]

_log = logging.getLogger("gnuradio.semcom")
_DONE = pmt.cons(pmt.intern("done"), pmt.from_long(1))
_SYSTEM = pmt.intern("system")
_START_S = 0.5
_running: weakref.WeakSet[GuardedBlock] = weakref.WeakSet()
_running_lock = threading.Lock()


class GuardedBlock(gr.basic_block):  # type: ignore[misc]
    """A block whose errors end the flowgraph.

    Subclasses implement :meth:`process` instead of ``general_work``, :meth:`open` and
    :meth:`close` instead of ``start`` and ``stop``, and register message handlers with
    :meth:`handle`; exceptions in any of them are recorded in :attr:`error`.

    Args:
        name: name of the block.
        inputs: complex sample streams in.
        outputs: complex sample streams out.

    Attributes:
        error: what ended the flowgraph, if it happened in this block.
        flowgraph: blocks with equal values end together on an error. None, the default, serves
            processes that run one flowgraph at a time; :func:`join` sets it.
    """

    def __init__(self, name: str, inputs: int = 0, outputs: int = 0) -> None:
        gr.basic_block.__init__(self, name, [np.complex64] * inputs, [np.complex64] * outputs)
        self.set_log_level("warning")  # buffer sizes are no news, and standard output is a user's
        self.error: Exception | None = None
        self.flowgraph: object = None
        self._finishing = False
        self.set_msg_handler(_SYSTEM, self._on_system)

    def handle(self, port: str, handler: Callable[[Pmt], None]) -> None:
        """Register the message input ``port``; errors of ``handler`` end the flowgraph."""
        name = f"_on_message_{port}"

        def guarded(message: Pmt) -> None:
            if self.error is None:
                self._try(lambda: handler(message))

        # The scheduler calls handlers by attribute name.
        guarded.__name__ = name
        setattr(self, name, guarded)
        self.message_port_register_in(pmt.intern(port))
        self.set_msg_handler(pmt.intern(port), guarded)

    def publishes(self, port: str) -> None:
        """Register the message output ``port``."""
        self.message_port_register_out(pmt.intern(port))

    def publish(self, port: str, message: Pmt) -> None:
        """Send ``message`` from output ``port``; any thread may."""
        self.message_port_pub(pmt.intern(port), message)

    def is_connected(self, port: str) -> bool:
        """Whether anybody listens to the message output ``port``."""
        return not pmt.is_null(self.message_subscribers(pmt.intern(port)))

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        """Work on streams: consume and return the samples produced, or :data:`WORK_DONE`."""
        raise NotImplementedError(f"{self.name()} has streams but no process()")

    def open(self) -> None:
        """Called when the flowgraph starts."""

    def close(self) -> None:
        """Called when this block ends, in whatever way."""

    def fail(self, error: Exception) -> None:
        """Record ``error`` and end this block and, through it, the flowgraph."""
        if self.error in (None, error):
            self.error = error
            _log.error("%s: %s", self.name(), error)
            _log.debug("%s failed", self.name(), exc_info=error)
        with _running_lock:
            others = [block for block in _running if block.flowgraph == self.flowgraph]
        for block in {self, *others}:
            block.finish()

    def finish(self) -> None:
        """End this block soon; any thread may call it."""
        self._finishing = True
        self._post(_SYSTEM, _DONE)

    def wake(self) -> None:
        """Have :meth:`process` called soon; any thread may call this.

        For a block without inputs that found nothing to do: the scheduler calls it again after
        a quarter of a second, or when a message comes.
        """
        self._post(_SYSTEM, pmt.PMT_NIL)

    def general_work(self, input_items: Arrays, output_items: Arrays) -> int:
        if self._finishing or self.error is not None:
            return WORK_DONE
        try:
            return self.process(input_items, output_items)
        except Exception as error:
            self.fail(error)
            return WORK_DONE

    def start(self) -> bool:
        with _running_lock:
            _running.add(self)
        self._finishing = False
        try:
            self.open()
        except Exception as error:
            # Blocks that start after the others were told would never hear of it.
            self.error = error
            threading.Timer(_START_S, self.fail, (error,)).start()
        return True

    def stop(self) -> bool:
        with _running_lock:
            _running.discard(self)
        self._try(self.close)
        return True

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self.fail(error)

    def _on_system(self, message: Pmt) -> None:
        # Only finish() ends a block; a neighbour's "done" is no news, see the module's text.
        if self._finishing:
            self.detail().set_done(True)  # or blocks downstream would wait for our samples
            self.system_handler(message)


def join(blocks: Iterable[object]) -> None:
    """Make the guarded ones among ``blocks`` a flowgraph of their own: an error ends only them.

    Those within hierarchical blocks are among them.
    """
    flowgraph = object()
    for block in _guarded(blocks):
        block.flowgraph = flowgraph


def check(blocks: gr.top_block | Iterable[object]) -> None:
    """Raise the error that ended a flowgraph, if one did.

    Args:
        blocks: a top block that keeps its blocks as attributes, as Companion's do, or the
            blocks themselves. Hierarchical blocks are looked into likewise.

    Raises:
        Exception: the first block's error.
    """
    for block in _guarded([blocks] if isinstance(blocks, gr.hier_block2) else blocks):
        if block.error is not None:
            raise block.error


def _guarded(blocks: Iterable[object]) -> Iterator[GuardedBlock]:
    """The guarded blocks among ``blocks``, and in the attributes of hierarchical ones."""
    for block in blocks:
        if isinstance(block, GuardedBlock):
            yield block
        elif isinstance(block, gr.hier_block2):
            yield from _guarded(vars(block).values())
