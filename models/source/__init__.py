# SPDX-License-Identifier: GPL-3.0-or-later
"""Standard picture codecs, which learned codes have to beat: one file a codec.

All have one interface, :class:`SourceCodec`. Imports neither PyTorch nor a codec that is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from semcom_models.source.base import RGB8, DamagedStream, Encoded, NotInstalled, SourceCodec
from semcom_models.source.sandbox import decode_safely

__all__ = [
    "DamagedStream",
    "Encoded",
    "NotInstalled",
    "SourceCodec",
    "best_within",
    "decode_safely",
    "get",
    "names",
]

_CODECS = {
    "jpeg": "jpeg:JPEG",
    "jpeg2000": "jpeg2000:JPEG2000",
    "webp": "webp:WebP",
    "avif": "avif:AVIF",
    "hevc": "hevc:HEVC",
    "bpg": "bpg:BPG",
    "vvc": "vvc:VVC",
}


def names() -> tuple[str, ...]:
    """Of all codecs, whether they are installed or not."""
    return tuple(_CODECS)


def get(name: str) -> SourceCodec[Any]:
    """A codec by its name.

    Raises:
        ValueError: no codec of that name.
    """
    if name not in _CODECS:
        raise ValueError(f"no picture codec '{name}'; there are {', '.join(_CODECS)}")
    module, _, kind = _CODECS[name].partition(":")
    codec: SourceCodec[Any] = getattr(import_module(f"{__name__}.{module}"), kind)()
    return codec


def best_within(codec: SourceCodec[Any], rgb: RGB8, max_bytes: int) -> Encoded[Any] | None:
    """Compress a picture as well as a budget allows.

    Args:
        codec: from :func:`get`.
        rgb: uint8 ``[H, W, 3]``.
        max_bytes: that the stream may have.

    Returns:
        The stream of the best quality that fits; None if not even the smallest does.

    Raises:
        NotInstalled: the encoder is not there.
        RuntimeError: the encoder failed.
    """
    return codec.best_within(rgb, max_bytes)
