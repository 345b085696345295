# SPDX-License-Identifier: GPL-3.0-or-later
"""BPG (F. Bellard, "BPG Specification", version 0.9.5) through libbpg's bpgenc and bpgdec.

They are in no package index. Where they are not on PATH, :mod:`semcom_models.source.hevc` is the
same engine without the container.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from semcom_models.source.base import RGB8, SourceCodec
from semcom_models.source.pillow import decompress
from semcom_models.source.programs import (
    find_program,
    first_line_of,
    require,
    run_decoder,
    run_encoder,
)

_PPM_HEADER = 64
"""More bytes than the header of a PPM file has."""


class BPG(SourceCodec[int]):
    """BPG, 4:4:4 through x265; a quality is HEVC's quantisation parameter, 51 to 0."""

    name = "bpg"
    needs = "bpgenc and bpgdec of libbpg, from https://bellard.org/bpg"
    qualities = range(51, -1, -1)
    usual_bits_per_pixel = (0.065, 18.0)

    def available(self) -> bool:
        return None not in (find_program("bpgenc"), find_program("bpgdec"))

    def version(self) -> str:
        return first_line_of([require(find_program("bpgenc"), self.needs), "-h"])

    def encode(self, rgb: RGB8, quality: int) -> bytes:
        program = require(find_program("bpgenc"), self.needs)
        with TemporaryDirectory() as name:
            folder = Path(name)
            Image.fromarray(rgb).save(folder / "in.png", compress_level=1)
            options = ("-e", "x265", "-f", "444", "-q", str(quality), "-o", "out.bpg")
            return run_encoder([program, *options, "in.png"], folder, folder / "out.bpg")

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        program = require(find_program("bpgdec"), self.needs)
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in.bpg").write_bytes(stream)
            command = (program, "-o", "out.ppm", "in.bpg")
            ppm = run_decoder(command, folder, folder / "out.ppm", 3 * height * width + _PPM_HEADER)
        return decompress(ppm, "PPM", height, width)
