# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pictures may be published by now, where some are lost and some only late."""

from __future__ import annotations

_NUMBERS = 1 << 16
"""Receptions number their pictures modulo this."""


class PictureWindow:
    """Lets so many pictures be on their way at a time.

    Who asks says with which picture he is done. One that was given up and comes after all then
    counts once, and one that is lost holds up nothing behind it.

    Args:
        size: pictures on their way at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._published = 0
        self._done = 0
        self._given_up = 0

    def is_open(self) -> bool:
        """Whether another picture may be published."""
        return self._published < self._size + self._done + self._given_up

    def publish(self) -> None:
        """Count a picture as published."""
        self._published += 1

    def ask(self, picture: int | None) -> bool:
        """Count a picture as done; whether that was news.

        Args:
            picture: its number, modulo 65536 perhaps, done with all before it; None for the first
                one that is not done.
        """
        done = self._done + 1
        if picture is not None:
            done = self._published - (self._published - 1 - picture) % _NUMBERS
        if done <= self._done:
            return False
        # What was given up may be late as this one was: only what is done counts.
        self._done, self._given_up = done, 0
        return True

    def give_up(self) -> None:
        """Let another picture be published unasked."""
        self._given_up += 1
