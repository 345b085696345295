# SPDX-License-Identifier: GPL-3.0-or-later
"""A first-in first-out buffer of samples, addressed by position in the stream."""

from __future__ import annotations

import numpy as np

from semcom_phy.exchange import ComplexArray


class SampleBuffer:
    """Holds a stretch ``[begin, end)`` of a stream of several antennas.

    Appending costs amortised constant time a sample, whatever the size of the pieces.
    """

    def __init__(self, antennas: int) -> None:
        self._store: ComplexArray = np.zeros((antennas, 1 << 14), np.complex64)
        self._first = 0  # column of `begin` in the store
        self.begin = 0
        self.end = 0

    def append(self, samples: ComplexArray) -> None:
        """Add ``[antennas, n]`` at the end."""
        held = self.end - self.begin
        wanted = held + samples.shape[1]
        if self._first + wanted > self._store.shape[1]:
            # At least half of the store is free afterwards, so this happens rarely.
            store, capacity = self._store, 2 * wanted
            if capacity > store.shape[1]:
                store = np.zeros((store.shape[0], capacity), np.complex64)
            store[:, :held] = self._store[:, self._first : self._first + held]
            self._store, self._first = store, 0
        column = self._first + held
        self._store[:, column : column + samples.shape[1]] = samples
        self.end += samples.shape[1]

    def discard(self, before: int) -> None:
        """Forget what lies before stream position ``before``."""
        step = min(max(before, self.begin), self.end) - self.begin
        self.begin += step
        self._first += step

    def view(self, start: int, stop: int) -> ComplexArray:
        """Samples ``[antennas, stop - start]``; zero where the stream has none (or no more).

        Returns a view where the stretch is held, which the next ``append`` may invalidate.
        """
        if self.begin <= start and stop <= self.end:
            first = self._first + start - self.begin
            return self._store[:, first : first + stop - start]
        out = np.zeros((self._store.shape[0], stop - start), np.complex64)
        low, high = max(start, self.begin), min(stop, self.end)
        if low < high:
            first = self._first + low - self.begin
            out[:, low - start : high - start] = self._store[:, first : first + high - low]
        return out
