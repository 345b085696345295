# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks that play what was received once, picture by picture as they are sent again."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import pmt
from gnuradio.semcom.guard import WORK_DONE, Arrays, GuardedBlock
from gnuradio.semcom.recorded_samples import RecordedSamples

from semcom_phy.exchange import ComplexArray

_BUFFER = 1 << 17
_LONGEST_STEP = 1 << 16
_PICTURE_END = pmt.intern("picture_end")


class Replay:
    """What is to be played, and when; sink and source tell and ask it from their threads.

    Args:
        parts: of the recording, one after the other.
        antennas: that receive.

    Attributes:
        follows_sink: pictures are played as they are sent; otherwise everything is.
        samples_in: per antenna put into the sink so far.
        samples_out: per antenna played so far.
        ended: nothing more will be asked for.
    """

    def __init__(self, parts: Sequence[RecordedSamples], antennas: int) -> None:
        self._parts = parts
        self._nothing: ComplexArray = np.empty((antennas, 0), np.complex64)
        self._cuts = {
            picture: (part, span) for part in parts for picture, span in part.pictures.items()
        }
        self._rest = deque([(parts[-1], parts[-1].rest)])
        self._due: deque[tuple[RecordedSamples, range]] = deque()
        self._lock = threading.Lock()
        self._on_due: Callable[[], None] = lambda: None
        self.follows_sink = False
        self.samples_in = 0
        self.samples_out = 0
        self.ended = False

    def begin(self, on_due: Callable[[], None]) -> None:
        """Begin; ``on_due`` is called, in any thread, when there is more to play."""
        self._on_due = on_due
        if not self.follows_sink:
            with self._lock:
                self._due.extend((part, range(part.length)) for part in self._parts)

    def take_in(self, samples: int, pictures: Sequence[int]) -> None:
        """Note samples put into the sink, and play what there is of the pictures that they end.

        The first picture that the recording does not name gets all that it has behind those that
        it names: of a recording cut short the last one, of a recording of others everything.
        """
        with self._lock:
            for picture in pictures:
                if picture in self._cuts:
                    self._due.append(self._cuts[picture])
                elif self._rest:
                    self._due.append(self._rest.popleft())
            self.samples_in += samples
        if pictures:
            self._on_due()

    def end(self) -> None:
        """Let the source end when it has played what is due."""
        self.ended = True
        self._on_due()

    def take_out(self, most: int) -> ComplexArray:
        """The next samples ``[rx, n]``, at most so many; none where nothing is due."""
        with self._lock:
            while self._due:
                part, span = self._due.popleft()
                played, left = span[:most], span[most:]
                if left:
                    self._due.appendleft((part, left))
                if played:
                    self.samples_out += len(played)
                    return part.read(played)
            return self._nothing

    def drained(self, sent: int, received: int) -> bool:
        """Whether all that ``sent`` samples ask for was received."""
        with self._lock:
            asked = not self.follows_sink or self.samples_in == sent
            return asked and not self._due and self.samples_out == received


class ReplaySink(GuardedBlock):
    """Takes samples and forgets them; where a picture ends, what was received of it is due.

    Streams: one input a transmit antenna.

    Args:
        replay: is told.
        antennas: that transmit.
    """

    def __init__(self, replay: Replay, antennas: int) -> None:
        super().__init__("semcom_replay_sink", inputs=antennas)
        replay.follows_sink = True
        self._replay = replay

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(len(samples) for samples in inputs)
        tags = self.get_tags_in_window(0, 0, count, _PICTURE_END)
        for port in range(len(inputs)):
            self.consume(port, count)
        self._replay.take_in(count, [pmt.to_long(tag.value) for tag in tags])
        return 0

    def close(self) -> None:
        self._replay.end()


class ReplaySource(GuardedBlock):
    """Plays what is due.

    Streams: one output a receive antenna.

    Args:
        replay: is asked.
        antennas: that receive.
    """

    def __init__(self, replay: Replay, antennas: int) -> None:
        super().__init__("semcom_replay_source", outputs=antennas)
        self._replay = replay
        self.set_min_output_buffer(_BUFFER)

    def open(self) -> None:
        self._replay.begin(self.wake)

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        ended = self._replay.ended  # asked first: what is due by then is played
        samples = self._replay.take_out(min(len(outputs[0]), _LONGEST_STEP))
        count = samples.shape[1]
        if count == 0 and ended:
            return WORK_DONE
        for output, row in zip(outputs, samples, strict=True):
            output[:count] = row
        return count
