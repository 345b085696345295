# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured of the latest frames, over time, for a plot."""

from __future__ import annotations

from collections import deque

import numpy as np
import pmt
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, vector_to_pmt


class FrameHistory(GuardedBlock):
    """Gives a value of the frames over the last seconds, anew after each frame.

    The time is that of the samples. Between frames the value stays what it was.

    Message ports: ``frames`` in, of a :class:`gnuradio.semcom.Receiver`; ``history`` out, PDUs of
    an ``f32vector``, the latest value last, for a QT GUI Time Sink of type Float Message with
    ``points / span_s`` samples a second. There are fewer than ``points`` until so much time has
    gone by.

    Args:
        value: its name in the reports on ``frames``: ``snr_db``, ``cfo_hz`` or ``noise_var``.
        span_s: how long it is looked back, in seconds.
        points: into which that is divided.

    Raises:
        ValueError: no such value, no time, or less than two points.
    """

    VALUES = ("snr_db", "cfo_hz", "noise_var")

    def __init__(self, value: str = "snr_db", span_s: float = 10.0, points: int = 500) -> None:
        super().__init__("semcom_frame_history")
        if value not in self.VALUES:
            raise ValueError(f"reports have no {value!r}: choose of {', '.join(self.VALUES)}")
        if not 0 < span_s < float("inf") or points < 2:
            raise ValueError(f"{points} points in {span_s} s: choose 2 or more, in some time")
        self._value, self._span_s, self._points = value, span_s, points
        self._frames: deque[tuple[float, float]] = deque()
        self._begun_s = 0.0
        self.handle("frames", self._on_frame)
        self.publishes("history")

    def _on_frame(self, message: Pmt) -> None:
        report = pmt.to_python(message)
        now = report["stream_time_s"]
        if not self._frames or now < self._frames[-1][0]:
            self._frames.clear()  # another stream
            self._begun_s = now
        self._frames.append((now, report[self._value]))
        step = self._span_s / self._points
        count = min(self._points, 1 + int((now - self._begun_s) / step))
        times = now - step * np.arange(count)[::-1]
        # The last frame before the window still says what was at its beginning.
        while len(self._frames) > 1 and self._frames[1][0] <= times[0]:
            self._frames.popleft()
        frames = np.array(self._frames)
        latest = np.searchsorted(frames[:, 0], times, side="right") - 1
        history = frames[np.maximum(latest, 0), 1].astype(np.float32)
        self.publish("history", pmt.cons(pmt.PMT_NIL, vector_to_pmt(history)))
