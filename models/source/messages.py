# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between a run and its decoding process: an object in JSON, and bytes.

On the pipe: the length of the JSON text (4 bytes, big endian), the text, and as many bytes as its
``bytes`` says.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

LENGTH = struct.Struct(">I")
MAX_OBJECT = 1 << 16
"""Bytes of the longest JSON text that is read."""


def write_message(
    pipe: BinaryIO, fields: Mapping[str, Any], body: bytes | memoryview = b""
) -> None:
    """Send an object and bytes, whose number the object gains as ``bytes``."""
    text = json.dumps({**fields, "bytes": len(body)}).encode()
    pipe.write(LENGTH.pack(len(text)) + text)
    pipe.write(body)
    pipe.flush()


def read_object(pipe: BinaryIO) -> dict[str, Any]:
    """The object of the next message; its bytes are left in the pipe.

    Raises:
        EOFError: the pipe was closed.
        ValueError: what came is no message.
    """
    prefix = pipe.read(LENGTH.size)
    if len(prefix) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(prefix)
    if length > MAX_OBJECT:
        raise ValueError(f"a message of {length} bytes before its body")
    fields = json.loads(pipe.read(length))
    if not isinstance(fields, dict) or not isinstance(fields.get("bytes"), int):
        raise ValueError("a message without the number of its bytes")
    return fields
