# SPDX-License-Identifier: GPL-3.0-or-later
"""Payload symbols of received frames as a stream, for a plot or a file."""

from __future__ import annotations

from collections import deque

import numpy as np
import pmt
from gnuradio.semcom.guard import WORK_DONE, Arrays, GuardedBlock
from gnuradio.semcom.pdu import Pmt, frame_symbols_from_pdu, is_end_of_stream

from semcom_phy.exchange import ComplexArray

_FRAMES_WAITING = 1024
"""Frames held for a slow consumer, some 100 MB of them."""


class FrameSymbols(GuardedBlock):
    """Puts out the equalised payload symbols of frames, streams one after the other.

    A frame's first symbol is tagged with all that the message tells of the frame: ``picture``,
    ``fragment``, ``fragments``, ``streams``, ``snr_db``, ``cfo_hz``, ``noise_var``,
    ``stream_time_s``, ``csi_id``.

    Streams: one output of complex symbols.

    Message ports: ``symbols`` in, PDUs of :class:`gnuradio.semcom.Receiver`; ``PMT_EOF`` ends
    the stream after the symbols that came before.

    Attributes:
        dropped: frames that came while too many others waited for a consumer that is too slow.
    """

    def __init__(self) -> None:
        super().__init__("semcom_frame_symbols", outputs=1)
        self._waiting: deque[tuple[Pmt, ComplexArray]] = deque()
        self._left: ComplexArray = np.empty(0, np.complex64)
        self._ended = False
        self.dropped = 0
        self.handle("symbols", self._on_symbols)

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        [output], written = outputs, 0
        while written < len(output) and (self._left.size or self._next_frame(written)):
            count = min(len(output) - written, self._left.size)
            output[written : written + count] = self._left[:count]
            self._left = self._left[count:]
            written += count
        if written == 0 and self._ended:
            return WORK_DONE
        return written

    def _next_frame(self, written: int) -> bool:
        """Begin the next frame at item ``written`` of this call; False where none waits."""
        if not self._waiting:
            return False
        report, self._left = self._waiting.popleft()
        first = self.nitems_written(0) + written
        for key in pmt.to_python(report):
            value = pmt.dict_ref(report, pmt.intern(key), pmt.PMT_NIL)
            self.add_item_tag(0, first, pmt.intern(key), value)
        return True

    def _on_symbols(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self._ended = True
        elif len(self._waiting) == _FRAMES_WAITING:
            self.dropped += 1
        else:
            self._waiting.append(frame_symbols_from_pdu(message))
