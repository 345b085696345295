# SPDX-License-Identifier: GPL-3.0-or-later
"""The process in which streams of unknown origin are decoded: ``python -m`` starts it.

It reads requests from its standard input and answers them on its standard output, until the input
ends. :mod:`semcom_models.source.sandbox` is the other end.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np

from semcom_models import source
from semcom_models.source.base import DamagedStream, NotInstalled, SourceCodec
from semcom_models.source.messages import read_object, write_message

MEMORY_LIMIT = 4 << 30
"""Bytes of address space: several times what the largest picture takes."""


def serve(get: Callable[[str], SourceCodec[Any]]) -> None:
    """Answer requests for decoding until the input ends.

    An alarm ends a decoder that hangs when nobody is left to end it.

    Args:
        get: finds a codec by its name.
    """
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_message(answers, {})  # ready
    with open(os.devnull, "wb") as nowhere:  # for what decoders print
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    while True:
        try:
            request = read_object(requests)
        except EOFError:
            return
        stream = requests.read(request["bytes"])
        signal.alarm(ceil(request["timeout_s"]) + 1)
        write_message(answers, *_answer(get, request, stream))
        signal.alarm(0)


def _answer(
    get: Callable[[str], SourceCodec[Any]], request: dict[str, Any], stream: bytes
) -> tuple[dict[str, str], memoryview | bytes]:
    try:
        rgb = get(request["codec"]).decode(stream, request["height"], request["width"])
    except NotInstalled as error:
        return {"not_installed": str(error)}, b""
    except DamagedStream as error:
        return {"damaged": str(error)}, b""
    except MemoryError:
        return {"damaged": "the decoder ran out of memory"}, b""
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return {"damaged": f"the decoder failed: {reason}"}, b""
    return {}, np.ascontiguousarray(rgb).data.cast("B")


if __name__ == "__main__":
    serve(source.get)
