# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel buffers between a client and the air: four blocks of the size that the client asks."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_virtual.air_port import AirPort
from semcom_virtual.pluto.converters import OVERFLOW, UNDERFLOW, StatusRegister
from semcom_virtual.pluto.iio_context import IioError

_RECEIVED_SCALE = 2048.0
_SENT_SCALE = 32768.0
_SILENCE = 8
"""Samples of zero that end a burst: a buffer that ends in them is the last of it."""


def _require_elements(elements: Sequence[int]) -> list[int]:
    """Antennas of the parts (in-phase 0, quadrature 1, ...) that a client enabled."""
    if not elements:
        raise IioError(errno.EINVAL)
    return sorted({element // 2 for element in elements})


class ReceiveBuffer:
    """Received blocks for one client.

    Args:
        port: of the air.
        elements: scan indices that are enabled.
        samples: of a block.
        blocks: that wait for the client at most.
        status: where overflows are reported.
    """

    def __init__(
        self,
        port: AirPort,
        elements: Sequence[int],
        samples: int,
        blocks: int,
        status: StatusRegister,
    ) -> None:
        antennas = _require_elements(elements)
        self._parts = [2 * antennas.index(e // 2) + e % 2 for e in elements]
        self._feed = port.open_rx(antennas, capacity=blocks * samples, block=samples)
        self._status, self._lost = status, 0
        self.samples, self.sample_bytes = samples, 2 * len(elements)
        self.capacity_bytes = blocks * samples * self.sample_bytes

    def read(self, count: int, timeout_s: float) -> bytes:
        """The next ``count`` samples.

        Raises:
            IioError: they do not come in time.
            FeedClosedError: the radio is gone.
        """
        pieces, filled = [], 0
        deadline = monotonic() + timeout_s
        while filled < count:
            samples, _ = self._feed.read(count - filled, max(deadline - monotonic(), 0))
            filled += samples.shape[1]
            pieces.append(samples)
            if filled < count and monotonic() >= deadline:
                raise IioError(errno.ETIMEDOUT)
        if self._feed.lost != self._lost:
            self._lost = self._feed.lost
            self._status.report(OVERFLOW)
        return self._encode(np.concatenate(pieces, axis=1))

    def _encode(self, samples: ComplexArray) -> bytes:
        parts = np.ascontiguousarray(samples.T).view(np.float32)  # [sample, part]
        # Whole numbers within 12 bits already: the converter is no finer.
        words = (parts * np.float32(_RECEIVED_SCALE)).astype("<i2")
        if self._parts != list(range(words.shape[1])):
            words = words[:, self._parts]
        return words.tobytes()

    def lose(self, blocks: int) -> None:
        """The next blocks are lost."""
        self._feed.lose(blocks * self.samples)

    def close(self) -> None:
        """The client is done, or gone."""
        self._feed.close()


class TransmitBuffer:
    """Blocks from one client on their way to the transmitter.

    Args:
        port: of the air.
        elements: scan indices that are enabled.
        samples: of a block.
        blocks: that wait to be sent at most.
        cyclic: the first block that is written is sent over and over again.
        status: where underflows are reported.
    """

    def __init__(
        self,
        port: AirPort,
        elements: Sequence[int],
        samples: int,
        blocks: int,
        cyclic: bool,
        status: StatusRegister,
    ) -> None:
        antennas = _require_elements(elements)
        self._parts = [2 * antennas.index(e // 2) + e % 2 for e in elements]
        self._feed = port.open_tx(antennas, capacity=blocks * samples)
        self._antennas, self._cyclic, self._status = len(antennas), cyclic, status
        # The converters take the upper bits.
        bits = port.model.converter_bits
        self._mask = np.int16(-1 << (16 - bits)) if bits else np.int16(-1)
        self.samples, self.sample_bytes = samples, 2 * len(elements)
        self.capacity_bytes = blocks * samples * self.sample_bytes

    def write(self, data: bytes, timeout_s: float) -> None:
        """A block.

        Raises:
            IioError: there is no room in time.
            FeedClosedError: the radio is gone.
        """
        samples = self._decode(np.frombuffer(data, "<i2").reshape(-1, len(self._parts)))
        if self._cyclic:
            self._feed.repeat(samples)
            return
        end = not samples[:, -_SILENCE:].any()
        accepted = self._feed.write(samples, None, False, end, timeout_s)
        if any(kind == "underflow" for kind, _ in self._feed.events()):
            self._status.report(UNDERFLOW)
        if accepted < samples.shape[1]:
            raise IioError(errno.ETIMEDOUT)

    def _decode(self, words: NDArray[np.int16]) -> ComplexArray:
        parts = np.zeros((len(words), 2 * self._antennas), np.float32)
        parts[:, self._parts] = (words & self._mask) / np.float32(_SENT_SCALE)
        return np.ascontiguousarray(parts.view(np.complex64).T)

    def lose(self, blocks: int) -> None:
        """Within a burst, silence of so many blocks."""
        self._feed.tear(blocks * self.samples)

    def close(self) -> None:
        """The client is done, or gone; what was not sent yet is not sent."""
        self._feed.close()
