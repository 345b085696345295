# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, and the exit code that says so."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of ``ota_runner``; part of its interface."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    RADIO = 3
    INCOMPLETE = 4
    INTERRUPTED = 130


class RunnerError(Exception):
    """An error whose message is one line for the user: what is wrong and how to mend it."""

    exit_code = ExitCode.INTERNAL


class UsageError(RunnerError):
    """Bad usage, configuration or input."""

    exit_code = ExitCode.USAGE


class RadioUnavailable(RunnerError):
    """The radio, or the software it needs, is not there."""

    exit_code = ExitCode.RADIO


class LinkFailed(RunnerError):
    """The link broke while a run was on; what was finished is kept."""

    exit_code = ExitCode.INCOMPLETE


class OutputFailed(RunnerError):
    """The run's folder cannot be written any more; what was finished is kept."""

    exit_code = ExitCode.INCOMPLETE


def one_line(error: BaseException) -> str:
    """An exception's message on one line, with its type where the message alone says little."""
    text = " ".join(str(error).split())
    says_itself = isinstance(error, RunnerError | ValueError) or (
        isinstance(error, OSError) and error.errno is None  # not the operating system's words
    )
    if says_itself and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
